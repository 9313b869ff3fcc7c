import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from kegnet_tf import deployment, pipeline, predictors, reexport, synthesis, teachers
from kegnet_tf.configs import base, letter, mnist, svhn
from kegnet_tf.networks import mlp

TIMES = ("seconds",)
ARMS = ("tucker", *synthesis.SOURCES)


def tiny(preset=mnist, **overrides):
    config = preset.get_config("quick")
    config.update_from_flattened_dict(
        {
            "held_out": 16,
            "arms": ARMS,
            "keep_unrecognised": True,  # two steps teach a generator nothing
            "generator.units": (8,),
            "generator.filters": (4, 2),
            "decoder.units": 8,
            "extraction.batch_size": 8,
            "extraction.epochs": 3,
            "extraction.steps_per_epoch": 2,
            "batch_size": 8,
            "distillation.epochs": 1,
            "export.formats": ("litert_float32",),
            "distillation.steps_per_epoch": 2,
            **overrides,
        }
    )
    return config


def untimed(report):
    if isinstance(report, dict):
        return {key: untimed(value) for key, value in report.items() if key not in TIMES}
    return [untimed(value) for value in report] if isinstance(report, list) else report


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline.images.ImageDataset, "is_prepared", lambda self: False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A work directory of one run without data, and its report."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.images.ImageDataset, "is_prepared", lambda self: False)
        # A new process takes seconds to start.
        patch.setattr(deployment, "_exported", deployment._export)
        report = pipeline.run(tiny(save_synthetic=24), folder, students=["student3"])
    return folder, report


@pytest.mark.slow
def test_run_without_data_writes_everything(finished):
    folder, report = finished
    assert json.loads((folder / "report.json").read_text()) == report
    real = dict.fromkeys(("accuracy", "balanced_accuracy", "recall"))
    assert report["teacher"] == {"parameters": 61706, **real}
    assert [(row["name"], row["arm"]) for row in report["students"]] == [
        ("student3", arm) for arm in ARMS
    ]
    for row in report["students"]:
        assert row["accuracy"] is None
        assert 0 <= row["agreement"] <= 1
        assert row["compression_ratio"] == pytest.approx(4.49, abs=0.01)
        assert (folder / "students" / f"student3-{row['arm']}-0.keras").exists()
    assert [row["steps"] for row in report["generators"]] == [6, 6]
    for index in range(2):
        assert (folder / "figures" / f"generator-{index}.png").read_bytes()[1:4] == b"PNG"
        assert (folder / "tensorboard" / f"generator-{index}").is_dir()
    assert "student3" in (folder / "report.md").read_text()
    layers = json.loads((folder / "compression.json").read_text())["student3"]
    ranks = {row["name"]: row["ranks"] for row in layers}
    assert ranks == {"conv1": None, "conv2": [3, 4], "conv3": [5, 8], "fc1": None, "fc2": None}
    saved = np.load(folder / "synthetic.npz")
    assert saved["x"].shape == (24, 32, 32, 1)
    np.testing.assert_allclose(saved["p"].sum(axis=1), 1, rtol=1e-5)
    assert not list(folder.rglob("partial-*"))
    assert not list(folder.rglob("*.weights.h5"))


@pytest.mark.slow
def test_exports_answer_as_the_exported_student(finished):
    folder, report = finished
    student = json.loads((folder / "export" / "export.json").read_text())["student"]
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 1)).astype(np.float32)
    answers = predictors.predictor(folder / student)(x)
    assert [row["path"] for row in report["exports"]] == [
        *("saved_model", "student_float32.tflite", "student_float32_batch1.tflite")
    ]
    for row in report["exports"]:
        predict = predictors.predictor(folder / "export" / row["path"])
        np.testing.assert_allclose(predict(x), answers, atol=1e-4)


@pytest.mark.slow
def test_second_run_changes_nothing_but_the_report(finished, no_data):
    folder, report = finished
    kept = ("generators", "students", "export", "figures")
    files = [file for name in kept for file in (folder / name).rglob("*") if file.is_file()]
    before = {file: file.stat().st_mtime_ns for file in files}
    again = pipeline.run(tiny(save_synthetic=24), folder, students=["student3"])
    assert again == report
    assert {file: file.stat().st_mtime_ns for file in files} == before


@pytest.mark.slow
def test_exported_student_takes_pixels_as_well(finished):
    folder, _ = finished
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype(np.uint8)
    x = (pixels / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    path = folder / "export" / "saved_model"
    raw = predictors.saved_model_predictor(path, "serving_raw")
    np.testing.assert_allclose(raw(pixels), predictors.predictor(path)(x), atol=1e-4)


@pytest.mark.slow
def test_student_exported_again_has_the_same_files(finished, no_data, tmp_path):
    folder, _ = finished
    one, again = (reexport.run(folder, output=str(tmp_path / name)) for name in ("one", "again"))
    assert one == again
    for name in ("student_float32.tflite", "export.json", "README.md", "labels.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.slow
def test_run_goes_on_where_a_stage_is_missing_and_ends_the_same(finished, no_data, tmp_path):
    folder, _ = finished
    reports = []
    for missing in ([], ["generators/1.keras", "students/student3-kegnet-0.keras"]):
        run = tmp_path / str(len(missing))
        shutil.copytree(folder, run)
        shutil.rmtree(run / "export")
        for name in missing:
            (run / name).unlink()
        reports.append(pipeline.run(tiny(save_synthetic=24), run, students=["student3"]))
    assert untimed(reports[0]) == untimed(reports[1])


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"extraction.alpha": 2.0}, {}, "where config.extraction.alpha is 1.0, not 2.0"),
        ({}, {"students": ["student9"]}, "`students` must be among student1, student2, student3"),
        ({"arms": ("tucker", "noise")}, {}, "`arms` must be among .* Received: 'noise'"),
        ({"students.student1.ranks.conv3": (7, 121)}, {}, r"`ranks` must lie in \[1, 120\]"),
        ({"synthesis.mixture.kegnet": -1.0}, {}, "`mixture` must give shares, 0 or more"),
        ({"source": "noise"}, {}, "`source` must be one of .* Received: 'noise'"),
        ({"teacher": "mist"}, {}, "`teacher` must be given: none ships"),
        ({}, {"teacher": "nowhere.keras"}, "`teacher` must"),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(
    finished, no_data, change, arguments, message
):
    folder, _ = finished
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    with pytest.raises(ValueError, match=message):
        pipeline.run(tiny(save_synthetic=24, **change), folder, **arguments)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


def test_teacher_of_another_shape_is_refused(no_data, tmp_path):
    layers = keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)
    small = keras.Sequential(layers)
    small.save(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="`teacher` must"):
        pipeline.run(tiny(), tmp_path / "run", teacher=str(tmp_path / "small.keras"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("preset", [mnist, pytest.param(svhn, marks=pytest.mark.slow), letter])
def test_teacher_is_trained_on_mock_data_and_tells_how(preset, tmp_path, monkeypatch):
    # Eleven layers take seconds to trace.
    monkeypatch.setattr(mlp, "mlp", functools.partial(mlp.mlp, units=8, hidden_layers=1))
    config = preset.get_config("quick")
    config.training.update(epochs=1, batch_size=4)
    config.data.splits = {"train": "train[:8]", "valid": "train[8:]", "test": "test"}
    with tfds.testing.mock_data(num_examples=12):
        pipeline.train_teacher(config, tmp_path / "t.keras")
    model = teachers.load(tmp_path / "t.keras")
    made = json.loads((tmp_path / "t.json").read_text())
    assert made["digest"] == teachers.digest(model)
    assert 0 <= made["accuracy"] <= 1
    assert made["seed"] == 0
    with pytest.raises(ValueError, match=r"`output` must end in .keras. Received: t.h5"):
        pipeline.train_teacher(config, "t.h5")


@pytest.mark.slow
def test_table_goes_through_the_whole_pipeline_in_raw_rows(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(100, 5, (40, 16)).astype(np.float32), np.arange(40) % 26
    np.savez(tmp_path / "test.npz", x=x, y=y)
    network = mlp.mlp((16,), 26, units=12, hidden_layers=2, seed=0)
    network.get_layer("normalization").adapt(x)
    network.save(tmp_path / "teacher.keras")
    config = tiny(letter, num_seeds=2, arms=("tucker", "kegnet+"))
    config.students.student.ranks = {"fc2": (4, 4)}
    config.synthesis.class_prior = (1.0,) * 25 + (0.0,)
    config.dense_generator.units = (8,)
    paths = {"teacher": str(tmp_path / "teacher.keras"), "eval_data": str(tmp_path / "test.npz")}
    report = pipeline.run(config, tmp_path / "run", **paths)
    arms = [(row["arm"], row["seed"]) for row in report["students"]]
    assert arms == [("tucker", 0), ("kegnet+", 0), ("kegnet+", 1)]
    for row in report["students"]:
        assert len(row["recall"]) == 26
        assert row["balanced_accuracy"] == pytest.approx(np.mean(row["recall"]))
    assert {path.stem for path in (tmp_path / "run/figures").iterdir()} == {
        *("losses", "class_balance")
    }
    teacher = predictors.predictor(tmp_path / "teacher.keras")
    student = predictors.predictor(tmp_path / "run" / "export" / "student_float32.tflite")
    assert np.corrcoef(teacher(x).ravel(), student(x).ravel())[0, 1] > 0.3  # raw rows in both


def test_preset_without_a_network_is_told_by_what_needs_one(tmp_path):
    config = base.get_config("quick")
    for needs in (
        lambda: pipeline.train_teacher(config, tmp_path / "t.keras"),
        lambda: pipeline.build_network(config),
    ):
        with pytest.raises(ValueError, match="`network` must be named by the preset"):
            needs()


def test_loader_that_does_not_fit_the_data_is_told(tmp_path):
    for loader, message in (("tables", "be what 'tables' takes"), ("csv", "images, tables")):
        with pytest.raises(ValueError, match=message):
            pipeline.run(tiny(loader=loader), tmp_path / "run")


def test_source_dir_is_refused_for_images(tmp_path):
    with pytest.raises(ValueError, match="`source_dir` must be empty for images. Received: 'x'"):
        pipeline.run(tiny(), tmp_path / "run", source_dir="x")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_evaluation_of_a_file_without_data_still_tells_size_and_latency(finished, no_data, capsys):
    folder, _ = finished
    path = folder / "export" / "student_float32.tflite"
    row = pipeline.evaluate(tiny(), path)
    assert row["accuracy"] is None
    assert row["bytes"] == path.stat().st_size
    assert row["milliseconds"] > 0
    assert "TFDS_DATA_DIR" in capsys.readouterr().out


def test_broken_file_is_told_by_evaluation(tmp_path):
    for name in ("m.keras", "m.tflite", "folder"):
        with pytest.raises(ValueError, match="`model` must be a .keras file, a SavedModel's"):
            pipeline.evaluate(tiny(), tmp_path / name)


def command(folder):
    settings = [
        "extraction.epochs=8",
        "extraction.steps_per_epoch=20",
        "extraction.batch_size=64",
        "distillation.epochs=1",
        "distillation.steps_per_epoch=20",
        "held_out=100",
    ]
    flags = ["--dataset=mnist", "--quick", "--students=student2", f"--workdir={folder}"]
    return [sys.executable, shutil.which("kegnet"), *flags, *(f"--config.{s}" for s in settings)]


@pytest.mark.slow
def test_run_killed_in_the_second_generator_goes_on_there_and_ends_the_same(tmp_path):
    environment = {**os.environ, "TFDS_DATA_DIR": str(tmp_path / "none")}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), env=environment, check=True)
    process = subprocess.Popen(command(killed), env=environment)
    backup = killed / "generators" / "1.weights.h5"
    deadline = time.monotonic() + 300
    while not backup.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    first = killed / "generators" / "0.keras"
    written = first.stat().st_mtime_ns
    done = subprocess.run(
        command(killed), env=environment, check=True, capture_output=True, text=True
    )
    assert "Generator 1 of" not in done.stdout
    assert "Generator 2 of" in done.stdout
    assert "Epoch 1/8" not in done.stdout
    assert first.stat().st_mtime_ns == written
    reports = [untimed(json.loads((f / "report.json").read_text())) for f in (whole, killed)]
    assert reports[0] == reports[1]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("mode", "own"), [("quick", "kegnet+"), ("quick,paper", "kegnet")])
def test_quick_run_beats_its_baselines_on_real_data(mode, own, tmp_path):
    if not pipeline.images.ImageDataset(**mnist.get_config().data).is_prepared():
        pytest.skip("TFDS_DATA_DIR holds no MNIST")
    report = pipeline.run(mnist.get_config(mode), pathlib.Path(tmp_path))
    accuracy = {(row["name"], row["arm"]): row["accuracy"] for row in report["students"]}
    assert report["teacher"]["accuracy"] > 0.989
    for student in ("student1", "student2", "student3"):
        others = [each for (name, arm), each in accuracy.items() if name == student and arm != own]
        assert accuracy[student, own] > max(others)
