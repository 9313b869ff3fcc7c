import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.testing import assert_allclose

from kegnet_tf import export
from kegnet_tf.compression import TuckerConv2D, TuckerDense

FAST = ("litert_float32", "litert_int8_integer_only")
FORMATS = [
    pytest.param(form, marks=[pytest.mark.slow] * (form not in FAST)) for form in export.FORMATS
]
X = np.random.default_rng(0).normal(size=(4, 8, 8, 2)).astype(np.float32)


def model():
    """Classifier of 8x8 images of 2 channels into 3 classes, Tucker layers in both places."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 2))
    x = TuckerConv2D(4, (2, 3), 3, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = TuckerConv2D(5, (2, 2), 3, activation="relu")(x)
    return keras.Model(inputs, TuckerDense(3, (4, 2))(layers.Flatten()(x)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the model as `any` and `one`."""
    folder = tmp_path_factory.mktemp("saved")
    export.save(model(), folder / "any", raw=((0.5, 0.2), (0.25, 0.5)))
    export.save(model(), folder / "one", batch=1)
    return folder


def lite(saved, form, source="one"):
    """Path of a LiteRT file of the model, converted when it is first asked for."""
    path = saved / f"{form}_{source}"
    if not path.exists():
        path.write_bytes(export.convert(saved / source, form, X))
    return path


@pytest.mark.slow
def test_tucker_convolution_is_three_convolutions_with_norm_and_activation_inside(saved):
    convolutions = ["CONV_2D"] * 6
    dense = ["FULLY_CONNECTED"] * 3
    lowered = export.operations(lite(saved, "litert_float32"))
    assert [name for name in lowered if name != "RESHAPE"] == convolutions + dense
    assert lowered[:6] == convolutions  # the one reshape is that of Flatten
    # Any batch: the size of Flatten's output is computed, and nothing else is added.
    lowered = export.operations(lite(saved, "litert_float32", "any"))
    assert lowered == [*convolutions, "SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE", *dense]


@pytest.mark.parametrize("form", FORMATS)
def test_every_operation_is_built_in(saved, form):
    extra = {
        "litert_float16": {"DEQUANTIZE"},
        "litert_int8": {"QUANTIZE", "DEQUANTIZE"},
        "litert_int8_integer_only": {"QUANTIZE"},
    }
    plain = {"CONV_2D", "RESHAPE", "FULLY_CONNECTED"}
    assert set(export.operations(lite(saved, form))) - {"RESHAPE"} == (
        plain - {"RESHAPE"} | extra.get(form, set())
    )


@pytest.mark.parametrize("form", FORMATS)
def test_input_and_output_are_named_and_of_the_formats_type(saved, form):
    interpreter = Interpreter(str(lite(saved, form)))
    signatures = interpreter.get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["x"], "outputs": ["logits"]}}
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    dtype = np.uint8 if form == "litert_int8_integer_only" else np.float32
    assert inputs["dtype"] == outputs["dtype"] == dtype
    assert inputs["shape_signature"].tolist() == [1, 8, 8, 2]


@pytest.mark.slow
def test_int8_holds_no_float_but_at_its_ends(saved):
    for form, floats in (("litert_int8", 2), ("litert_int8_integer_only", 0)):
        details = Interpreter(str(lite(saved, form))).get_tensor_details()
        assert sum(each["dtype"] == np.float32 for each in details) == floats


@pytest.mark.slow
def test_batch_of_any_size_answers_as_batches_of_one(saved):
    many = export.litert_predictor(lite(saved, "litert_float32", "any"))(X)
    assert_allclose(many, export.litert_predictor(lite(saved, "litert_float32"))(X), atol=1e-6)


def test_raw_pixels_answer_as_standardised_ones(saved):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 2)).astype(np.uint8)
    raw = export.saved_model_predictor(saved / "any", "serving_raw")
    x = (pixels / np.float32(255) - np.float32([0.5, 0.2])) / np.float32([0.25, 0.5])
    assert_allclose(raw(pixels), export.saved_model_predictor(saved / "any")(x), atol=1e-6)


def test_raw_vectors_are_features_in_their_own_units(tmp_path):
    network = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    export.save(network, tmp_path / "m", raw=((10.0, 0.0), (2.0, 1.0)))
    raw = export.saved_model_predictor(tmp_path / "m", "serving_raw")
    x = np.float32([[14.0, -1.0]])  # standardised: 2 and -1
    assert_allclose(raw(x), network(np.float32([[2.0, -1.0]])), atol=1e-6)


def test_model_that_standardises_itself_takes_raw_values_in_both_signatures(tmp_path):
    network = keras.Sequential([keras.Input((2,)), layers.Rescaling(0.1), layers.Dense(3)])
    export.save(network, tmp_path / "m", raw=())
    x = np.float32([[5.0, 7.0]])
    for signature in ("serving_default", "serving_raw"):
        predict = export.saved_model_predictor(tmp_path / "m", signature)
        assert_allclose(predict(x), network(x), atol=1e-6)


def test_without_numbers_there_is_no_raw_signature(saved):
    assert list(tf.saved_model.load(str(saved / "one")).signatures) == ["serving_default", "serve"]


def test_keras_layer_of_a_saved_model_finds_what_it_asks_for_by_default(saved):
    layer = keras.layers.TFSMLayer(str(saved / "any"))
    expected = export.saved_model_predictor(saved / "any")(X)
    assert_allclose(layer(X)["logits"], expected, atol=1e-6)


@keras.saving.register_keras_serializable(package="conversion_test")
class Op(layers.Layer):
    """A layer of one operation."""

    def __init__(self, name):
        super().__init__(name=name)

    def call(self, x):
        return getattr(keras.ops, self.name)(x)


@pytest.mark.slow
def test_operation_that_litert_lacks_is_an_error_and_never_selected_from_tensorflow(tmp_path):
    network = keras.Sequential([keras.Input((4,)), Op("erfinv"), layers.Dense(2)])
    export.save(network, tmp_path / "m", batch=1)
    message = "`model` must hold only what litert_float32 has operations for. Received: .+"
    with pytest.raises(ValueError, match=message):
        export.convert(tmp_path / "m", "litert_float32", None)


@pytest.mark.slow
def test_operation_without_integers_stays_float_unless_integers_alone_are_asked_for(tmp_path):
    network = keras.Sequential([keras.Input((4,)), layers.Dense(4), Op("sin"), layers.Dense(2)])
    export.save(network, tmp_path / "m", batch=1)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    (tmp_path / "int8").write_bytes(export.convert(tmp_path / "m", "litert_int8", x))
    assert "SIN" in export.operations(tmp_path / "int8")
    with pytest.raises(ValueError, match="only what litert_int8_integer_only has operations for"):
        export.convert(tmp_path / "m", "litert_int8_integer_only", x)


def test_unknown_format_is_an_error(saved):
    with pytest.raises(ValueError, match="`formats` must be among litert_float32, .*'litert_int4'"):
        export.convert(saved / "one", "litert_int4", X)


def test_place_that_takes_no_files_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("in the way")
    tiny = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    with pytest.raises(OSError, match="file"):
        export.save(tiny, tmp_path / "file" / "m")
