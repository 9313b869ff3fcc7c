import pytest

from kegnet_tf.experiments import benchmark_table

MACHINE = {"cores": 2, "versions": {"tensorflow": "2.21.0"}}
STEP = {
    "name": "generator step",
    "reference": "teacher's pass",
    "milliseconds": 66.246,
    "reference_milliseconds": 30.36,
    "ratio": 2.1656,
    "spread": [2.07, 2.226],
    "memory": 101 * 2**20,
    **MACHINE,
}
FILE = {
    "name": "student",
    "path": "student_int8_batch1.tflite",
    "bytes": 29064,
    "milliseconds": 0.0167,
    "ratio": 0.97,
    "teacher_agreement": None,
    "accuracy": 0.9819,
    "beaten_by": "another",
    **MACHINE,
}
REACHED = {"name": "time to accuracy", "minutes": 1.8234, "ratio": None, "student": "a", **MACHINE}


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def cells(row):
    lines = benchmark_table([row]).splitlines()
    return [cell.strip() for cell in lines[2].split("|")[1:-1]]


def test_step_stands_beside_its_reference_with_their_ratio_and_memory():
    row = ["generator step", "66.2", "teacher's pass", "30.4", "2.17", "2.07, 2.23", "101 MiB"]
    assert cells(STEP) == row
    assert "memory |" not in benchmark_table([{**STEP, "memory": None}])


def test_file_has_its_costs_and_no_column_that_would_be_empty():
    assert cells(FILE) == ["student_int8", "29,064", "0.0167", "0.97", "98.19%", "beaten"]


def test_time_to_an_accuracy_is_a_line_a_number():
    lines = benchmark_table([REACHED]).splitlines()
    assert lines == ["minutes: 1.823", "ratio: -", "student: a", "cores: 2"]


@pytest.mark.parametrize("row", [STEP, FILE])
def test_table_fits_and_says_what_its_words_mean_and_where_it_was_measured(row):
    text = benchmark_table([row])
    assert max(map(len, text.splitlines())) <= 100
    assert "\n- ratio: " in text
    assert text.endswith("- measured on 2 cores, tensorflow 2.21.0")
