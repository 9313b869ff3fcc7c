import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.testing import assert_allclose

from kegnet_tf import compression, export
from kegnet_tf.compression.folding import CHANNELS
from kegnet_tf.compression.rounded import rounded_kernel
from kegnet_tf.export import four_bits

KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def network():
    """Classifier of 8 x 8 images, with small kernels, depthwise ones and two large ones."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(64, 3, strides=2, activation="relu", name="first"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=8, name="depthwise"),
            layers.Conv2D(16, 1, activation="relu", name="pointwise"),
            layers.Flatten(),
            layers.Dense(64, activation="relu", name="large"),
            layers.Dense(4, name="last"),
        ]
    )


def file_of(model, folder):
    export.save(model, folder / "saved_model")
    return four_bits.rounded(export.convert(folder / "saved_model", "litert_float32"))


def test_only_large_kernels_have_four_bits():
    assert compression.kernel_bits(4095, False, 4) == 8
    assert compression.kernel_bits(4096, False, 4) == 4
    assert compression.kernel_bits(4096, True, 4) == 8
    assert compression.kernel_bits(4096, False, 8) == 8


@pytest.mark.slow
def test_file_holds_the_kernels_that_training_rounds(tmp_path):
    model = network()
    interpreter = Interpreter(model_content=file_of(model, tmp_path))
    interpreter.allocate_tensors()
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    found = {}
    for each in interpreter._get_ops_details():
        if each["op_name"] in KERNELS:
            tensor = tensors[each["inputs"][1]]
            values = interpreter.get_tensor(tensor["index"])
            parameters = tensor["quantization_parameters"]
            axis = parameters["quantized_dimension"]
            scales = np.moveaxis(parameters["scales"].reshape(-1, 1, 1, 1), 0, axis)
            scales = scales.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
            found[each["op_name"], values.size] = (np.abs(values).max(), values * scales)
    assert len(found) == 5
    for layer in model.layers:
        if type(layer) not in CHANNELS:
            continue
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        kernel = np.asarray(layer.kernel)
        bits = compression.kernel_bits(kernel.size, depthwise, 4)
        assert bits == (4 if layer.name in ("pointwise", "large") else 8)
        names = {layers.Dense: "FULLY_CONNECTED", layers.Conv2D: "CONV_2D"}
        most, held = found[names.get(type(layer), "DEPTHWISE_CONV_2D"), kernel.size]
        assert most == 2 ** (bits - 1) - 1
        expected = np.asarray(rounded_kernel(layer.kernel.value, CHANNELS[type(layer)], bits))
        expected = expected.reshape(held.shape) if depthwise else np.moveaxis(expected, -1, 0)
        assert_allclose(held, expected, atol=1e-6)


@pytest.mark.slow
def test_file_answers_as_the_model_that_learns(tmp_path):
    model, x = network(), np.random.default_rng(0).normal(size=(50, 8, 8, 3)).astype(np.float32)
    (tmp_path / "m.tflite").write_bytes(file_of(model, tmp_path))
    learner = compression.as_integers(model, 4)
    answers = export.predictor(tmp_path / "m.tflite")(x)
    own, rounded = model(x), learner(x)
    assert np.std(answers - rounded) < 0.2 * np.std(answers - own)


@pytest.mark.slow
def test_trained_model_takes_the_students_place_in_this_file_alone(tmp_path):
    student, lean = network(), network()
    lean.layers[-1].bias.assign([9.0, 0.0, 0.0, 0.0])
    x = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
    formats = ("litert_dynamic_range", "litert_int4")
    rows = export.export_model(student, tmp_path, x, formats=formats, calibration={4: lean})
    sizes = {row.path: row.bytes for row in rows}
    assert sizes["student_int4.tflite"] < 0.8 * sizes["student_dynamic_range.tflite"]
    for path, moved in (("student_int4.tflite", True), ("student_dynamic_range.tflite", False)):
        answers = export.predictor(tmp_path / path)(x)
        assert np.all((answers - student(x))[:, 0] > 8) == moved
