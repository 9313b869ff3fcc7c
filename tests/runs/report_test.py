import dataclasses

import keras
import tensorflow as tf

from kegnet_tf import runs
from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.export import ExportedFile, Recommendation
from kegnet_tf.extraction import GeneratorResult

TUCKER = StudentResult(
    name="student1",
    arm="tucker",
    parameters=17043,
    compression_ratio=3.6206,
    accuracy=0.8517,
    balanced_accuracy=0.7,
    agreement=0.5,
)
KEGNET = StudentResult(
    name="student1",
    arm="kegnet",
    parameters=17043,
    compression_ratio=3.6206,
    agreement=0.98765,
    selection="last",
    seconds=12.6,
    loss="logits",
    batch_norm="training",
    features="on",
)
GENERATOR = GeneratorResult(
    seed=0,
    seconds=61.4,
    steps=4000,
    stopped=False,
    accuracy=0.987,
    shares=[0.5, 0.5],
    classifier_loss=0.01234,
    decoder_loss=1.5,
    diversity_loss=None,
    statistics_loss=None,
)
FILE = ExportedFile(
    format="litert_float32",
    batch=1,
    path="student_float32_batch1.tflite",
    bytes=70432,
    max_abs_error=2.4e-6,
    agreement=1.0,
    real_max_abs_error=1e-5,
    real_agreement=0.999,
    accuracy=0.95,
    note=None,
)
REPORT = runs.Report(
    dataset="mnist",
    seed=3,
    versions={},
    teacher=TeacherResult(parameters=61706, accuracy=0.9891, balanced_accuracy=0.98),
    students=[TUCKER, KEGNET],
    generators=[GENERATOR],
    exports=[FILE],
)


def cells(report, *first):
    """Cells of the one row of the report that begins with `first`."""
    lines = report.markdown().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    (row,) = [row for row in rows if row[: len(first)] == list(first)]
    return row


def test_what_is_written_reads_back_the_same(tmp_path):
    REPORT.write(tmp_path)
    assert runs.Report.read(tmp_path) == REPORT
    assert (tmp_path / "report.md").read_text() == REPORT.markdown()


def test_markdown_holds_the_teacher_and_each_student_with_none_left_empty():
    assert cells(REPORT, "teacher", "") == [
        *("teacher", "", "", "61,706", "1.00", "98.91%", "98.00%", *[""] * 6)
    ]
    assert cells(REPORT, "student1", "tucker") == [
        *("student1", "tucker", "0", "17,043", "3.62", "85.17%", "70.00%", "50.00%"),
        *("", "", "", "", ""),
    ]
    assert cells(REPORT, "student1", "kegnet") == [
        *("student1", "kegnet", "0", "17,043", "3.62", "", "", "98.77%"),
        *("last", "logits", "training", "on", "13"),
    ]


def test_students_of_several_seeds_are_summed_up_as_mean_and_deviation():
    seeds = [
        dataclasses.replace(KEGNET, seed=seed, accuracy=accuracy, balanced_accuracy=0.5)
        for seed, accuracy in enumerate((0.90, 0.92, 0.94))
    ]
    several = dataclasses.replace(REPORT, students=[TUCKER, *seeds])
    assert cells(several, "student1", "kegnet", "3") == [
        *("student1", "kegnet", "3", "3.62", "92.00% ± 2.00", "50.00% ± 0.00", "98.77% ± 0.00")
    ]
    unmeasured = dataclasses.replace(REPORT, students=[KEGNET, KEGNET])
    assert cells(unmeasured, "student1", "kegnet", "2")[4:6] == ["", ""]
    assert "±" not in REPORT.markdown()


def test_markdown_holds_each_generator_and_export_with_none_left_empty():
    assert cells(REPORT, "0") == ["0", "4,000", "98.70%", "0.0123", "1.5000", "", "", "61"]
    assert cells(REPORT, "litert_float32")[:4] == [
        *("litert_float32", "1", "student_float32_batch1.tflite", "70,432")
    ]


def test_markdown_names_dataset_and_seed_and_never_says_none():
    text = REPORT.markdown()
    assert text.startswith("# mnist, seed 3\n")
    assert text.endswith("|\n")
    assert "None" not in text


def test_markdown_of_a_run_without_students_or_exports_keeps_the_teacher():
    bare = dataclasses.replace(REPORT, students=[], generators=[], exports=[])
    assert cells(bare, "teacher", "")[3] == "61,706"


def test_markdown_tells_what_students_learned_from_beside_artificial_data():
    told = dataclasses.replace(REPORT, unlabeled="Students also saw pictures; not data-free.")
    assert "\n\nStudents also saw pictures; not data-free.\n\n| " in told.markdown()
    assert "data-free" not in REPORT.markdown()


def test_report_of_before_reads_without_names_and_pictures(tmp_path):
    REPORT.write(tmp_path)
    content = runs.read_json(tmp_path / "report.json")
    for name in ("label_names", "unlabeled"):
        del content[name]
    runs.write_json(tmp_path / "report.json", content)
    assert runs.Report.read(tmp_path) == REPORT


def test_report_sets_the_teachers_files_beside_and_ends_in_the_one_to_take(tmp_path):
    measured = {"milliseconds": 0.5, "teacher_agreement": 0.99}
    theirs = dataclasses.replace(FILE, path="teacher_x.tflite", model="teacher", **measured)
    ours = dataclasses.replace(FILE, bytes=70000, beaten_by="teacher_x.tflite", **measured)
    chosen = Recommendation("teacher_x.tflite", "teacher", "so small", "stop.")
    report = dataclasses.replace(REPORT, exports=[ours], rivals=[theirs], recommendation=chosen)
    assert cells(report, "teacher_x.tflite") == [
        *("teacher_x.tflite", "70,432", "0.5", "", "", "99.00%", "95.00%", "recommended")
    ]
    assert cells(report, "student_float32_batch1.tflite")[-1] == "beaten by teacher_x.tflite"
    last = report.markdown().splitlines()[-1]
    assert last == "Recommended: teacher/teacher_x.tflite (so small): stop."
    report.write(tmp_path)
    assert runs.Report.read(tmp_path) == report


def test_versions_are_those_that_run():
    versions = runs.versions()
    assert versions["keras"] == keras.__version__
    assert versions["tensorflow"] == tf.__version__
    assert "kegnet-tf" in versions
