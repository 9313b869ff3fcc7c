import dataclasses
import shutil

import keras
import numpy as np
import pytest
from smallest import tiny_teacher
from smallest_runs import Drawn, HereRun, export_nothing, no_time, tiny_run

from kegnet_tf import export, runs
from kegnet_tf.runs import manifest, read_json, rival


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("finished") / "run")


def again(finished, folder, kind=runs.Run):
    """The same run in a folder of its own, that converts nothing unless `kind` says so."""
    shutil.copytree(finished.workdir, folder, dirs_exist_ok=True)
    config = finished.config.copy_and_resolve_references()
    run = kind(config, folder, teacher=finished.classifier)
    run.measured, run.generators = finished.measured, finished.generators
    run.source = lambda arm="": Drawn([])
    if kind is runs.Run:
        run.convert, run.latencies = export_nothing, no_time
    return run


@pytest.fixture
def run(finished, tmp_path):
    return again(finished, tmp_path)


def test_teacher_is_converted_on_the_data_of_the_student_and_kept_with_a_card(run):
    seen = {}

    def convert(path, loading, **arguments):
        assert keras.saving.load_model(path).count_params() == run.classifier.count_params()
        seen.update(arguments, output=loading.output)
        return export_nothing(path, loading, **arguments)

    run.convert = convert
    record = run.rivals
    folder = run.workdir / "teacher"
    assert (seen["teacher"], seen["output"]) == (True, "logits")
    np.testing.assert_array_equal(seen["x"], run.unseen[0])
    x, _ = Drawn([]).sample(6, run.seed("calibration"))
    np.testing.assert_allclose(seen["calibration"], 2 * x, rtol=1e-6)
    assert record == export.ExportRecord.read(folder)
    assert {path.name for path in folder.iterdir()} == {
        *("litert_float32.tflite", "README.md", "labels.txt", "export.json")
    }
    assert (folder / "labels.txt").read_text() == "0\n1\n2\n"
    assert "# The teacher, a classifier of" in (folder / "README.md").read_text()


def test_teachers_files_stand_until_what_they_are_made_of_changes(run, finished):
    stamps = []
    for settings in ({}, {}, {"export.headroom": 3.0}, {"held_out": 5}, {"held_out": 5}):
        other = again(finished, run.workdir)
        other.config.update_from_flattened_dict(settings)
        other.rivals
        stamps.append((run.workdir / "teacher" / "labels.txt").stat().st_mtime_ns)
    assert stamps[0] == stamps[1] < stamps[2] < stamps[3] == stamps[4]


def test_student_is_timed_beside_its_teacher_and_both_stand_in_the_report(run):
    run.latencies = lambda paths: [export.Speed(0.5), export.Speed(0.25, xnnpack=False)]
    report = runs.Report.read(write(run))
    (theirs,), (ours,) = report.rivals, report.exports
    assert (theirs.model, theirs.milliseconds, theirs.beaten_by) == ("teacher", 0.5, None)
    assert (ours.model, ours.milliseconds, ours.beaten_by) == ("student", 0.25, None)
    assert report.recommendation.model == "student"  # of one size, the faster one
    card = (run.workdir / "export" / "README.md").read_text()
    assert "## Beside the teacher" in card
    assert report.recommendation.sentence in card
    last = report.markdown().splitlines()[-1]
    assert last == f"Recommended: export/{ours.path} {report.recommendation.sentence}"


def write(run):
    """Exports, and writes the report; the run's folder."""
    runs.run.exporting.completed(run, run.exports).write(run.workdir)
    manifest.seal(run.workdir)
    return run.workdir


def test_manifest_lists_the_teachers_files_and_finds_one_that_was_changed(run):
    folder = write(run)
    path = folder / "teacher" / "litert_float32.tflite"
    assert "teacher/litert_float32.tflite" in read_json(folder / "manifest.json")["files"]
    path.write_text("another")
    assert manifest.spoilt(folder) == [path]


def test_finished_run_without_whole_files_of_its_teacher_is_exported_alone(run, caplog):
    folder = write(run)
    opened = runs.Run.open(folder)
    assert opened.rivals is None  # these are no LiteRT files
    (folder / "teacher" / "litert_float32.tflite").write_text("another")
    assert runs.Run.open(folder).rivals is None
    shutil.rmtree(folder / "teacher")
    assert runs.Run.open(folder).rivals is None
    opened.convert, opened.latencies = export_nothing, no_time
    opened.source = lambda arm="": Drawn([])
    opened.export(output=folder.parent / "elsewhere")
    record = export.ExportRecord.read(folder.parent / "elsewhere")
    assert (record.rivals, record.recommendation.model) == ([], "student")


def test_teacher_that_cannot_be_saved_is_told_and_the_student_stands_alone(run, caplog):
    def refuse(path, loading, teacher=False, **arguments):
        if teacher:
            raise ValueError("no class of that name.")
        return export_nothing(path, loading, **arguments)

    run.convert = refuse
    report = runs.Report.read(write(run))
    assert "Warning: no files of the teacher: no class of that name." in caplog.messages
    assert (report.rivals, len(report.exports)) == ([], 1)
    np.testing.assert_array_equal(rival.answers(run, run.unseen[0]), run.unseen[1].argmax(1))
    opened, record = runs.Run.open(run.workdir), run.rivals  # a student stands for its teacher
    assert opened.rivals is None
    assert rival.answers(opened, run.unseen[0]) is None
    wrong = run.student_path(report.students[1])
    opened.rivals, opened.classifier = record, keras.saving.load_model(wrong)
    assert rival.answers(opened, run.unseen[0]) is None
    assert not list((run.workdir / "teacher").glob("*.keras"))


def test_somebody_elses_folder_is_refused_before_any_work(run):
    (run.workdir / "teacher").mkdir()
    (run.workdir / "teacher" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="`output` must be a folder that is new or empty"):
        run.check()
    assert [path.name for path in (run.workdir / "teacher").iterdir()] == ["thesis.txt"]


def test_teachers_file_that_lies_elsewhere_is_never_opened(run, monkeypatch):
    record, folder = run.rivals, run.workdir / "teacher"
    (row,) = record.exports
    (run.workdir / row.path).write_text("no model")
    dataclasses.replace(record, exports=[dataclasses.replace(row, path=f"../{row.path}")]).write(
        folder
    )
    monkeypatch.setattr(export, "predictor", None)  # would fail
    assert runs.teacher_files(run.workdir) is None


@pytest.mark.slow
def test_files_of_teacher_and_student_are_made_measured_and_compared(finished, tmp_path):
    run = again(finished, tmp_path, HereRun)
    report = runs.Report.read(write(run))
    once = [row for row in (*report.rivals, *report.exports) if row.batch == 1]
    assert [row.path for row in once] == [
        *("teacher_float32_batch1.tflite", "student_float32_batch1.tflite")
    ]
    for row in once:
        assert row.milliseconds > 0
        assert row.teacher_agreement == 1.0  # the student is the teacher itself
    x = run.unseen[0]
    answers = run.classifier.predict_on_batch(x).argmax(1)
    np.testing.assert_array_equal(rival.answers(run, x), answers)
    wrong = dataclasses.replace(report.students[1])
    (row,) = [
        row
        for row in runs.Run.open(run.workdir).export(wrong.stem, tmp_path.parent / "wrong")
        if row.batch == 1
    ]
    assert row.teacher_agreement < 0.5  # but it agrees with itself
    assert row.agreement == 1.0
    assert runs.teacher_files(run.workdir) == run.rivals
    assert tiny_teacher().count_params() == run.rivals.parameters + 8  # moving statistics
