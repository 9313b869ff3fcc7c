"""Any Keras classifier of one float tensor, checked, as a model that answers in logits."""

import hashlib
import importlib.resources
import math
import pkgutil
import tempfile
import textwrap
import zipfile

import keras
import numpy as np
from keras import ops

from kegnet_tf.layers import LogProbabilities, TwoClasses


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

    A softmax at the end is taken out of the graph, and the rest stays as it is; one unit, sigmoid
    or linear, becomes two classes. Where the graph does not tell what the head answers (it is an
    operation, a custom layer, a nested or subclassed model), rows that are non-negative and sum to
    1 on random data are probabilities, and their logarithm is taken.

    Args:
        source: path of a `.keras` file, or a built `keras.Model`. That one stays as it is: its
            graph is copied, and a subclassed one, which has none, is only ever called.
        output: "logits" or "probabilities", whatever the graph says; "" to find out.
        custom_objects: names such as "module:Name" of classes and functions that the file needs.
            They are imported, and Keras knows them from then on.
        safe_mode: False allows a file with Lambda layers, and so runs what code the file holds.

    Returns:
        A Functional model from [batch, height, width, channels] or [batch, features] to float32,
        [batch, num_classes], not compiled. What is copied is trainable throughout: a student
        learns, and counts, every layer. No optimiser ever gets the teacher's own variables.

    Raises:
        ValueError: if the source is no such classifier, a weight is not finite, or the head is
            several sigmoids, or one unit that cannot be told, and `output` is "".
    """
    if output not in ("", "logits", "probabilities"):
        raise ValueError(f"`output` must be 'logits' or 'probabilities'. Received: {output!r}.")
    keras.saving.get_custom_objects().update(_imported(custom_objects))
    model = source
    if not isinstance(source, keras.Model):
        model = _read(source, safe_mode)
    elif _has_graph(source):
        model = _copy(source)
    if model is not source:
        # Keras ignores a value that stands already, frozen parts below or not.
        model.trainable = False
        model.trainable = True
    model = _plain(model)
    _check(model)
    return _answering_in_logits(model, output)


def digest(model):
    """SHA-256 of a model's weights, in hexadecimal."""
    sha = hashlib.sha256()
    for weight in model.get_weights():
        sha.update(np.ascontiguousarray(weight).tobytes())
    return sha.hexdigest()


def train(
    model,
    train_data,
    valid_data,
    *,
    epochs,
    batch_size,
    learning_rate,
    seed,
    weight_decay=0.0,
    flip=False,
    shift=0.0,
    verbose=2,
):
    """Trains a classifier that answers in logits, with AdamW and a cosine to zero.

    The weights kept are those of the epoch that is best on the validation data. A `Normalization`
    layer is adapted to the training data first.

    Args:
        model: a Keras classifier, [batch, ...] to [batch, num_classes].
        train_data: (x, label) of the training split.
        valid_data: (x, label) of the validation split.
        epochs: passes over the training data.
        batch_size: examples in a step.
        learning_rate: Adam's, at the start.
        seed: integer that fixes the order of the data and their augmentation.
        weight_decay: AdamW's (Loshchilov and Hutter, 2019), times the learning rate in each step.
        flip: whether training images are mirrored left to right at random.
        shift: share of height and width by which training images move at most, at random.
        verbose: as in `keras.Model.fit`.

    Returns:
        Keras' `History`; its `params` tell the steps.
    """
    keras.utils.set_random_seed(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt(train_data[0])
    augmentation = []
    if flip:
        augmentation.append(keras.layers.RandomFlip("horizontal", seed=seed))
    if shift:
        augmentation.append(keras.layers.RandomTranslation(shift, shift, "nearest", seed=seed))
    # A model around the model: augmentation acts in training only and is no part of what is kept,
    # nor is the optimiser, which Keras would save with a compiled model.
    trainer = keras.Sequential([keras.Input(model.input_shape[1:]), *augmentation, model])
    steps = epochs * math.ceil(len(train_data[0]) / batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    trainer.compile(
        keras.optimizers.AdamW(schedule, weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    best = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=epochs, mode="max", restore_best_weights=True
    )
    return trainer.fit(
        *train_data, batch_size, epochs, verbose, callbacks=[best], validation_data=valid_data
    )


def _imported(entries):
    objects = {}
    for entry in entries:
        try:
            found = pkgutil.resolve_name(entry)
            if not callable(found):
                raise TypeError("neither a class nor a function")
        except Exception as error:  # a module of the user's can raise anything
            raise ValueError(
                "`custom_objects` must be names such as module:Name that can be imported. "
                f"Received: {entry!r} ({_reason(error)})."
            ) from error
        objects[found.__name__] = found
    return objects


def _read(path, safe_mode):
    rule = "be a complete .keras file of a model"
    try:
        with zipfile.ZipFile(path) as file:
            if safe_mode and b'"__lambda__"' in file.read("config.json"):
                rule = "hold no Lambda layers, unless --nosafe_mode lets code from the file run"
        model = keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
        if not isinstance(model, keras.Model):
            raise TypeError(f"it holds a {type(model).__name__}")
    except Exception as error:  # a broken file can make Keras raise anything
        reason = _reason(error)
        if "Could not locate" in reason:
            rule = "hold only what Keras knows or --custom_objects=module:Name names"
        raise ValueError(f"`teacher` must {rule}. Received: {path} ({reason}).") from error
    return model


def _copy(model):
    """The model as it comes back from a file, which carries every state and every name."""
    classes = {
        type(layer).__name__: type(layer)
        for layer in model._flatten_layers()
        if not type(layer).__module__.startswith("keras.")
    }
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
    """The first sentence of what went wrong innermost."""
    text = str(error).rpartition("Exception encountered: ")[2]
    return textwrap.shorten(text, 200).split(". ")[0].rstrip(".")


def _has_graph(model):
    return isinstance(model, keras.Function) or (
        isinstance(model, keras.Sequential) and model.built
    )


def _plain(model):
    """A Functional model of the same layers, from one tensor to one tensor."""
    if _has_graph(model):
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
    shape, dtype, answer = model.input_shape, model.inputs[0].dtype, model.output_shape
    unsound = [w.path for w in model.weights if not np.isfinite(ops.convert_to_numpy(w)).all()]
    for holds, rule, received in (
        (keras.backend.is_float_dtype(dtype), "eat floating-point numbers", dtype),
        (
            len(shape) in (2, 4) and shape[0] is None and None not in shape[1:],
            "eat [batch, height, width, channels] or [batch, features], open in the batch alone",
            shape,
        ),
        (len(answer) == 2, "answer [batch, num_classes]", answer),
        (answer[-1], "have 2 classes or more", answer),
        (not unsound, "have finite weights", f"NaN or infinity in {unsound[:3]}"),
    ):
        if not holds:
            raise ValueError(f"`teacher` must {rule}. Received: {received}.")


def _answering_in_logits(model, output):
    (head, kind), units = _head(model), model.output_shape[-1]
    received = f"Received: {units} unit{'s' * (units > 1)} of {kind or type(head).__name__}."
    if units == 1 and kind == "softmax":
        raise ValueError(f"`teacher` must have 2 classes or more. {received}")
    if not output:
        if kind == ("sigmoid" if units > 1 else ""):
            raise ValueError(
                "`teacher` must end in logits, a softmax, or one linear or sigmoid unit, unless "
                f"`output` (--teacher_output) says what it answers. {received}"
            )
        answers = {"linear": "logits", "softmax": "probabilities", "sigmoid": "probabilities"}
        output = answers.get(kind) or _measured(model)
    if output == "probabilities":
        if kind == ("softmax" if units > 1 else "sigmoid"):
            model = _without_activation(model, head)
        else:
            model = _followed(model, LogProbabilities)
    if units == 1:
        return _followed(model, TwoClasses)
    # Losses want float32, where a teacher of mixed precision has it only behind its softmax.
    return model if model.output.dtype == "float32" else _followed(model, keras.layers.Identity)


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
    if type(head) in (keras.layers.Dense, keras.layers.EinsumDense):
        head.activation = keras.activations.linear
        return model

    def call(layer, *args, **kwargs):
        return (*args, *kwargs.values())[0] if layer is head else layer(*args, **kwargs)

    return keras.models.clone_model(model, model.input, lambda layer: layer, call)


def _followed(model, layer):
    return keras.Model(model.input, layer(dtype="float32")(model.output), name=model.name)
