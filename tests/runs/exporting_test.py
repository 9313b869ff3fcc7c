import shutil

import child
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_teacher
from smallest_runs import Drawn, export_nothing, no_time, tiny_run

from kegnet_tf import export, runs, teachers
from kegnet_tf.distillation import StudentResult
from kegnet_tf.runs import (
    calibration,
    export_folder,
    exporting,
    manifest,
    processes,
    read_json,
    records,
)

STUDENTS = [
    StudentResult(name="a", arm="tucker", agreement=0.99),
    StudentResult(name="a", arm="kegnet", agreement=0.7),
    StudentResult(name="a", arm="kegnet", seed=1, agreement=0.8),
    StudentResult(name="b", arm="uniform", agreement=0.6),
]


@pytest.mark.parametrize(
    ("name", "index"), [("", 2), ("a", 2), ("b", 3), ("a-tucker-0", 0), ("a-kegnet-0", 1)]
)
def test_student_is_the_one_named_or_the_distilled_one_that_agrees_best(name, index):
    assert exporting.choose(STUDENTS, name) is STUDENTS[index]


def test_unknown_student_is_refused_with_those_there_are():
    message = "`student` must be among a, a-tucker-0, a-kegnet-0, .*b-uniform-0. Received: 'c'"
    with pytest.raises(ValueError, match=message):
        exporting.choose(STUDENTS, "c")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture
def run(finished, tmp_path):
    """A finished run that converts nothing, and notes each source that it draws from."""
    folder = shutil.copytree(finished.workdir, tmp_path, dirs_exist_ok=True)
    config = finished.config.copy_and_resolve_references()
    run = runs.Run(config, folder, teacher=finished.classifier)
    run.measured = finished.measured
    run.convert, run.latencies, run.rivals = export_nothing, no_time, None
    run.asked, run.seeds = [], []
    run.source = lambda arm="": run.asked.append(arm) or Drawn(run.seeds)
    return run


def deploy(run, student=0, fitted=None):
    given = run.measured, run.students[student], run.workdir / "export", fitted
    return exporting.deployed(run, *given)


def given(run, fitted=None):
    """Arguments of `Run.convert` when a run is exported."""
    seen = {}
    run.convert = lambda path, loading, **arguments: seen.update(arguments) or []
    deploy(run, fitted=fitted)
    return seen


def calibrated_on(run, source="gaussian", **settings):
    """What int8 is fitted to, under other settings of the export."""
    run.config.export.update(settings)
    shutil.rmtree(run.workdir / "export", ignore_errors=True)
    return given(run, calibration.Calibration(source))["calibration"]


@pytest.mark.slow
def test_export_folder_holds_files_labels_card_and_record(run):
    run.convert, run.latencies = exporting.convert_here, export.latencies
    rows = deploy(run)
    assert [row.milliseconds > 0 for row in rows if row.batch == 1] == [True]
    assert {path.name for path in (run.workdir / "export").iterdir()} == {
        *(row.path for row in rows),
        *("README.md", "labels.txt", "export.json"),
    }
    assert not list(run.workdir.glob("partial-*"))


def test_record_labels_and_card_say_what_was_exported(run):
    rows = deploy(run)
    folder = run.workdir / "export"
    assert (folder / "labels.txt").read_text() == "0\n1\n2\n"
    record = read_json(folder / "export.json")
    assert [row["path"] for row in record["exports"]] == [row.path for row in rows]
    assert record["student"] == "students/student-kegnet-0.keras"
    assert (record["calibration"], record["calibration_size"]) == ("kegnet+", 6)
    assert f"`{teachers.digest(tiny_teacher())}`" in (folder / "README.md").read_text()


def test_labels_are_the_presets(run):
    run.config.data.label_names = ("cat", "dog", "sea lion")
    deploy(run)
    assert (run.workdir / "export" / "labels.txt").read_text() == "cat\ndog\nsea lion\n"


def test_export_that_stands_is_left_alone_until_something_changes(run):
    changed = []
    noise = calibration.Calibration("gaussian")
    for settings in ({}, {}, {"fitted": noise}, {"student": 1}, {"student": 1}):
        deploy(run, **settings)
        changed.append((run.workdir / "export" / "labels.txt").stat().st_mtime_ns)
    assert changed[0] == changed[1] < changed[2] < changed[3] == changed[4]
    record = read_json(run.workdir / "export" / "export.json")
    assert record["student"].endswith("wrong-tucker-0.keras")


def test_files_are_compared_on_what_the_evaluation_draws_and_calibrated_on_other_data(run):
    run.config.export.headroom = 1.0
    seen = given(run, calibration.Calibration("gaussian"))
    assert set(run.asked) == {"", "gaussian"}
    assert set(run.seeds) == {run.seed("evaluation"), run.seed("calibration")}
    x, _ = Drawn([]).sample(12, run.seed("evaluation"))
    assert_array_equal(seen["x"], x)
    assert_array_equal(seen["calibration"], Drawn([]).sample(6, run.seed("calibration"))[0])


def test_artificial_data_get_headroom_before_they_fix_a_range(run):
    one, three = (calibrated_on(run, "kegnet", headroom=headroom) for headroom in (1.0, 3.0))
    assert_allclose(three, 3 * one, rtol=1e-5)


def test_pixels_go_beyond_their_range_by_no_more_than_the_headroom(run):
    run.config.data.update(mean=(0.25,), std=(0.5,))
    x = calibrated_on(run, headroom=3.0, calibration_size=400)
    # Pixels in [0, 1] are [-0.5, 1.5] then, which is 0.5 and 1 either way: 3 either way.
    assert (x.min(), x.max()) == (-2.5, 3.5)


def test_given_calibration_data_are_taken_as_they_are(run):
    x = np.arange(8 * 64, dtype=np.float32).reshape(8, 8, 8, 1)
    seen = given(run, calibration.Calibration("train", x))
    assert_array_equal(seen["calibration"], x[:6])
    record = read_json(run.workdir / "export" / "export.json")
    assert (record["calibration_size"], record["headroom"]) == (6, 1.0)


def test_raw_values_are_known_from_the_preset_or_the_models_first_layer(run):
    assert given(run)["raw"] is None
    shutil.rmtree(run.workdir / "export")
    of_pixels = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), *tiny_teacher().layers[1:]]
    )
    path = run.student_path(run.students[0])
    records.write(path.with_suffix(".json"), {}, {}, {path.name: of_pixels.save})
    manifest.seal(run.workdir)
    of_pixels = runs.Run.open(run.workdir)
    of_pixels.source, of_pixels.latencies = run.source, no_time
    seen = given(of_pixels)
    assert seen["raw"] == ()
    assert seen["x"].max() > 100  # synthetic data as that model expects them: pixels
    of_pixels.config.data.update(mean=(0.5,), std=(0.25,))
    shutil.rmtree(run.workdir / "export")
    assert given(of_pixels)["raw"] == ((0.5,), (0.25,))


@pytest.mark.parametrize("name", ["", "..", "students", "export/deeper"])
def test_export_into_the_run_itself_is_refused(run, name):
    with pytest.raises(ValueError, match="`output` must lie outside of the work directory"):
        export_folder.check_folder(run.workdir / name, run.workdir)


def test_folder_or_file_of_somebody_else_is_refused_and_left_as_it_is(run, tmp_path_factory):
    theirs = tmp_path_factory.mktemp("theirs")
    export_folder.check_folder(theirs, run.workdir)  # empty
    (theirs / "thesis.txt").write_text("years of work")
    for folder in (theirs, theirs / "thesis.txt"):
        with pytest.raises(ValueError, match="`output` must be a folder that is new or empty"):
            run.export(output=folder)
    assert (theirs / "thesis.txt").read_text() == "years of work"
    own = run.workdir / "export"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="`output` must be a folder that is new or empty"):
        run.export()
    assert (own / "notes.txt").read_text() == "mine"


def test_one_warning_is_logged_for_files_with_a_note(run, caplog):
    run.config.export.formats = ("litert_float32", "litert_float16")
    for _ in range(2):  # of files that stood already as well
        deploy(run)
        assert caplog.messages == ["Warning: litert_float16.tflite poor: take a float32 file."]
        caplog.clear()


def test_conversion_that_is_ended_leaves_the_older_export_and_nothing_else(run):
    deploy(run)
    before = {path: path.read_bytes() for path in (run.workdir / "export").iterdir()}

    def ended(path, loading, *, folder, **_):
        (folder / "saved_model").mkdir()
        raise KeyboardInterrupt

    run.convert = ended
    with pytest.raises(KeyboardInterrupt):
        deploy(run, student=1)
    assert {path: path.read_bytes() for path in before} == before
    assert not list(run.workdir.glob("partial-*"))


def test_process_that_dies_while_it_converts_is_an_oserror(run):
    run.convert = lambda *_, **__: processes.apart(child.die)
    with pytest.raises(OSError, match="student-kegnet-0.keras could not be exported: The process"):
        deploy(run)
    assert not (run.workdir / "export").exists()


@pytest.mark.slow
def test_student_with_code_in_it_is_exported_where_that_is_let_in(tmp_path):
    layers = [keras.layers.Lambda(lambda x: 2 * x), keras.layers.Dense(3)]
    keras.Sequential([keras.Input((4,)), *layers]).save(tmp_path / "s.keras")
    x = np.ones((2, 4), np.float32)
    given = {"folder": tmp_path / "export", "x": x, "formats": ("litert_float32",)}
    with pytest.raises(ValueError, match="`student` must hold no Lambda layers"):
        exporting.convert_here(tmp_path / "s.keras", teachers.Loading(), **given)
    trusted = teachers.Loading(safe_mode=False)
    rows = exporting.convert_apart(tmp_path / "s.keras", trusted, **given)
    assert [row.agreement for row in rows] == [1.0] * 4
    assert rows[-1].path == "student.keras"
