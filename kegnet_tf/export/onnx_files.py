"""A Keras model as an ONNX file, by Keras' own export; what that needs is the extra `onnx`."""

import pathlib

import keras
import numpy as np
from keras import layers

from kegnet_tf import compression, teachers
from kegnet_tf.export import extras

FORMAT = "onnx"


def write(model: keras.Model, path: str | pathlib.Path) -> None:
    """Writes a model as an ONNX file, for any number of examples.

    Args:
        model: a built Keras model of one input that answers in logits.
        path: of the file.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if the model cannot be converted.
    """
    model, _ = teachers.rebuilt(model, _multiplying)
    model(np.zeros((1, *model.input_shape[1:]), model.inputs[0].dtype))  # Keras asks for a call
    try:
        model.export(str(path), format="onnx", verbose=False)
    except OSError:
        raise
    except Exception as error:  # tf2onnx has no class of its own for what it raises
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        raise ValueError(
            f"`model` must hold only what {FORMAT} has operations for. Received: {reason}"
        ) from error


def _multiplying(layer):
    """What stands for a `Normalization`, whose numbers tf2onnx loses: it multiplies and adds."""
    if type(layer) is not layers.Normalization:
        return None
    scale, offset = (part.tolist() for part in compression.rescaling(layer))
    return layers.Rescaling(scale, offset, name=layer.name)


def answerer(path: str | pathlib.Path):
    """(function from a batch to outputs, shape of one example, length of an output) of a file.

    Args:
        path: of an ONNX file of one input and one output.
    """
    extras.check([FORMAT])
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (inputs,), (outputs,) = session.get_inputs(), session.get_outputs()

    def answer(x):
        return session.run([outputs.name], {inputs.name: x})[0]

    return answer, tuple(inputs.shape[1:]), outputs.shape[-1]
