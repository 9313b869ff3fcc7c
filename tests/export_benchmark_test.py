import json

import pytest
from smallest import tiny_run, tiny_teacher

from kegnet_tf import conversion, export_benchmark, teachers
from kegnet_tf.workdir import write_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An export folder of one file, the teacher itself, and the teacher's file beside it."""
    folder = tmp_path_factory.mktemp("run")
    model = tiny_teacher()
    model.save(folder / "teacher.keras")
    conversion.save(model, folder / "scratch", batch=1)
    path = folder / "export" / "student_float32_batch1.tflite"
    path.parent.mkdir()
    path.write_bytes(conversion.convert(folder / "scratch", "litert_float32", None))
    row = {"format": "litert_float32", "agreement": 1.0, "accuracy": 0.5}
    files = [
        {**row, "batch": 1, "path": path.name, "bytes": path.stat().st_size},
        {**row, "batch": "any", "path": "any.tflite", "bytes": 9},
        {**row, "batch": 1, "path": "never_written.tflite", "bytes": None},
    ]
    made = {"teacher": "", "teacher_digest": teachers.digest(model), "parameters": 7}
    write_json(folder / "export" / "export.json", {**made, "exports": files})
    return folder


def test_teacher_and_student_are_measured_side_by_side(folder):
    rows = export_benchmark.exports(
        folder / "export", teacher=folder / "teacher.keras", steps=2, repeats=3
    )
    teacher, student = json.loads(json.dumps(rows))
    assert (teacher["name"], student["name"]) == ("teacher", "student")
    assert (teacher["ratio"], teacher["spread"]) == (1.0, [1.0, 1.0])
    # 3x3x4 outputs of 3x3 products, and 36 numbers to 3 classes; gamma and beta count.
    assert teacher["multiply_adds"] == student["multiply_adds"] == 3 * 3 * 4 * 9 + 36 * 3
    assert (teacher["parameters"], student["parameters"]) == (4 * 9 + 4 + 8 + 36 * 3 + 3, 7)
    assert teacher["bytes"] == student["bytes"]
    assert teacher["arena_bytes"] == student["arena_bytes"] > 4 * 64
    assert (student["agreement"], student["accuracy"]) == (1.0, 0.5)
    low, high = student["spread"]
    assert 0 < low <= student["ratio"] <= high
    for row in rows:
        assert row["milliseconds"] > 0
        assert row["milliseconds_all_threads"] > 0


def test_times_are_medians_of_turns_after_the_first(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(export_benchmark.time, "perf_counter", lambda: clock[0])

    def takes(*seconds):
        durations = iter(seconds)
        return lambda: clock.__setitem__(0, clock[0] + next(durations))

    calls = takes(9, 9, 1, 2, 3, 4), takes(9, 9, 5, 5, 6, 6)
    assert export_benchmark._seconds(calls, steps=2, repeats=2) == [[1.5, 5], [3.5, 6]]


def test_teacher_of_another_run_is_refused(folder, tmp_path):
    tiny_run(tmp_path)
    other = tmp_path / "students" / "wrong-tucker-0.keras"
    with pytest.raises(ValueError, match="`teacher` must be the one of the run. Rec.*wrong-tucker"):
        export_benchmark.exports(folder / "export", teacher=other, steps=1, repeats=1)


def test_teacher_that_does_not_ship_is_asked_for(folder):
    with pytest.raises(ValueError, match="`teacher` must be given"):
        export_benchmark.exports(folder / "export", steps=1, repeats=1)


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_folder_that_is_no_export_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "export.json").write_text(content)
    with pytest.raises(ValueError, match=f"`exports` must be an export folder.*{tmp_path.name}"):
        export_benchmark.exports(tmp_path, steps=1, repeats=1)
