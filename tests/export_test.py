import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from kegnet_tf import export
from kegnet_tf.layers import TuckerConv2D, TuckerDense


@pytest.fixture(scope="module")
def student():
    """Classifier of 8x8 images of 2 channels into 3 classes, Tucker layers in both places."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 2))
    x = TuckerConv2D(4, (2, 3), 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Flatten()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, TuckerDense(3, (4, 2))(x))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(8, 8, 8, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(student, x, tmp_path_factory):
    """(folder, rows) of one export."""
    folder = tmp_path_factory.mktemp("export")
    return folder, export.export(student, folder, x)


def test_savedmodel_and_litert_equal_the_keras_student(exported):
    _, rows = exported
    assert [row["format"] for row in rows] == ["saved_model", "litert_float32"]
    for row in rows:
        assert 0 <= row["max_abs_error"] <= 1e-5
        assert row["agreement"] == 1.0


def test_rows_hold_what_the_report_holds(exported):
    _, rows = exported
    for row in rows:
        assert list(row) == ["format", "path", "bytes", "max_abs_error", "agreement"]


def test_bytes_are_the_sizes_of_the_files(exported):
    folder, (saved_model, litert) = exported
    assert (saved_model["path"], litert["path"]) == ("saved_model", "student.tflite")
    assert litert["bytes"] == len((folder / "student.tflite").read_bytes()) > 0
    files = [path for path in (folder / "saved_model").rglob("*") if path.is_file()]
    files = [path for path in files if path.name != "fingerprint.pb"]  # random, of varying length
    assert saved_model["bytes"] == sum(len(path.read_bytes()) for path in files) > 0


def test_nothing_else_lands_in_the_folder(exported):
    folder, _ = exported
    assert {path.name for path in folder.iterdir()} == {"saved_model", "student.tflite"}


@pytest.mark.parametrize("name", ["saved_model", "student.tflite", "student.keras"])
def test_predictor_answers_batches_of_any_size_as_the_student_does(exported, student, x, name):
    folder, _ = exported
    if name.endswith(".keras"):
        student.save(folder.parent / name)
        folder = folder.parent
    predict = export.predictor(folder / name)
    for size in (8, 1, 3):
        outputs = predict(x[:size])
        assert isinstance(outputs, np.ndarray)
        assert_allclose(outputs, student(x[:size]), atol=1e-5)


def test_difference_is_the_largest_of_all_outputs(exported, student, x, monkeypatch, tmp_path):
    folder, _ = exported
    wrong = np.zeros((8, 3), np.float32)
    wrong[5, 1] = -0.25  # the last of ten batches of its kind would hide it

    def off_by_a_quarter(path):
        predict = export.saved_model_predictor(folder / "saved_model")
        return lambda batch: predict(batch) + wrong

    monkeypatch.setattr(export, "litert_predictor", off_by_a_quarter)
    _, litert = export.export(student, tmp_path, x)
    assert_allclose(litert["max_abs_error"], 0.25, atol=1e-5)


@pytest.mark.parametrize("name", ["broken.tflite", "broken.keras", "saved_model", "absent.tflite"])
def test_file_that_is_no_model_is_refused_with_its_path(tmp_path, name):
    if name == "saved_model":
        (tmp_path / name).mkdir()
    elif not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"no model at all")
    message = f"`model` must be a .keras file, a SavedModel's folder or a .tflite file. Rec.*{name}"
    with pytest.raises(ValueError, match=message):
        export.predictor(tmp_path / name)


def test_size_of_a_folder_is_that_of_all_files_below(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_bytes(b"345")
    assert export.size(tmp_path) == 5
    assert export.size(tmp_path / "a") == 2
