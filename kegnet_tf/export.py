import dataclasses
import pathlib
import tempfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf import layers  # noqa: F401 (registers the layers of students)


def export(model, folder, x):
    """Writes a SavedModel and a LiteRT float32 file, and checks each against the Keras model.

    Args:
        model: a built Keras model with one input.
        folder: made where it is missing; it gets `saved_model/` and `student.tflite`.
        x: data to compare on, [size, ...].

    Returns:
        A list of {"format", "path", "bytes", "max_abs_error", "agreement"}: `path` is relative to
        `folder`, the error is the largest absolute difference of an output on `x`, and agreement
        the share of `x` with the same largest output.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    reference = np.concatenate([np.asarray(model(batch)) for batch in _batches(x)])
    model.export(folder / "saved_model", format="tf_saved_model", verbose=False)
    with tempfile.TemporaryDirectory() as scratch:
        # Conversion fails or succeeds in scratch: no half file ever stands in `folder`.
        lite = pathlib.Path(scratch) / "student.tflite"
        model.export(lite, format="litert", verbose=False)
        (folder / "student.tflite").write_bytes(lite.read_bytes())
    rows = []
    for form, name, predict in (
        ("saved_model", "saved_model", saved_model_predictor(folder / "saved_model")),
        ("litert_float32", "student.tflite", litert_predictor(folder / "student.tflite")),
    ):
        outputs = np.concatenate([predict(batch) for batch in _batches(x)])
        rows.append(
            {
                "format": form,
                "path": name,
                "bytes": size(folder / name),
                "max_abs_error": float(np.max(np.abs(outputs - reference))),
                "agreement": float(np.mean(outputs.argmax(axis=-1) == reference.argmax(axis=-1))),
            }
        )
    return rows


@dataclasses.dataclass
class Predictor:
    """Function from a batch, an array, to the outputs of a file.

    Attributes:
        predict: the function.
        input_shape: of one example.
        num_classes: length of an output.
    """

    predict: Callable
    input_shape: tuple
    num_classes: int

    def __call__(self, x):
        return self.predict(x)


def predictor(path):
    """Predictor of a `.keras` file, a SavedModel's folder or a `.tflite` file.

    Raises:
        ValueError: if it is none of them, or broken.
    """
    path = pathlib.Path(path)
    try:
        if path.suffix == ".keras":
            model = keras.saving.load_model(path, compile=False)
            return Predictor(model.predict_on_batch, model.input_shape[1:], model.output_shape[-1])
        if path.suffix == ".tflite":
            return litert_predictor(path)
        return saved_model_predictor(path)
    except (KeyError, OSError, TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            "`model` must be a .keras file, a SavedModel's folder or a .tflite file. "
            f"Received: {path} ({reason})"
        ) from error


def saved_model_predictor(path):
    """Predictor of a SavedModel's `serving_default`."""
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    ((name, spec),) = signature.structured_input_signature[1].items()
    (outputs,) = signature.structured_outputs.values()

    def predict(x):
        predict.model = loaded  # keeps the variables alive
        (output,) = signature(**{name: tf.constant(x)}).values()
        return output.numpy()

    return Predictor(predict, tuple(spec.shape[1:]), outputs.shape[-1])


def litert_predictor(path):
    """Predictor of a `.tflite` file."""
    interpreter = Interpreter(str(path))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = None

    def predict(x):
        nonlocal shape
        if shape != x.shape:
            interpreter.resize_tensor_input(inputs["index"], x.shape)
            interpreter.allocate_tensors()
            shape = x.shape
        interpreter.set_tensor(inputs["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(outputs["index"])

    return Predictor(predict, tuple(inputs["shape"][1:].tolist()), int(outputs["shape"][-1]))


def size(path):
    """Bytes of a file, or of a folder's files.

    A SavedModel's `fingerprint.pb` does not count: it is random, of a length that varies.
    """
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(f.stat().st_size for f in files if f.is_file() and f.name != "fingerprint.pb")


def _batches(x, size=500):
    return (x[start : start + size] for start in range(0, len(x), size))
