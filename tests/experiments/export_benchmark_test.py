import dataclasses
import json
import shutil

import pytest
from smallest import tiny_teacher
from smallest_runs import RECORD

from kegnet_tf import experiments, export, teachers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An export folder of one file, the teacher itself, and the teacher's file beside it."""
    folder = tmp_path_factory.mktemp("run")
    model = tiny_teacher()
    model.save(folder / "teacher.keras")
    export.save(model, folder / "scratch", batch=1)
    path = folder / "export" / "student_float32_batch1.tflite"
    path.parent.mkdir()
    path.write_bytes(export.convert(folder / "scratch", "litert_float32", None))
    measures = {"agreement": 1.0, "accuracy": 0.5}
    files = [
        export.ExportedFile("litert_float32", 1, path.name, path.stat().st_size, **measures),
        export.ExportedFile("litert_float32", "any", "any.tflite", 9, **measures),
        export.ExportedFile("litert_float32", 1, "never_written.tflite"),
    ]
    of = {"student": "students/student-kegnet-0.keras", "teacher_digest": teachers.digest(model)}
    dataclasses.replace(RECORD, **of, exports=files).write(path.parent)
    return folder


@pytest.mark.slow
def test_teacher_and_student_are_measured_side_by_side(folder):
    rows = experiments.export_costs(
        folder / "export", teacher=folder / "teacher.keras", steps=2, repeats=3
    )
    teacher, student = json.loads(json.dumps(rows))
    assert (teacher["name"], student["name"]) == ("teacher", "student")
    assert (teacher["ratio"], teacher["spread"]) == (1.0, [1.0, 1.0])
    # 3x3x4 outputs of 3x3 products, and 36 numbers to 3 classes; gamma and beta count.
    assert teacher["multiply_adds"] == student["multiply_adds"] == 3 * 3 * 4 * 9 + 36 * 3
    assert (teacher["parameters"], student["parameters"]) == (4 * 9 + 4 + 8 + 36 * 3 + 3, 7)
    assert teacher["bytes"] == student["bytes"]
    assert (teacher["path"], teacher["beaten_by"]) == ("teacher_float32_batch1.tflite", None)
    assert teacher["arena_bytes"] == student["arena_bytes"] > 4 * 64
    assert (student["agreement"], student["accuracy"]) == (1.0, 0.5)
    low, high = student["spread"]
    assert 0 < low <= student["ratio"] <= high
    for row in rows:
        assert row["milliseconds"] > 0
        assert row["milliseconds_all_threads"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name_of_export", ["export", "frontier/ratio2"])
def test_teachers_files_that_the_run_kept_are_measured_in_place_of_a_new_one(
    folder, name_of_export, tmp_path
):
    place = shutil.copytree(folder, tmp_path / "run") / "teacher"
    place.mkdir()
    name = "teacher_dynamic_range_batch1.tflite"
    shutil.copy(folder / "export" / "student_float32_batch1.tflite", place / name)
    kept = export.ExportedFile(
        *("litert_dynamic_range", 1, name, 9), model="teacher", teacher_agreement=1.0
    )
    own = export.ExportRecord.read(folder / "export")
    dataclasses.replace(own, parameters=8, exports=[kept]).write(place)
    exported = tmp_path / "run" / name_of_export
    if not exported.exists():
        shutil.copytree(folder / "export", exported)
    teacher, student = experiments.export_costs(exported, steps=1, repeats=1)
    assert (teacher["path"], teacher["parameters"], teacher["bytes"]) == (name, 8, 9)
    assert (student["path"], student["parameters"]) == ("student_float32_batch1.tflite", 7)


@pytest.mark.slow
def test_teacher_of_another_run_is_refused(folder, tmp_path):
    wrong = tiny_teacher()
    wrong.layers[-1].set_weights([-weight for weight in wrong.layers[-1].get_weights()])
    wrong.save(tmp_path / "wrong.keras")
    with pytest.raises(ValueError, match="`teacher` must be the one of the run. Rec.*wrong.keras"):
        experiments.export_costs(
            folder / "export", teacher=tmp_path / "wrong.keras", steps=1, repeats=1
        )


@pytest.mark.slow
def test_teacher_that_does_not_ship_is_asked_for(folder):
    with pytest.raises(ValueError, match="`teacher` must be given"):
        experiments.export_costs(folder / "export", steps=1, repeats=1)


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_folder_that_is_no_export_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "export.json").write_text(content)
    with pytest.raises(ValueError, match=f"`exports` must be an export folder.*{tmp_path.name}"):
        experiments.export_costs(tmp_path, steps=1, repeats=1)
