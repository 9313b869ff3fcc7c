import os
import shutil

import child
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from smallest import export_nothing, tiny_generator, tiny_run, tiny_teacher

from kegnet_tf import deployment, export, synthesis
from kegnet_tf.latents import derive_seed
from kegnet_tf.workdir import read_json

ROWS = [
    {"name": "a", "arm": "tucker", "seed": 0, "agreement": 0.99},
    {"name": "a", "arm": "kegnet", "seed": 0, "agreement": 0.7},
    {"name": "a", "arm": "kegnet", "seed": 1, "agreement": 0.8},
    {"name": "b", "arm": "uniform", "seed": 0, "agreement": 0.6},
]


@pytest.mark.parametrize(
    ("name", "index"), [("", 2), ("a", 2), ("b", 3), ("a-tucker-0", 0), ("a-kegnet-0", 1)]
)
def test_student_is_the_one_named_or_the_distilled_one_that_agrees_best(name, index):
    assert deployment.choose(ROWS, name) is ROWS[index]


def test_unknown_student_is_told_with_those_there_are():
    message = "`student` must be among a, a-tucker-0, a-kegnet-0, .*b-uniform-0. Received: 'c'"
    with pytest.raises(ValueError, match=message):
        deployment.choose(ROWS, "c")


@pytest.fixture
def no_files(in_process, monkeypatch):
    """Converts nothing."""
    monkeypatch.setattr(deployment.export, "export", export_nothing)


@pytest.fixture
def run(tmp_path):
    """(workdir, config, content) of a finished run."""
    return tmp_path, *tiny_run(tmp_path)


def deploy(run, student=0, **settings):
    workdir, config, content = run
    return deployment.deploy(
        config,
        workdir,
        workdir / "export",
        content,
        content["students"][student],
        teacher_digest="abc",
        artificial={"generators": [tiny_generator()], **config.synthesis},
        **settings,
    )


def test_export_folder_holds_files_labels_card_and_record(run, in_process):
    workdir, *_ = run
    rows = deploy(run)
    assert {path.name for path in (workdir / "export").iterdir()} == {
        *(row["path"] for row in rows),
        *("README.md", "labels.txt", "export.json"),
    }
    assert (workdir / "export" / "labels.txt").read_text() == "0\n1\n2\n"
    record = read_json(workdir / "export" / "export.json")
    assert record["exports"] == rows
    assert record["student"] == "students/student-kegnet-0.keras"
    assert (record["calibration"], record["calibration_size"]) == ("kegnet", 6)
    assert "`abc`" in (workdir / "export" / "README.md").read_text()
    assert not list(workdir.glob("partial-*"))


def test_labels_are_the_presets(run, no_files):
    workdir, config, _ = run
    config.data.label_names = ("cat", "dog", "sea lion")
    deploy(run)
    assert (workdir / "export" / "labels.txt").read_text() == "cat\ndog\nsea lion\n"


def test_export_that_stands_is_left_alone_until_something_changes(run, no_files):
    workdir, *_ = run
    changed = []
    for settings in ({}, {}, {"calibration": "gaussian"}, {"student": 1}, {"student": 1}):
        deploy(run, **settings)
        changed.append((workdir / "export" / "labels.txt").stat().st_mtime_ns)
    assert changed[0] == changed[1] < changed[2] < changed[3] == changed[4]
    assert read_json(workdir / "export" / "export.json")["student"].endswith("wrong-tucker-0.keras")


def given(run, monkeypatch, **settings):
    """Arguments of `export.export` when a run is exported."""
    seen = {}

    def export_(model, **arguments):
        seen.update(arguments)
        return []

    monkeypatch.setattr(deployment.export, "export", export_)
    deploy(run, **settings)
    return seen


def test_files_are_compared_on_what_the_evaluation_draws_and_calibrated_on_other_data(
    run, in_process, monkeypatch
):
    _, config, _ = run
    config.export.headroom = 1.0
    seen = given(run, monkeypatch)
    unseen, _ = synthesis.synthesise(
        tiny_teacher(),
        "kegnet",
        12,
        seed=derive_seed(0, "evaluation"),
        generators=[tiny_generator()],
    )
    assert_allclose(seen["x"], unseen, atol=1e-6)
    assert seen["calibration"].shape == (6, 8, 8, 1)
    assert np.abs(seen["calibration"] - unseen[:6]).max() > 0.1


@pytest.mark.parametrize("source", ["kegnet", "gaussian"])
def test_artificial_data_get_headroom_before_they_fix_a_range(run, in_process, monkeypatch, source):
    workdir, config, _ = run
    drawn = []
    for headroom in (1.0, 3.0):
        config.export.headroom = headroom
        drawn.append(given(run, monkeypatch, calibration=source)["calibration"])
        shutil.rmtree(workdir / "export")
    assert_allclose(drawn[1], 3 * drawn[0], rtol=1e-5)


def test_pixels_go_beyond_their_range_by_no_more_than_the_headroom(run, in_process, monkeypatch):
    _, config, _ = run
    config.data.update(mean=(0.25,), std=(0.5,))
    config.export.update(headroom=3.0, calibration_size=400)
    x = given(run, monkeypatch, calibration="gaussian")["calibration"]
    # Pixels in [0, 1] are [-0.5, 1.5] then, which is 0.5 and 1 either way: 3 either way.
    assert (x.min(), x.max()) == (-2.5, 3.5)


def test_given_calibration_data_are_taken_as_they_are(run, in_process, monkeypatch):
    x = np.arange(8 * 64, dtype=np.float32).reshape(8, 8, 8, 1)
    seen = given(run, monkeypatch, calibration="train", calibration_data=x)
    np.testing.assert_array_equal(seen["calibration"], x[:6])
    record = read_json(run[0] / "export" / "export.json")
    assert (record["calibration_size"], record["headroom"]) == (6, 1.0)


def test_raw_values_are_known_from_the_preset_or_the_models_first_layer(
    run, in_process, monkeypatch
):
    workdir, config, _ = run
    assert given(run, monkeypatch)["raw"] is None
    path = workdir / "students" / "student-kegnet-0.keras"
    keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), *tiny_teacher().layers[1:]]
    ).save(path)
    shutil.rmtree(workdir / "export")
    seen = given(run, monkeypatch)
    assert seen["raw"] == ()
    assert seen["x"].max() > 100  # synthetic data as that model eats them: pixels
    config.data.update(mean=(0.5,), std=(0.25,))
    shutil.rmtree(workdir / "export")
    assert given(run, monkeypatch)["raw"] == ((0.5,), (0.25,))


def test_file_with_a_note_is_warned_of(run, no_files, capsys):
    _, config, _ = run
    config.export.formats = ("litert_float32", "litert_float16")
    for _ in range(2):  # of files that stood already as well
        deploy(run)
        assert capsys.readouterr().out == "Warning: litert_float16.tflite: poor.\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_conversion_that_is_ended_leaves_the_older_export_and_nothing_else(
    run, in_process, monkeypatch, error
):
    workdir, *_ = run
    (workdir / "export").mkdir()
    (workdir / "export" / "labels.txt").write_text("older")
    before = {path: path.read_bytes() for path in (workdir / "export").glob("*.*")}

    def ended(source, form, calibration):
        raise error

    monkeypatch.setattr(export.conversion, "convert", ended)
    with pytest.raises(error):
        deploy(run, student=1)
    assert {path: path.read_bytes() for path in (workdir / "export").glob("*.*")} == before
    assert not list(workdir.glob("partial-*"))


def test_conversion_has_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(deployment, "_export", child.number)
    assert deployment._exported("path", {}) != os.getpid()


def test_process_that_dies_while_it_converts_is_an_oserror(run, monkeypatch):
    monkeypatch.setattr(deployment, "_export", child.die)
    with pytest.raises(OSError, match="could not be exported: the process was ended"):
        deploy(run)
    assert not (run[0] / "export").exists()
