import importlib.util

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose
from smallest import tiny_teacher

from kegnet_tf import compression, export
from kegnet_tf.export import onnx_files


def rows_of(size):
    return np.random.default_rng(0).normal(50, 20, size=(size, 4)).astype(np.float32)


def table_model():
    """Perceptron of rows of four features in their own units, inside of another model."""
    norm = layers.Normalization()
    norm.adapt(rows_of(100))
    inner = keras.Sequential([layers.Input((4,)), norm, layers.Dense(8, "elu")])
    return keras.Sequential([layers.Input((4,)), inner, layers.Dense(3)])


@pytest.mark.slow
def test_file_answers_as_the_student_and_as_part_of_an_export(tmp_path):
    teacher = tiny_teacher()
    student = compression.compress(teacher, target_ratio=1.2)
    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype(np.float32)
    rows = export.export_model(student, tmp_path, x, formats=("onnx",))
    assert [(row.format, row.batch, row.path) for row in rows] == [
        ("saved_model", "any", "saved_model"),
        ("onnx", "any", "student.onnx"),
        ("keras", "any", "student.keras"),
    ]
    assert rows[1].bytes == (tmp_path / "student.onnx").stat().st_size
    assert (rows[1].agreement, rows[1].note) == (1.0, None)
    predict = export.predictor(tmp_path / "student.onnx")
    assert (predict.input_shape, predict.num_classes) == ((8, 8, 1), 3)
    for size in (1, 30):
        assert_allclose(predict(x[:size]), student(x[:size]), atol=1e-5)


@pytest.mark.slow
def test_rows_are_standardised_inside_of_the_file_and_the_model_stays_as_it_was(tmp_path):
    model, x = table_model(), rows_of(20)
    before = model(x)
    onnx_files.write(model, tmp_path / "m.onnx")
    assert_allclose(export.predictor(tmp_path / "m.onnx")(x), before, atol=1e-5)
    assert_allclose(model(x), before)


def test_spoilt_file_is_refused_with_its_path(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"`model` must be .*onnx file.*Received: .*m\.onnx"):
        export.predictor(path)


def test_format_is_refused_at_once_where_the_extra_is_missing(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    export.check_extras(["litert_float32"])
    x = np.zeros((1, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match="`formats` must leave out onnx .* without tf2onnx"):
        export.export_model(tiny_teacher(), tmp_path / "new", x, formats=("onnx",))
    assert not (tmp_path / "new").exists()
