import dataclasses
import pathlib

import pytest

from kegnet_tf import runs
from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.export import ExportedFile, Recommendation
from kegnet_tf.runs import terminal

TUCKER = StudentResult(
    name="student1",
    arm="tucker",
    parameters=17043,
    multiply_adds=374565,
    compression_ratio=3.6206,
    agreement=0.5,
)
KEGNET = dataclasses.replace(
    TUCKER, arm="kegnet+", agreement=0.875, loss="logits", batch_norm="inference", features="on"
)
FILE = ExportedFile(
    format="litert_float32",
    batch=1,
    path="student_float32_batch1.tflite",
    bytes=70432,
    milliseconds=0.5,
    teacher_agreement=0.99,
    beaten_by="another",
)
CHOSEN = Recommendation(FILE.path, "student", "so small", "stop.")
REPORT = runs.Report(
    dataset="mnist",
    seed=3,
    versions={},
    teacher=TeacherResult(parameters=61706, multiply_adds=416520),
    students=[TUCKER, KEGNET],
    generators=[],
    exports=[FILE],
    recommendation=CHOSEN,
)
MEASURED = dataclasses.replace(
    REPORT,
    teacher=dataclasses.replace(REPORT.teacher, accuracy=0.99, balanced_accuracy=0.989),
    students=[dataclasses.replace(KEGNET, accuracy=0.9, balanced_accuracy=0.5)],
)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def shown(report):
    return terminal.shown(report, pathlib.Path("runs/mine"))


@pytest.mark.parametrize("report", [REPORT, MEASURED])
@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_report_fits_the_terminal_and_holds_each_name_in_one_piece(report, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    lines = shown(report).splitlines()
    assert max(map(len, lines)) <= min(int(columns), 100)
    assert "| student1 | kegnet+ |" in shown(report)
    assert "student_float32 " in shown(report)
    assert "…" not in shown(report)


def test_columns_without_a_number_are_left_out():
    assert "| agreement |" in shown(REPORT)
    assert "accuracy |" not in shown(REPORT)
    assert "balanced |" not in shown(REPORT)
    text = terminal.table(["a", "b", "c"], [["x", "", "1"], ["y", "", "2"]])
    assert [line.split() for line in text.splitlines()] == [
        ["|", "a", "|", "c", "|"],
        ["|---|---|"],
        ["|", "x", "|", "1", "|"],
        ["|", "y", "|", "2", "|"],
    ]


def test_column_that_can_be_spared_makes_room_on_a_narrow_terminal(monkeypatch):
    for columns, count in (("80", 1), ("20", 0)):
        monkeypatch.setenv("COLUMNS", columns)
        text = terminal.table(["a", "b", "c"], [["xxxxxx", "yyyyyyy", "zz"]], spare="b")
        assert text.count("yyyyyyy") == count


def test_without_real_data_it_says_why_agreement_is_lower_than_accuracy_will_be():
    assert "Without real test data" in shown(REPORT)
    assert "Without real test data" not in shown(MEASURED)
    assert "balanced" in shown(MEASURED)


def test_numbers_and_variants_are_explained_below_them():
    text = shown(REPORT)
    for word in ("- tucker: ", "- kegnet+: ", "- ratio: ", "- agreement: ", "- ms: ", "- beaten: "):
        assert word in text
    learned = "student1 learned with: loss logits, BatchNorm layers in inference mode, inner layers"
    assert learned in " ".join(text.split())


def test_last_words_are_where_all_is_and_the_file_to_take():
    *_, where, advice = shown(REPORT).split("\n\n")
    assert where.startswith("Everything is in runs/mine:\n")
    assert where.endswith("tensorboard --logdir runs/mine/tensorboard")
    path = "export/student_float32_batch1.tflite"
    assert advice == f"Recommended: {path} (so small): stop."
