import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_teacher

from kegnet_tf import export
from kegnet_tf.export import parity

FORMATS = ("litert_float32", "litert_int8")
MEASURES = ("max_abs_error", "agreement", "real_max_abs_error", "real_agreement", "accuracy")
BESIDE = ("model", "teacher_agreement", "milliseconds", "beaten_by")
ADDED = ("loss", "xnnpack", "threads", "standardise")


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
    return folder, export.export_model(student, folder, x, formats=FORMATS)


@pytest.mark.slow
def test_rows_hold_what_the_report_holds(exported):
    _, rows = exported
    for row in map(dataclasses.asdict, rows):
        assert list(row) == ["format", "batch", "path", "bytes", *MEASURES, "note", *BESIDE, *ADDED]
        assert [row[measure] for measure in MEASURES[2:]] == [None] * 3
        assert [row[name] for name in BESIDE] == ["student", None, None, None]


def test_large_examples_are_compared_in_portions_that_fit_in_memory():
    x, asked = np.zeros((40, 224, 224, 3), np.uint8), []

    def predict(batch):
        asked.append(len(batch))
        return np.zeros((len(batch), 2), np.float32)

    assert len(parity.predictors.answered(predict, x)) == len(x)
    assert sum(asked) == len(x)
    assert max(asked) * 224 * 224 * 3 <= 2**21


@pytest.mark.slow
def test_each_format_comes_for_any_batch_and_for_one_example(exported):
    folder, rows = exported
    assert [(row.format, row.batch, row.path) for row in rows] == [
        ("saved_model", "any", "saved_model"),
        ("litert_float32", "any", "student_float32.tflite"),
        ("litert_float32", 1, "student_float32_batch1.tflite"),
        ("litert_int8", "any", "student_int8.tflite"),
        ("litert_int8", 1, "student_int8_batch1.tflite"),
        ("keras", "any", "student.keras"),
    ]
    assert {path.name for path in folder.iterdir()} == {row.path for row in rows}


@pytest.mark.slow
def test_files_equal_the_keras_student(exported):
    _, rows = exported
    for row in rows:
        most = 0.3 if row.format == "litert_int8" else 1e-5
        assert 0 <= row.max_abs_error <= most
        assert 0 <= row.loss <= export.BARS[row.format]
        assert row.note is None


@pytest.mark.slow
def test_bytes_are_the_sizes_of_the_files(exported):
    folder, (saved_model, litert, *_) = exported
    assert litert.bytes == len((folder / "student_float32.tflite").read_bytes()) > 0
    files = [path for path in (folder / "saved_model").rglob("*") if path.is_file()]
    files = [path for path in files if path.name != "fingerprint.pb"]  # random, of varying length
    assert saved_model.bytes == sum(len(path.read_bytes()) for path in files) > 0


class Converter:
    """Stands for `convert`: hands out what `exported` converted, as that takes seconds.

    Attributes:
        lacks: formats that it cannot make.
        calibrations: what it was given.
    """

    def __init__(self, folder, lacks=()):
        self.folder, self.lacks, self.calibrations = folder, lacks, []

    def __call__(self, source, form, calibration):
        self.calibrations.append(calibration)
        if form in self.lacks:
            raise ValueError("no such operation.")
        return (self.folder / f"{form.replace('litert', 'student')}.tflite").read_bytes()


@pytest.fixture(scope="module")
def on_real_data(student, x, exported, tmp_path_factory):
    """(folder, rows, converter) of an export with 9 real examples and a format that LiteRT lacks.

    The student is right in 8 of them.
    """
    label = np.argmax(student(x[:9]), axis=-1)
    label[0] = (label[0] + 1) % 3
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        converter = Converter(exported[0], lacks=("litert_int8",))
        patch.setattr(parity.conversion, "convert", converter)
        rows = export.export_model(
            student, folder, x, calibration=x[:5], formats=FORMATS, test=(x[:9], label)
        )
    return folder, rows, converter


@pytest.mark.slow
def test_real_data_add_error_agreement_and_accuracy(on_real_data):
    _, rows, _ = on_real_data
    for row in rows[:3]:
        assert 0 <= row.real_max_abs_error <= 1e-5
        assert row.real_agreement == 1.0
        assert row.accuracy == pytest.approx(8 / 9)


@pytest.mark.slow
def test_file_that_cannot_be_made_is_noted_and_the_others_stand(on_real_data):
    folder, rows, _ = on_real_data
    assert [row.format for row in rows[3:-1]] == ["litert_int8"] * 2
    for row in rows[3:-1]:
        assert row.note == "not written: no such operation."
        assert [getattr(row, measure) for measure in ("bytes", *MEASURES)] == [None] * 6
        assert not (folder / row.path).exists()
    assert (folder / "student_float32.tflite").exists()


@pytest.mark.slow
def test_conversion_is_calibrated_on_what_is_given(on_real_data, x):
    _, _, converter = on_real_data
    assert len(converter.calibrations) == 4  # of what holds its ranges, none
    assert [given is None for given in converter.calibrations] == [False, False, True, True]
    for given in converter.calibrations[:2]:
        assert_array_equal(given, x[:5])


@pytest.mark.slow
def test_agreement_with_a_teacher_is_with_its_answers(student, x, exported, monkeypatch, tmp_path):
    monkeypatch.setattr(parity.conversion, "convert", Converter(exported[0]))
    answers = np.argmax(student(x), axis=-1)
    answers[:15] = (answers[:15] + 1) % 3  # of 60
    rows = export.export_model(student, tmp_path, x, formats=FORMATS[:1], answers=answers)
    assert [(row.agreement, row.teacher_agreement) for row in rows] == [(1.0, 0.75)] * 4


@pytest.mark.slow
def test_teachers_files_bear_its_name_and_agree_with_itself(
    student, x, exported, monkeypatch, tmp_path
):
    monkeypatch.setattr(parity.conversion, "convert", Converter(exported[0]))
    rows = export.export_teacher(student, tmp_path, x, formats=FORMATS)
    names = ("float32", "float32_batch1", "int8", "int8_batch1")
    assert [row.path for row in rows[1:]] == [f"teacher_{name}.tflite" for name in names]
    for row in rows:
        assert (row.model, row.teacher_agreement) == ("teacher", row.agreement)
        assert row.agreement > 0.9


@pytest.mark.slow
def test_ranges_of_an_exported_file_are_those_of_the_calibration_data(student, x, tmp_path):
    export.export_model(
        student, tmp_path, x, calibration=10 * x[:9], formats=("litert_int8_integer_only",)
    )
    scale, _ = export.quantisation(tmp_path / "student_int8_integer_only.tflite")[0]
    assert_allclose(scale, 10 * (x[:9].max() - x[:9].min()) / 255, rtol=1e-5)


def off_by(wrong):
    """Stands for `predictor`, and changes what it makes of the first example."""

    def predictor(path, safe_mode):
        predict = export.saved_model_predictor(path.parent / "saved_model")

        def changed(batch):
            outputs = np.array(predict(batch))
            outputs[0] += wrong
            return outputs

        return changed

    return predictor


@pytest.mark.slow
def test_file_below_its_bar_is_written_and_flagged_and_its_error_is_the_largest_of_all_outputs(
    student, x, exported, monkeypatch, tmp_path
):
    logits = np.asarray(student(x), np.float64)
    wrong = np.eye(3)[np.argmin(logits[0])] * 256.0
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    monkeypatch.setattr(parity.conversion, "convert", Converter(exported[0]))
    monkeypatch.setattr(parity.predictors, "predictor", off_by(wrong))
    rows = export.export_model(student, tmp_path, x, formats=FORMATS)
    lost = (p.max() - p.min()) / 60  # one of 60 examples, by what its answer was worth
    note = f"loses {100 * lost:.2f} points on synthetic data, by what the model thinks of its own "
    for row in rows:
        assert_allclose(row.loss, lost, atol=1e-6)
        assert (row.note is None) == (lost <= export.BARS[row.format])
        assert row.note is None or row.note.startswith(note)
    assert rows[0].note is not None
    assert all((tmp_path / row.path).exists() for row in rows)
    for row in rows:
        assert_allclose(row.max_abs_error, 256, atol=1e-4)


@pytest.mark.slow
def test_unknown_format_is_an_error_before_anything_is_written(student, x, tmp_path):
    with pytest.raises(ValueError, match="`formats` must be among .*'tflite'"):
        export.export_model(student, tmp_path / "new", x, formats=("tflite",))
    assert not (tmp_path / "new").exists()


def test_size_of_a_folder_is_that_of_all_files_below(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_bytes(b"345")
    assert export.size(tmp_path) == 5
    assert export.size(tmp_path / "a") == 2


def test_table_has_a_row_a_file_and_leaves_none_empty():
    rows = [
        export.ExportedFile(
            *("litert_float32", 1, "a.tflite", 70432, 2.4e-6, 1.0, 1e-5, 0.999, 0.9842)
        ),
        export.ExportedFile("litert_int8", "any", "b.tflite", note="not written"),
    ]
    lines = export.file_table(rows).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == [
        *("export", "batch", "path", "bytes", "error", "agreement", "real error"),
        *("real agreement", "accuracy", "note"),
    ]
    assert cells[2:] == [
        [
            *("litert_float32", "1", "a.tflite", "70,432", "2.4e-06", "100.00%", "1.0e-05"),
            *("99.90%", "98.42%", ""),
        ],
        ["litert_int8", "any", "b.tflite", *[""] * 6, "not written"],
    ]
    assert len({line.count("|") for line in lines}) == 1


def test_table_of_no_files_is_its_heading():
    assert len(export.file_table([]).splitlines()) == 2


@pytest.mark.slow
def test_real_data_decide_where_there_are_some(student, x, exported, monkeypatch, tmp_path):
    answers = np.argmax(student(x), axis=-1)
    wrong = np.eye(3)[np.argmin(student(x[:1])[0])] * 256.0  # of the first example of each part
    monkeypatch.setattr(parity.conversion, "convert", Converter(exported[0]))
    monkeypatch.setattr(parity.predictors, "predictor", off_by(wrong))
    label = answers.copy()
    label[0] = np.argmin(student(x[:1])[0])  # the flip is right
    rows = export.export_model(student, tmp_path, x, formats=FORMATS[:1], test=(x, label))
    assert {row.note for row in rows} == {None}
    rows = export.export_model(student, tmp_path, x, formats=FORMATS[:1], test=(x, answers))
    said = "loses 1.67 points of accuracy on real data, more than 0.1"
    assert {row.note for row in rows} == {said}


@pytest.mark.slow
def test_file_that_gives_the_teachers_answer_as_often_has_lost_nothing(
    student, x, exported, monkeypatch, tmp_path
):
    wrong = np.eye(3)[np.argmin(student(x[:1])[0])] * 256.0  # of the first example
    answers = np.argmax(student(x), axis=-1)
    monkeypatch.setattr(parity.conversion, "convert", Converter(exported[0]))
    monkeypatch.setattr(parity.predictors, "predictor", off_by(wrong))
    rows = export.export_model(student, tmp_path, x, formats=FORMATS[:1], answers=answers)
    assert all(row.note for row in rows)
    answers[0] = np.argmin(student(x[:1])[0])  # as the file has it
    rows = export.export_model(student, tmp_path, x, formats=FORMATS[:1], answers=answers)
    assert {row.note for row in rows} == {None}
    assert all(row.loss > 0.001 for row in rows)
