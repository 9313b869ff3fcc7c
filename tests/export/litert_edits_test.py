import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression, export
from kegnet_tf.export import litert_edits
from kegnet_tf.export.origins import origins

pytestmark = pytest.mark.slow  # two conversions
X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * [1, 100, 0.01] + [0, 500, 1]
X = X.astype(np.float32)


def table():
    """A perceptron of raw rows whose features have unlike ranges."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = layers.Normalization(mean=[0.0, 500.0, 1.0], variance=[1.0, 1e4, 1e-4])(inputs)
    x = layers.Dense(8, "elu")(layers.Dense(8, "elu")(x))
    return keras.Model(inputs, layers.Dense(4)(x))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Path of a file by its format, of `table`."""
    folder, model = tmp_path_factory.mktemp("files"), table()
    found = origins(model, model, X, folder)
    paths = {
        form: folder / f"{form}.tflite" for form in ("litert_int8", "litert_int8_integer_only")
    }
    for form, path in paths.items():
        path.write_bytes(found[form].convert("any"))
    return paths


def test_elu_is_an_operation_of_integers_and_nothing_unused_is_left(files):
    path = files["litert_int8_integer_only"]
    names = export.operations(path)
    assert names == ["QUANTIZE", *["FULLY_CONNECTED", "ELU"] * 2, "FULLY_CONNECTED", "QUANTIZE"]
    details = Interpreter(str(path)).get_tensor_details()
    assert not any(each["dtype"] == np.float32 for each in details)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (graph,) = model.subgraphs
    used = {int(t) for each in graph.operators for t in (*each.inputs, *each.outputs)}
    assert used - {-1} == set(range(len(graph.tensors)))


def test_integers_of_a_table_answer_as_its_floats_and_as_they_were_trained(files):
    model = compression.ranged(table())
    compression.fit_ranges(model, X)
    rounded = np.asarray(compression.as_integers(model)(X))
    scale = Interpreter(str(files["litert_int8_integer_only"])).get_output_details()[0]
    step = scale["quantization"][0]
    for path in files.values():
        logits = export.litert_predictor(path)(X)
        assert_allclose(logits, rounded, atol=1.01 * step)  # one integer apart at most
        assert_array_equal(logits.argmax(-1), np.asarray(table()(X)).argmax(-1))


def test_table_is_standardised_in_floats_or_outside_by_what_the_file_tells(files):
    names = export.operations(files["litert_int8"])
    assert names[:3] == ["SUB", "MUL", "QUANTIZE"]
    assert export.input_scale(files["litert_int8"]) is None
    mean, std = export.input_scale(files["litert_int8_integer_only"])
    assert_allclose(mean, [0, 500, 1])
    assert_allclose(std, [1, 100, 0.01])


@pytest.mark.parametrize(
    "scales", [b"[]", b"{", b'{"mean": [1], "std": [1]}', b'{"mean": [0, 0, 0], "std": [1, 0, 1]}']
)
def test_scales_that_are_not_such_are_an_error(files, scales):
    content = files["litert_int8_integer_only"].read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (entry,) = (each for each in model.metadata if each.name == b"kegnet_tf.input_scale")
    model.buffers[entry.buffer].data = np.frombuffer(scales, np.uint8)
    with pytest.raises(ValueError, match="kegnet_tf.input_scale"):
        litert_edits.input_scale(litert_edits.packed(model), 3)


def test_file_without_such_an_activation_stays_as_it_is(files):
    content = files["litert_int8_integer_only"].read_bytes()
    assert litert_edits.with_int8_elu(content) is content
