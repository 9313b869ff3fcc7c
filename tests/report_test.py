import keras
import tensorflow as tf

from kegnet_tf import report

CONTENT = {
    "dataset": "mnist",
    "seed": 3,
    "versions": {},
    "teacher": {"parameters": 61706, "accuracy": 0.9891, "balanced_accuracy": 0.98},
    "students": [
        {
            "name": "student1",
            "arm": "tucker",
            "seed": 0,
            "parameters": 17043,
            "compression_ratio": 3.6206,
            "accuracy": 0.8517,
            "balanced_accuracy": 0.7,
            "agreement": 0.5,
            "selection": None,
            "seconds": None,
        },
        {
            "name": "student1",
            "arm": "kegnet",
            "seed": 0,
            "parameters": 17043,
            "compression_ratio": 3.6206,
            "accuracy": None,
            "balanced_accuracy": None,
            "agreement": 0.98765,
            "selection": "last",
            "seconds": 12.6,
        },
    ],
    "generators": [
        {
            "seed": 0,
            "seconds": 61.4,
            "steps": 4000,
            "accuracy": 0.987,
            "classifier_loss": 0.01234,
            "decoder_loss": 1.5,
            "diversity_loss": None,
        }
    ],
    "exports": [
        {
            "format": "litert_float32",
            "batch": 1,
            "path": "student_float32_batch1.tflite",
            "bytes": 70432,
            "max_abs_error": 2.4e-6,
            "agreement": 1.0,
            "real_max_abs_error": 1e-5,
            "real_agreement": 0.999,
            "accuracy": 0.95,
            "note": None,
        },
        {
            "format": "litert_int8",
            "batch": "any",
            "path": "student_int8.tflite",
            "bytes": None,
            "max_abs_error": None,
            "agreement": None,
            "real_max_abs_error": None,
            "real_agreement": None,
            "accuracy": None,
            "note": "not written",
        },
    ],
}


def cells(content, *first):
    """Cells of the one row of the report that begins with `first`."""
    lines = report.markdown(content).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    (row,) = [row for row in rows if row[: len(first)] == list(first)]
    return row


def test_markdown_holds_the_teacher_and_each_student_with_none_left_empty():
    assert cells(CONTENT, "", "original") == [
        *("", "original", "", "61,706", "1.00", "98.91%", "98.00%", "", "", "")
    ]
    assert cells(CONTENT, "student1", "tucker") == [
        *("student1", "tucker", "0", "17,043", "3.62", "85.17%", "70.00%", "50.00%", "", "")
    ]
    assert cells(CONTENT, "student1", "kegnet") == [
        *("student1", "kegnet", "0", "17,043", "3.62", "", "", "98.77%", "last", "13")
    ]


def test_students_of_several_seeds_are_summed_up_as_mean_and_deviation():
    row = CONTENT["students"][1]
    seeds = [
        {**row, "seed": seed, "accuracy": accuracy, "balanced_accuracy": 0.5, "agreement": 1.0}
        for seed, accuracy in enumerate((0.90, 0.92, 0.94))
    ]
    several = {**CONTENT, "students": [CONTENT["students"][0], *seeds]}
    assert cells(several, "student1", "kegnet", "3") == [
        *("student1", "kegnet", "3", "3.62", "92.00% ± 2.00", "50.00% ± 0.00", "100.00% ± 0.00")
    ]
    unmeasured = {**CONTENT, "students": [row, row]}
    assert cells(unmeasured, "student1", "kegnet", "2")[4:6] == ["", ""]
    assert "±" not in report.markdown(CONTENT)


def test_markdown_holds_each_generator_with_none_left_empty():
    assert cells(CONTENT, "0") == ["0", "4000", "98.70%", "0.0123", "1.5000", "", "61"]


def test_markdown_holds_each_export():
    assert cells(CONTENT, "litert_float32") == [
        *("litert_float32", "1", "student_float32_batch1.tflite", "70,432", "2.4e-06", "100.00%"),
        *("1.0e-05", "99.90%", "95.00%", ""),
    ]


def test_markdown_tells_what_could_not_be_exported():
    assert cells(CONTENT, "litert_int8") == [
        *("litert_int8", "any", "student_int8.tflite", "", "", "", "", "", "", "not written")
    ]


def test_markdown_names_dataset_and_seed_and_never_says_none():
    text = report.markdown(CONTENT)
    assert text.startswith("# mnist, seed 3\n")
    assert text.endswith("|\n")
    assert "None" not in text


def test_markdown_of_a_run_without_students_or_exports_keeps_the_teacher():
    bare = {**CONTENT, "students": [], "generators": [], "exports": []}
    assert cells(bare, "", "original")[3] == "61,706"


def test_tables_have_as_many_cells_in_each_row_as_names():
    for table in report.markdown(CONTENT).split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.strip().splitlines()}) == 1


def test_versions_are_those_that_run():
    versions = report.versions()
    assert versions["keras"] == keras.__version__
    assert versions["tensorflow"] == tf.__version__
    assert "kegnet-tf" in versions
