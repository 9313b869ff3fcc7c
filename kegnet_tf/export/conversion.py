"""A Keras model as a SavedModel, and a SavedModel as LiteRT files of built-in operations only."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf import compression  # noqa: F401 (registers the Tucker layers of students)
from kegnet_tf.export import litert_edits

FORMATS = (
    "litert_float32",
    "litert_float16",
    "litert_dynamic_range",
    "litert_int8",
    "litert_int8_integer_only",
)


def save(
    model: keras.Model,
    path: str | pathlib.Path,
    *,
    batch: int | None = None,
    raw: tuple | None = None,
) -> None:
    """Writes a SavedModel that plain TensorFlow can load.

    Its signatures take `x`, [batch, ...], and give `logits`, [batch, num_classes]. Of
    `serving_default`, x is what the model expects; of `serving_raw`, what it is before it was
    standardised; `serve` is the first again, by the name that Keras' `TFSMLayer` asks for.

    Args:
        model: a built Keras model of one input that answers in logits.
        path: folder to make.
        batch: examples in a batch; None for any number.
        raw: (mean, std), one number each or one for each channel or feature: `serving_raw` takes
            images as uint8 in [0, 255], which are divided by 255 first, or vectors as they are,
            subtracts the mean and divides by the deviation. () for a model that expects raw
            values: both signatures are the same. None for no `serving_raw`.

    Raises:
        OSError: if the folder cannot be written.
    """
    shape, dtype = (batch, *model.input_shape[1:]), model.inputs[0].dtype
    archive = keras.export.ExportArchive()
    archive.track(model)

    def logits(x):
        return {"logits": model(x, training=False)}

    def standardised(x):
        mean, std = (tf.constant(part, tf.float32) for part in raw)
        if x.dtype == tf.uint8:
            x = tf.cast(x, tf.float32) / 255.0
        return logits(tf.cast((x - mean) / std, dtype))

    for name in ("serving_default", "serve"):
        archive.add_endpoint(name, logits, [tf.TensorSpec(shape, dtype, "x")])
    if raw:
        pixels = "uint8" if len(shape) == 4 else "float32"
        archive.add_endpoint("serving_raw", standardised, [tf.TensorSpec(shape, pixels, "x")])
    elif raw is not None:
        archive.add_endpoint("serving_raw", logits, [tf.TensorSpec(shape, dtype, "x")])
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:  # what TensorFlow says instead of OSError: a full disk, say
        raise OSError(f"{path} could not be written: {error.message}") from error


def convert(
    saved_model: str | pathlib.Path, form: str, calibration: np.ndarray | None = None
) -> bytes:
    """Bytes of a `.tflite` file from `serving_default` of a SavedModel.

    Args:
        saved_model: path of its folder.
        form: one of `FORMATS`. "litert_float16": weights; "litert_dynamic_range": int8 weights;
            "litert_int8": activations as well, with floats in and out, and an operation that
            has no int8 kernel left in floats; "litert_int8_integer_only": nothing but integers,
            uint8 in and out.
        calibration: examples that fix the ranges of activations for int8, [size, ...], as
            `serving_default` expects them; None where the model holds them, see
            `compression.ranged`. Not read for other formats.

    Raises:
        ValueError: if `form` is unknown, or the model holds what LiteRT has no built-in operation
            for.
    """
    if form not in FORMATS:
        raise ValueError(f"`formats` must be among {', '.join(FORMATS)}. Received: {form!r}.")
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["serving_default"]
    )
    if form != "litert_float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form == "litert_float16":
        converter.target_spec.supported_types = [tf.float16]
    if form.startswith("litert_int8") and calibration is not None:
        converter.representative_dataset = lambda: (
            [calibration[row : row + 1]] for row in range(len(calibration))
        )
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
    if form == "litert_int8_integer_only":
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    try:
        content = converter.convert()
        if form.startswith("litert_int8"):
            content = litert_edits.with_int8_elu(content)
        # The converter leaves an operation without integers in floats, whatever was asked for.
        tensors = Interpreter(model_content=content).get_tensor_details()
        floats = [each["name"] for each in tensors if each["dtype"] == np.float32]
        if form == "litert_int8_integer_only" and floats:
            raise TypeError(f"floats in {floats[0]!r}.")
    except OSError:
        raise
    except Exception as error:  # the converter has no class of its own for all that it raises
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"`model` must hold only what {form} has operations for. Received: {reason}"
        ) from error
    return content
