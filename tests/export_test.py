import numpy as np
import pytest
from numpy.testing import assert_allclose
from smallest import tiny_teacher

from kegnet_tf import export, predictors

FORMATS = ("litert_float32", "litert_int8")
MEASURES = ("max_abs_error", "agreement", "real_max_abs_error", "real_agreement", "accuracy")


@pytest.fixture(scope="module")
def student():
    return tiny_teacher()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(1, 2, size=(60, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(student, x, tmp_path_factory):
    """(folder, rows) of one export without real data."""
    folder = tmp_path_factory.mktemp("export")
    return folder, export.export(student, folder, x, formats=FORMATS)


def test_rows_hold_what_the_report_holds(exported):
    _, rows = exported
    for row in rows:
        assert list(row) == ["format", "batch", "path", "bytes", *MEASURES, "note"]
        assert [row[measure] for measure in MEASURES[2:]] == [None] * 3


def test_each_format_comes_for_any_batch_and_for_one_example(exported):
    folder, rows = exported
    assert [(row["format"], row["batch"], row["path"]) for row in rows] == [
        ("saved_model", "any", "saved_model"),
        ("litert_float32", "any", "student_float32.tflite"),
        ("litert_float32", 1, "student_float32_batch1.tflite"),
        ("litert_int8", "any", "student_int8.tflite"),
        ("litert_int8", 1, "student_int8_batch1.tflite"),
    ]
    assert {path.name for path in folder.iterdir()} == {row["path"] for row in rows}


def test_files_equal_the_keras_student(exported):
    _, rows = exported
    for row in rows:
        most = 0.3 if row["format"] == "litert_int8" else 1e-5
        assert 0 <= row["max_abs_error"] <= most
        assert row["agreement"] >= export.BARS[row["format"]]
        assert row["note"] is None


def test_bytes_are_the_sizes_of_the_files(exported):
    folder, (saved_model, litert, *_) = exported
    assert litert["bytes"] == len((folder / "student_float32.tflite").read_bytes()) > 0
    files = [path for path in (folder / "saved_model").rglob("*") if path.is_file()]
    files = [path for path in files if path.name != "fingerprint.pb"]  # random, of varying length
    assert saved_model["bytes"] == sum(len(path.read_bytes()) for path in files) > 0


@pytest.fixture
def converted(exported, monkeypatch):
    """Converts nothing: takes what the one export converted, as that takes seconds."""
    folder, _ = exported

    def convert(source, form, calibration):
        return (folder / f"{form.replace('litert', 'student')}.tflite").read_bytes()

    monkeypatch.setattr(export.conversion, "convert", convert)


def test_real_data_add_error_agreement_and_accuracy(student, x, converted, tmp_path):
    label = np.argmax(student(x[:9]), axis=-1)
    label[0] = (label[0] + 1) % 3
    _, row, _ = export.export(
        student, tmp_path, x, formats=("litert_float32",), test=(x[:9], label)
    )
    assert 0 <= row["real_max_abs_error"] <= 1e-5
    assert row["real_agreement"] == 1.0
    assert row["accuracy"] == pytest.approx(8 / 9)


def off_by(wrong):
    """Stands for `predictors.predictor`, and changes what it makes of the first example."""

    def predictor(path):
        predict = predictors.saved_model_predictor(path.parent / "saved_model")

        def changed(batch):
            outputs = np.array(predict(batch))
            outputs[0] += wrong
            return outputs

        return changed

    return predictor


def test_difference_is_the_largest_of_all_outputs(student, x, converted, monkeypatch, tmp_path):
    monkeypatch.setattr(export.predictors, "predictor", off_by([0.0, -0.25, 0.0]))
    _, row, _ = export.export(student, tmp_path, x, formats=("litert_float32",))
    assert_allclose(row["max_abs_error"], 0.25, atol=1e-5)


def test_file_below_its_bar_is_written_and_flagged(student, x, converted, monkeypatch, tmp_path):
    wrong = np.eye(3)[np.argmin(student(x[:1])[0])] * 1e3  # 59 of 60 agree: 98.3 %
    monkeypatch.setattr(export.predictors, "predictor", off_by(wrong))
    rows = export.export(student, tmp_path, x, formats=FORMATS)
    notes = {row["path"]: row["note"] for row in rows}
    note = "agrees with the student in 98.33% of synthetic data, below 99.9%"
    assert notes == {
        **dict.fromkeys(
            ("saved_model", "student_float32.tflite", "student_float32_batch1.tflite"), note
        ),
        "student_int8.tflite": None,
        "student_int8_batch1.tflite": None,
    }
    assert all((tmp_path / path).exists() for path in notes)


def test_file_that_cannot_be_made_is_told_and_the_others_stand(
    student, x, converted, monkeypatch, tmp_path
):
    def convert(source, form, calibration, convert=export.conversion.convert):
        if form == "litert_int8":
            raise ValueError("no such operation.")
        return convert(source, form, calibration)

    monkeypatch.setattr(export.conversion, "convert", convert)
    rows = export.export(student, tmp_path, x, formats=FORMATS)
    for row in rows[3:]:
        assert row["note"] == "not written: no such operation."
        assert [row[measure] for measure in ("bytes", *MEASURES)] == [None] * 6
        assert not (tmp_path / row["path"]).exists()
    assert (tmp_path / "student_float32.tflite").exists()


def test_int8_is_calibrated_on_what_is_given(student, x, tmp_path):
    export.export(
        student, tmp_path, x, calibration=10 * x[:9], formats=("litert_int8_integer_only",)
    )
    scale, _ = predictors.quantisation(tmp_path / "student_int8_integer_only.tflite")[0]
    assert_allclose(scale, 10 * (x[:9].max() - x[:9].min()) / 255, rtol=1e-5)


def test_unknown_format_is_told_before_anything_is_written(student, x, tmp_path):
    with pytest.raises(ValueError, match="`formats` must be among .*'onnx'"):
        export.export(student, tmp_path / "new", x, formats=("onnx",))
    assert not (tmp_path / "new").exists()


def test_size_of_a_folder_is_that_of_all_files_below(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_bytes(b"345")
    assert export.size(tmp_path) == 5
    assert export.size(tmp_path / "a") == 2
