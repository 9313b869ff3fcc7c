"""Teachers: any Keras classifier of one float tensor, checked, as a model that answers in logits.

Learning, and what it learns from, is standardised: each channel has mean 0 and deviation 1. A
teacher that holds its own preprocessing eats something else; `standardised` puts the way there in
front of it, and `unstandardised` takes it away again.
"""

import hashlib
import importlib.resources
import math
import pkgutil
import tempfile
import zipfile

import keras
import numpy as np
from keras import ops


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


def pretrained(name):
    """Path of the teacher that ships for the preset `name`.

    Raises:
        ValueError: if none ships.
    """
    path = importlib.resources.files("kegnet_tf.pretrained") / f"{name}.keras"
    if not path.is_file():
        raise ValueError(
            f"`teacher` must be given: none ships for this preset. Received: {name!r}."
        )
    return str(path)


def load(source, *, output="", custom_objects=(), safe_mode=True):
    """A checked copy of a classifier that answers in logits.

    What the head answers is read off its activation. A softmax is taken out of the graph, names
    and weights stay; one unit, sigmoid or linear, becomes two classes. Where the graph does not
    tell (an operation, a custom layer, a nested or subclassed model), rows that are non-negative
    and sum to 1 on random data are probabilities, and their logarithm is taken.

    Args:
        source: path of a `.keras` file, or a built `keras.Model`, which stays as it is.
        output: "logits" or "probabilities", whatever the graph says; "" to find out.
        custom_objects: names such as "module:Name" of classes and functions that the file needs.
            They are imported, and Keras knows them from then on.
        safe_mode: False allows a file that holds Python lambdas, and so runs code of the file's.

    Returns:
        A Functional model, not compiled, every layer trainable (a student learns, and counts, them
        all), from [batch, height, width, channels] or [batch, features] to [batch, num_classes].
        Nothing here or later trains it: its variables never reach an optimiser.

    Raises:
        ValueError: if the source is no such classifier, a weight is not finite, or the head is
            several sigmoids, or one unit that cannot be told, and `output` is "".
    """
    if output not in ("", "logits", "probabilities"):
        raise ValueError(
            f"`teacher_output` must be 'logits' or 'probabilities'. Received: {output!r}."
        )
    keras.saving.get_custom_objects().update(_imported(custom_objects))
    model = _copy(source) if isinstance(source, keras.Model) else _read(source, safe_mode)
    model = _plain(model)
    _check(model)
    model = _answering_in_logits(model, output)
    # Keras ignores a value that stands already, frozen parts below or not.
    model.trainable = False
    model.trainable = True
    return model


def input_scale(model):
    """What turns standardised data into what a model eats: times `std`, plus `mean`.

    Told by the first layer. `Normalization`: its own numbers, over all positions of a channel.
    `Rescaling`: what leaves it is assumed to be an image in [0, 1], of mean 0.5 and deviation 0.25,
    where the offset is 0; an image in [-1, 1], of mean 0 and deviation 0.5, where it is -1; and
    standardised where it is anything else.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        (mean, std): tuples of floats, as long as the channels or the features, or 1; (0.0, 1.0)
        where the first layer is neither.
    """
    first = _plain(model).operations[1]
    if isinstance(first, keras.layers.Normalization) and not first.invert:
        mean, variance = (
            array.reshape(-1, array.shape[-1])
            for array in map(ops.convert_to_numpy, (first.mean, first.variance))
        )
        variance = np.mean(variance, axis=0) + np.var(mean, axis=0)
        mean, std = np.mean(mean, axis=0), np.maximum(np.sqrt(variance), keras.config.epsilon())
    elif isinstance(first, keras.layers.Rescaling) and first.name != "destandardise":
        scale, offset = np.ravel(first.scale), np.ravel(first.offset)
        after = {0.0: (0.5, 0.25), -1.0: (0.0, 0.5)}
        middle, spread = after.get(offset[0], (0.0, 1.0)) if len({*offset}) == 1 else (0.0, 1.0)
        mean, std = (middle - offset) / scale, spread / np.abs(scale)
    else:
        return 0.0, 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def standardised(model):
    """The model behind a `Rescaling`, named "destandardise", that applies its `input_scale`.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        A Functional model of the same layers that eats standardised data; the model itself where
        it does so already.
    """
    mean, std = input_scale(model)
    if not np.any(mean) and np.all(np.equal(std, 1)):
        return model
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype)
    x = keras.layers.Rescaling(std, mean, name="destandardise", dtype="float32")(inputs)
    return keras.Model(inputs, model(x), name=model.name)


def unstandardised(student):
    """The model that `standardised` was given, or what a copy or a compression has made of it.

    Args:
        student: a model; one that `standardised` has not changed comes back itself.
    """
    names = [layer.name for layer in student.layers]
    return student.layers[-1] if "destandardise" in names else student


def digest(model):
    """SHA-256 of a model's weights, in hexadecimal."""
    sha = hashlib.sha256()
    for weight in model.get_weights():
        sha.update(np.ascontiguousarray(weight).tobytes())
    return sha.hexdigest()


def train(model, train_data, valid_data, *, epochs, batch_size, learning_rate, seed, verbose=2):
    """Trains a classifier that answers in logits, with Adam and a cosine to zero.

    The weights kept are those of the epoch that is best on the validation data.

    Args:
        model: a Keras classifier, [batch, ...] to [batch, num_classes].
        train_data: (x, label) of the training split.
        valid_data: (x, label) of the validation split.
        epochs: passes over the training data.
        batch_size: examples in a step.
        learning_rate: Adam's, at the start.
        seed: integer that fixes the order of the data.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History`; its `params` tell the steps.
    """
    keras.utils.set_random_seed(seed)
    steps = epochs * math.ceil(len(train_data[0]) / batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, mode="max", restore_best_weights=True
    )
    return model.fit(
        *train_data, batch_size, epochs, verbose, callbacks=[best], validation_data=valid_data
    )


def _imported(entries):
    objects = {}
    for entry in entries:
        try:
            # Whoever starts the program names the module, and it may raise whatever it likes.
            found = pkgutil.resolve_name(entry)
            objects[found.__name__] = found
        except Exception as error:
            raise ValueError(
                "`custom_objects` must be names such as module:Name that can be imported. "
                f"Received: {entry!r} ({_reason(error)})."
            ) from error
        if not callable(found):
            raise ValueError(
                "`custom_objects` must name classes or functions, as module:Name. "
                f"Received: {entry!r}."
            )
    return objects


def _read(path, safe_mode):
    rule = "be a complete .keras file"
    try:
        with zipfile.ZipFile(path) as file:
            if safe_mode and b'"__lambda__"' in file.read("config.json"):
                rule = "hold no Lambda layers, unless --nosafe_mode lets code from the file run"
        model = keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
    except Exception as error:  # a broken file can make Keras raise anything
        if "Could not locate" in str(error):
            rule = "hold only what Keras knows or --custom_objects=module:Name names"
        raise ValueError(f"`teacher` must {rule}. Received: {path} ({_reason(error)}).") from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"`teacher` must {rule}, of a model. Received: {type(model).__name__}.")
    return model


def _copy(model):
    """The model as it comes back from a file, which carries subclassed ones and every state."""
    classes = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    try:
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/teacher.keras", include_optimizer=False)
            return keras.saving.load_model(
                f"{folder}/teacher.keras", classes, compile=False, safe_mode=False
            )
    except Exception as error:  # a custom layer can make Keras raise anything
        raise ValueError(
            "`teacher` must be a model that Keras can save and load. "
            f"Received: {model.name!r} ({_reason(error)})."
        ) from error


def _reason(error):
    return str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")


def _plain(model):
    """A Functional model of the same layers, from one tensor to one tensor."""
    if isinstance(model, keras.Function) or (isinstance(model, keras.Sequential) and model.built):
        inputs, outputs = model.inputs, model.outputs
    else:
        shape = (model.get_build_config() or {}).get("input_shape") or [()]
        if not all(isinstance(size, int | None) for size in shape):
            raise ValueError(
                "`teacher` must be Functional, or have been built on one tensor. "
                f"Received: {type(model).__name__} {model.name!r}, whose input shape is unknown."
            )
        inputs = [keras.Input(shape[1:])]
        outputs = keras.tree.flatten(model(inputs[0]))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            "`teacher` must have one input and one output. Received: "
            f"inputs {[i.shape for i in inputs]}, outputs {[o.shape for o in outputs]}."
        )
    return keras.Model(inputs[0], outputs[0], name=model.name)


def _check(model):
    shape, dtype = model.input_shape, model.inputs[0].dtype
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"`teacher` must eat floating-point numbers. Received: {dtype}.")
    if len(shape) not in (2, 4) or shape[0] is not None or None in shape[1:]:
        raise ValueError(
            "`teacher` must eat [batch, height, width, channels] or [batch, features], with "
            f"nothing but the batch open. Received: {shape}."
        )
    if len(model.output_shape) != 2:
        raise ValueError(
            f"`teacher` must answer [batch, num_classes]. Received: {model.output_shape}."
        )
    if not model.output_shape[-1]:
        raise ValueError(
            f"`teacher` must have 2 classes or more. Received: output {model.output_shape}."
        )
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise ValueError(
                f"`teacher` must have finite weights. Received: NaN or infinity in {weight.path}."
            )


def _answering_in_logits(model, output):
    (head, kind), units = _head(model), model.output_shape[-1]
    received = f"Received: {units} unit{'s' * (units > 1)} of {kind or type(head).__name__}."
    if units == 1 and kind == "softmax":
        raise ValueError(f"`teacher` must have 2 classes or more. {received}")
    if not output:
        if (units == 1 and not kind) or (units > 1 and kind == "sigmoid"):
            raise ValueError(
                "`teacher` must end in logits, a softmax, or one linear or sigmoid unit, or "
                f"--teacher_output must say what it answers. {received}"
            )
        answers = {"linear": "logits", "softmax": "probabilities", "sigmoid": "probabilities"}
        output = answers.get(kind) or _measured(model)
    if output == "probabilities":
        if kind == ("softmax" if units > 1 else "sigmoid"):
            model = _without_activation(model, head)
        else:
            model = _followed(model, LogProbabilities)
    return model if units > 1 else _followed(model, TwoClasses)


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
    x = np.random.default_rng(0).normal(size=(8, *model.input_shape[1:])).astype(np.float32)
    p = ops.convert_to_numpy(model(x, training=False)).astype(np.float64)
    sums_to_1 = np.allclose(p.sum(axis=-1), 1, atol=1e-2)  # as close as bfloat16 gets
    return "probabilities" if sums_to_1 and (p >= 0).all() else "logits"


def _without_activation(model, head):
    if type(head) is not keras.layers.Softmax:
        head.activation = keras.activations.linear
        return model
    linear = keras.layers.Activation("linear", name=head.name)
    return keras.models.clone_model(
        model, model.input, lambda layer: linear if layer is head else layer
    )


def _followed(model, layer):
    return keras.Model(model.input, layer(dtype="float32")(model.output), name=model.name)
