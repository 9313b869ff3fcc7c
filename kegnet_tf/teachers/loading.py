"""Any Keras classifier of one float tensor, checked, as a model that answers in logits."""

import dataclasses
import hashlib
import importlib.resources
import math
import os
import pkgutil
import tempfile
from collections.abc import Sequence

import keras
import numpy as np
import psutil
from keras import ops

from kegnet_tf.teachers import graphs, heads, keras_files

# Imported here and now: later, the folder's module would take the place of `teachers.pretrained`.
_SHIPPED = importlib.resources.files("kegnet_tf.teachers.pretrained")


def pretrained(name: str) -> str:
    """Path of the teacher that ships for the preset `name`.

    Raises:
        ValueError: if none ships.
    """
    path = _SHIPPED / f"{name}.keras"
    if not path.is_file():
        raise ValueError(
            f"`teacher` must be given: none ships for this preset. Received: {name!r}."
        )
    return str(path)


def load(
    source: str | os.PathLike | keras.Model,
    *,
    output: str = "",
    custom_objects: Sequence[str] = (),
    safe_mode: bool = True,
    argument: str = "teacher",
) -> keras.Model:
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
        argument: what a refusal calls the source.

    Returns:
        A Functional model from [batch, height, width, channels] or [batch, features] to float32,
        [batch, num_classes], not compiled. What is copied is trainable throughout: a student
        learns, and counts, every layer. No optimiser ever gets the teacher's own variables.

    Raises:
        ValueError: if the source is no such classifier, has no weights or one that is not finite,
            does not fit in memory, or the head is several sigmoids, or one unit that cannot be
            told, and `output` is "".
    """
    if output not in ("", "logits", "probabilities"):
        raise ValueError(f"`output` must be 'logits' or 'probabilities'. Received: {output!r}.")
    keras.saving.get_custom_objects().update(_imported(custom_objects))
    model = source
    if not isinstance(source, keras.Model):
        model = keras_files.read(source, argument=argument, safe_mode=safe_mode)
    elif graphs.has_graph(source):
        model = _copy(source)
    try:
        if model is not source:
            graphs.make_trainable(model)
        learns = bool(model.trainable_weights) or model is source
        model = graphs.plain(model, argument)
        _check(model, argument, learns)
        return heads.answering_in_logits(model, output, argument)
    except ValueError as error:
        if isinstance(source, keras.Model):
            raise
        raise ValueError(f"{str(error).rstrip('.')} in {os.fspath(source)}.") from error


@dataclasses.dataclass(frozen=True)
class Loading:
    """How models are loaded: what `load` is given besides their sources.

    Attributes:
        output: "logits" or "probabilities"; "" to find out.
        custom_objects: names such as "module:Name" that files need.
        safe_mode: False lets code from a file run.
        argument: what a refusal calls a source.
    """

    output: str = ""
    custom_objects: Sequence[str] = ()
    safe_mode: bool = True
    argument: str = "teacher"

    def load(self, source: str | os.PathLike | keras.Model) -> keras.Model:
        """A checked copy of a classifier that answers in logits, see `teachers.load`."""
        return load(
            source,
            output=self.output,
            custom_objects=self.custom_objects,
            safe_mode=self.safe_mode,
            argument=self.argument,
        )


def digest(model: keras.Model) -> str:
    """SHA-256 of a model's weights, in hexadecimal."""
    sha = hashlib.sha256()
    for weight in model.get_weights():
        sha.update(np.ascontiguousarray(weight).tobytes())
    return sha.hexdigest()


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
                f"Received: {entry!r} ({keras_files.first_sentence(error)})."
            ) from error
        objects[found.__name__] = found
    return objects


def _copy(model):
    """The model as it comes back from a file, which carries every state and every name."""
    classes = {
        type(layer).__name__: type(layer)
        for layer in (model, *graphs.every_layer(model))
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
            f"Received: {model.name!r} ({keras_files.first_sentence(error)})."
        ) from error


def _check(model, argument, learns):
    shape, dtype, answer = model.input_shape, model.inputs[0].dtype, model.output_shape
    broken = [w.path for w in model.weights if not np.isfinite(ops.convert_to_numpy(w)).all()]
    for holds, rule, received in (
        (keras.backend.is_float_dtype(dtype), "expect floating-point numbers", dtype),
        (
            len(shape) in (2, 4) and shape[0] is None and None not in shape[1:],
            "expect [batch, height, width, channels] or [batch, features], open in the batch alone",
            shape,
        ),
        (len(answer) == 2, "answer [batch, num_classes]", answer),
        (answer[-1], "have 2 classes or more", answer),
        (learns, "have weights that can learn", "none"),
        (not broken, "have finite weights", f"NaN or infinity in {broken[:3]}"),
    ):
        if not holds:
            raise ValueError(f"`{argument}` must {rule}. Received: {received}.")
    if 8 * 8 * math.prod(shape[1:]) > psutil.virtual_memory().available:  # eight, in float64
        raise ValueError(f"`{argument}` must expect what fits in memory. Received: {shape}.")
