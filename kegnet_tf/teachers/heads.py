"""What a classifier answers, found out and turned into logits."""

import keras
import numpy as np
from keras import ops

from kegnet_tf.teachers import graphs


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TwoClasses(keras.layers.Layer):
    """Logits of two classes, [-s / 2, s / 2], from the one logit s of a two-class sigmoid.

    Both have the same probabilities: sigmoid(s) is the second entry of the softmax.
    """

    def call(self, s):
        return ops.concatenate([-s / 2, s / 2], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable(package="kegnet_tf")
class LogProbabilities(keras.layers.Layer):
    """Logits from probabilities: log p, or, of one column, the logit log p - log(1 - p).

    Probabilities below 1e-7 count as 1e-7, so that the logits stay finite.
    """

    def call(self, p):
        log_p = ops.log(ops.maximum(p, 1e-7))
        return log_p if p.shape[-1] > 1 else log_p - ops.log(ops.maximum(1 - p, 1e-7))

    def compute_output_shape(self, input_shape):
        return input_shape


def answering_in_logits(
    model: keras.Model, output: str = "", argument: str = "teacher"
) -> keras.Model:
    """A model of the same layers that answers in logits.

    Args:
        model: a Functional classifier from one tensor to one, [batch, units].
        output: "logits" or "probabilities", whatever the graph says; "" to find out.
        argument: what a refusal calls the model.

    Returns:
        A Functional model to float32, [batch, num_classes]; a softmax or sigmoid at the end of the
        graph is taken out, in place where a `Dense` holds it.

    Raises:
        ValueError: if the head is several sigmoids, or one unit that cannot be told, and `output`
            is ""; or a softmax of one unit.
    """
    (head, kind), units = _head(model), model.output_shape[-1]
    received = f"Received: {units} unit{'s' * (units > 1)} of {kind or type(head).__name__}."
    if units == 1 and kind == "softmax":
        raise ValueError(f"`{argument}` must have 2 classes or more. {received}")
    if not output:
        if kind == ("sigmoid" if units > 1 else ""):
            raise ValueError(
                f"`{argument}` must end in logits, a softmax, or one linear or sigmoid unit, "
                f"unless `output` (--teacher_output) says what it answers. {received}"
            )
        answers = {"linear": "logits", "softmax": "probabilities", "sigmoid": "probabilities"}
        output = answers.get(kind) or _measured(model)
    if output == "probabilities":
        if kind == ("softmax" if units > 1 else "sigmoid"):
            model = graphs.without_activation(model, head)
        else:
            model = graphs.followed(model, LogProbabilities(dtype="float32"))
    if units == 1:
        return graphs.followed(model, TwoClasses(dtype="float32"))
    # Losses want float32, where a teacher of mixed precision has it only behind its softmax.
    if model.output.dtype == "float32":
        return model
    return graphs.followed(model, keras.layers.Identity(dtype="float32"))


def _head(model):
    """The operation that answers, and its activation where that is sure to come last, else ""."""
    name = model.output_names[0]
    (head,) = (operation for operation in model.operations if operation.name == name)
    (config,) = (entry for entry in model.get_config()["layers"] if entry["name"] == name)
    if len(config["inbound_nodes"]) > 1:  # what is done to the last call is done to all
        return head, ""
    if type(head) is keras.layers.Softmax:
        return head, "softmax"
    kinds = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}
    if type(head) in (keras.layers.Dense, keras.layers.EinsumDense):
        kinds[keras.activations.linear] = "linear"
    elif type(head) is not keras.layers.Activation:
        return head, ""
    return head, kinds.get(head.activation, "")


def _measured(model):
    """What the rows look like on random data: "probabilities" or "logits"."""
    x = np.random.default_rng(0).normal(size=(8, *model.input_shape[1:])).astype(np.float32)
    p = ops.convert_to_numpy(model(x, training=False)).astype(np.float64)
    sums_to_1 = np.allclose(p.sum(axis=-1), 1, atol=1e-2)  # as close as bfloat16 gets
    return "probabilities" if sums_to_1 and (p >= 0).all() else "logits"
