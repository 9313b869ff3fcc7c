"""Any file that a model was saved in, as a function from data to its outputs."""

import dataclasses
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import psutil
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf import compression, teachers  # noqa: F401 (the Tucker layers are registered)
from kegnet_tf.export import litert_edits, onnx_files, saved_models

# The interpreter believes what a file says of itself, and a spoilt one can end the process.
_TRIAL = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
if sys.platform == "linux":
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
try:
    model = Interpreter(sys.argv[1])
    (inputs,), (outputs,) = model.get_input_details(), model.get_output_details()
    model.resize_tensor_input(inputs["index"], [1, *inputs["shape"][1:]])
    model.allocate_tensors()
    model.set_tensor(inputs["index"], np.zeros([1, *inputs["shape"][1:]], inputs["dtype"]))
    model.invoke()
    model.get_tensor(outputs["index"])
except Exception as error:
    sys.exit(str(error))
"""
_TRIAL_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Predictor:
    """Function from a batch of any size, an array, to the outputs of a file.

    Attributes:
        predict: the function.
        input_shape: of one example.
        num_classes: length of an output.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    input_shape: tuple
    num_classes: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.predict(x)


def predictor(path: str | pathlib.Path, *, safe_mode: bool = True) -> Predictor:
    """Predictor of a `.keras` file, a SavedModel's folder, a `.tflite` or an `.onnx` file.

    Args:
        path: of the file or folder.
        safe_mode: False lets the code of a `.keras` file run.

    Raises:
        ValueError: if it is none of them, or broken.
    """
    path = pathlib.Path(path)
    if path.suffix == ".keras":
        model = teachers.read_model(path, argument="model", safe_mode=safe_mode)
        model = teachers.plain(model, "model")
        return Predictor(model.predict_on_batch, model.input_shape[1:], model.output_shape[-1])
    try:
        if not path.exists():
            raise FileNotFoundError("No such file or folder")
        if path.suffix == ".tflite":
            _try(path)
            return litert_predictor(path)
        if path.suffix == ".onnx":
            return Predictor(*onnx_files.answerer(path))
        saved_models.check(path)
        return saved_model_predictor(path)
    except Exception as error:  # a broken file can make TensorFlow raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            "`model` must be a .keras file, a SavedModel's folder, a .tflite or an .onnx file. "
            f"Received: {path} ({lines[0]})"
        ) from error


def _try(path):
    """Raises if a `.tflite` file does not answer, tried in a process of its own."""
    if not path.is_file():  # which no pipe and no device is
        raise ValueError("it is no file" if path.exists() else "there is no such file")
    free = psutil.virtual_memory().available
    command = [sys.executable, "-c", _TRIAL, str(path), str(free)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
            timeout=_TRIAL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it did not answer in {_TRIAL_SECONDS} seconds") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() if done.returncode > 0 else []
        raise ValueError(said[-1] if said else f"it ended its process, {done.returncode}")


def saved_model_predictor(
    path: str | pathlib.Path, signature: str = "serving_default"
) -> Predictor:
    """Predictor of one signature, from one input to one output, of a SavedModel."""
    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures[signature]
    ((name, spec),) = function.structured_input_signature[1].items()
    (outputs,) = function.structured_outputs.values()

    def predict(x):
        predict.model = loaded  # keeps the variables alive
        (output,) = function(**{name: tf.constant(x)}).values()
        return output.numpy()

    return Predictor(predict, tuple(spec.shape[1:]), outputs.shape[-1])


def litert_predictor(path: str | pathlib.Path) -> Predictor:
    """Predictor of a `.tflite` file, from float data to float outputs.

    A file that takes or gives integers gets them by its own scale and zero point, and a table's row
    is standardised before where the file says how. A file of one example at a time is asked one
    example after another.
    """
    interpreter, scale = Interpreter(str(path)), input_scale(path)
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = None

    def answer(x):
        nonlocal shape
        if shape != x.shape:
            interpreter.resize_tensor_input(inputs["index"], x.shape)
            interpreter.allocate_tensors()
            shape = x.shape
        interpreter.set_tensor(inputs["index"], _quantised(x, inputs))
        interpreter.invoke()
        return _dequantised(interpreter.get_tensor(outputs["index"]), outputs)

    def predict(x):
        if scale:
            x = (x - scale[0]) / scale[1]
        if inputs["shape_signature"][0] != 1:
            return answer(x)
        return np.concatenate([answer(x[row : row + 1]) for row in range(len(x))])

    return Predictor(predict, tuple(inputs["shape"][1:].tolist()), int(outputs["shape"][-1]))


def answered(predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """What a model or a file answers, asked in portions.

    Args:
        predict: function from a batch to outputs.
        x: data, [size, ...].

    Returns:
        Outputs, [size, num_classes].
    """
    size = teachers.rows_at_once(x.shape[1:], 500)
    batches = (x[start : start + size] for start in range(0, len(x), size))
    return np.concatenate([np.asarray(predict(batch)) for batch in batches])


def quantisation(path: str | pathlib.Path) -> tuple[tuple[float, int], tuple[float, int]]:
    """(scale, zero point) of the input and of the output of a `.tflite` file; (0.0, 0) for floats.

    An integer q stands for the number scale * (q - zero point).
    """
    interpreter = Interpreter(str(path))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    return inputs["quantization"], outputs["quantization"]


def input_scale(path: str | pathlib.Path) -> tuple[np.ndarray, np.ndarray] | None:
    """(mean, deviation) of each feature, by which a row is standardised before a file takes it.

    Args:
        path: of a `.tflite` file.

    Returns:
        Two arrays, [features]; None where the file takes what the model expects.

    Raises:
        ValueError: if the file says something else there.
    """
    (inputs,) = Interpreter(str(path)).get_input_details()
    return litert_edits.input_scale(pathlib.Path(path).read_bytes(), int(inputs["shape"][-1]))


def latency(
    predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray, repeats: int = 100
) -> float:
    """Median time of one call in milliseconds, after ten calls that do not count.

    Args:
        predict: function from a batch to outputs.
        x: the batch.
        repeats: calls that count.
    """
    seconds = []
    for _ in range(10 + repeats):
        started = time.perf_counter()
        predict(x)
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds[10:])


def _quantised(x, details):
    """Float data as the tensor of these details expects them."""
    if np.issubdtype(details["dtype"], np.floating):
        return x
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.clip(np.round(x / scale) + zero_point, limits.min, limits.max).astype(
        details["dtype"]
    )


def _dequantised(values, details):
    """Floats that the values of the tensor of these details stand for."""
    if np.issubdtype(details["dtype"], np.floating):
        return values
    scale, zero_point = details["quantization"]
    return np.float32(scale) * (values.astype(np.float32) - zero_point)
