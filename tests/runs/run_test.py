import dataclasses
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher, untimed
from smallest_runs import HereRun

from kegnet_tf import compression, export, runs, synthesis
from kegnet_tf.configs import letter, mnist
from kegnet_tf.runs import generators, read_json
from kegnet_tf.teachers.networks import mlp

ARMS = ("tucker", *(source for source in synthesis.SOURCES if source != "unlabeled"))


class NoData:
    """Stands for a preset's data set where there is none."""

    name, label_names, input_shape = "mnist", tuple("0123456789"), (32, 32, 1)

    def is_prepared(self):
        return False


def mnist_run(folder, **overrides):
    config = tiny_config(mnist, arms=ARMS, save_synthetic=24, **overrides)
    run = runs.Run(config, folder, students=["student3"])
    run.real.dataset = NoData()
    run.real.raw_test = None
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run without data."""
    run = mnist_run(tmp_path_factory.mktemp("run"))
    run.report
    return run


@pytest.mark.slow
def test_run_without_data_writes_everything(finished):
    folder, report = finished.workdir, finished.report
    assert runs.Report.read(folder) == report
    assert dataclasses.asdict(report.teacher) == {
        "parameters": 61706,
        "multiply_adds": 416520,
        **dict.fromkeys(("accuracy", "balanced_accuracy", "recall")),
    }
    assert [(row.name, row.arm) for row in report.students] == [("student3", arm) for arm in ARMS]
    for row in report.students:
        assert row.accuracy is None
        assert 0 <= row.agreement <= 1
        assert row.compression_ratio == pytest.approx(4.49, abs=0.01)
        assert (folder / "students" / f"student3-{row.arm}-0.keras").exists()
    assert [row.steps for row in report.generators] == [4, 4]
    for index in range(2):
        assert (folder / "figures" / f"generator-{index}.png").read_bytes()[1:4] == b"PNG"
        assert (folder / "tensorboard" / f"generator-{index}").is_dir()
    assert "student3" in (folder / "report.md").read_text()
    layers = read_json(folder / "compression.json")["student3"]["layers"]
    ranks = {row["name"]: row["ranks"] for row in layers}
    assert ranks == {"conv1": None, "conv2": [3, 4], "conv3": [5, 8], "fc1": None, "fc2": None}
    saved = np.load(folder / "synthetic.npz")
    assert saved["x"].shape == (24, 32, 32, 1)
    np.testing.assert_allclose(saved["p"].sum(axis=1), 1, rtol=1e-5)
    assert not list(folder.rglob("partial-*"))
    assert not list(folder.rglob("*.backup.npz"))
    missing = {name for name, path in finished.paths.items() if not path.exists()}
    assert missing == {"integers"}  # no format asks for them


@pytest.mark.slow
def test_exports_answer_as_the_exported_student(finished):
    folder = finished.workdir
    record = export.ExportRecord.read(folder / "export")
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 1)).astype(np.float32)
    answers = export.predictor(folder / record.student)(x)
    np.testing.assert_allclose(finished.load_student()(x), answers, atol=1e-5)
    assert [row.path for row in finished.report.exports] == [
        *("saved_model", "student_float32.tflite", "student_float32_batch1.tflite"),
        "student.keras",
    ]
    for row in finished.report.exports:
        predict = export.predictor(folder / "export" / row.path)
        np.testing.assert_allclose(predict(x), answers, atol=1e-4)


@pytest.mark.slow
def test_exported_student_takes_pixels_as_well(finished):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1)).astype(np.uint8)
    x = (pixels / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    path = finished.workdir / "export" / "saved_model"
    raw = export.saved_model_predictor(path, "serving_raw")
    np.testing.assert_allclose(raw(pixels), export.predictor(path)(x), atol=1e-4)


@pytest.mark.slow
def test_second_run_changes_nothing_but_the_report(finished):
    kept = ("generators", "initial", "students", "export", "teacher", "figures")
    files = [path for name in kept for path in finished.paths[name].rglob("*") if path.is_file()]
    before = {file: file.stat().st_mtime_ns for file in files}
    assert mnist_run(finished.workdir).report == finished.report
    assert {file: file.stat().st_mtime_ns for file in files} == before


@pytest.mark.slow
def test_student_exported_again_has_the_same_files(finished, tmp_path):
    one, again = (
        runs.Run.open(finished.workdir).export(output=tmp_path / name) for name in ("one", "again")
    )
    assert untimed(list(map(dataclasses.asdict, one))) == untimed(
        list(map(dataclasses.asdict, again))
    )
    for name in ("student_float32.tflite", "README.md", "labels.txt"):
        first, second = ((tmp_path / each / name).read_bytes() for each in ("one", "again"))
        before_times = b"## Beside the teacher"
        assert first.partition(before_times)[0] == second.partition(before_times)[0]
    # But for the files' checksums: a SavedModel holds a random number.
    first, second = (export.ExportRecord.read(tmp_path / name) for name in ("one", "again"))
    first, second = (dataclasses.asdict(each) | {"files": {}} for each in (first, second))
    assert untimed(first) == untimed(second)


@pytest.mark.slow
def test_run_goes_on_where_a_stage_is_missing_and_ends_the_same(finished, tmp_path):
    reports = []
    for missing in ([], ["generators/1.keras", "students/student3-kegnet-0.keras"]):
        folder = tmp_path / str(len(missing))
        shutil.copytree(finished.workdir, folder)
        shutil.rmtree(folder / "export")
        for name in missing:
            (folder / name).unlink()
        reports.append(untimed(dataclasses.asdict(mnist_run(folder).report)))
    assert reports[0] == reports[1]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"students": ["student9"]}, "`students` must be among student1, student2, student3"),
        ({"arms": ("tucker", "noise")}, {}, "`arms` must be among .* Received: 'noise'"),
        ({"students.student1.ranks.conv3": (7, 121)}, {}, r"`ranks` must lie in \[1, 120\]"),
        ({"synthesis.mixture.kegnet": -1.0}, {}, "`mixture` must give shares, 0 or more"),
        ({"source": "noise"}, {}, "`source` must be one of .* Received: 'noise'"),
        ({"source": "unlabeled"}, {}, "`source` must be another than 'unlabeled' without"),
        ({"arms": ("unlabeled",)}, {}, "`source` must be another than 'unlabeled' without"),
        ({}, {"data": runs.DataOptions(unlabeled="none")}, "`unlabeled` must be a .npz file or a"),
        ({"teacher": "mist"}, {}, "`teacher` must be given: none ships"),
        ({}, {"teacher": "nowhere.keras"}, "`teacher` must"),
        ({"extraction.alpha": -1.0}, {}, "`alpha` must be 0 or more. Received: -1.0"),
        ({"distillation.loss": "hinge"}, {}, "`loss` must be one of .* Received: 'hinge'"),
        ({"export.formats": ("tflite",)}, {}, "`formats` must be among .* Received: 'tflite'"),
        ({"loader": "tables"}, {}, "`data` must hold some of name, num_features"),
        ({"loader": "csv"}, {}, "images, tables"),
        ({}, {"data": runs.DataOptions(source_dir="x")}, "`source_dir` must be empty for images"),
        ({}, {"data": runs.DataOptions(eval_data="no.npz")}, "`eval_data` must be a .npz file"),
        ({}, {"data": runs.DataOptions(eval_data="none")}, "`eval_data` must be a .* or a folder"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(change, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        runs.Run(tiny_config(mnist, **change), tmp_path / "run", **arguments).report
    assert not (tmp_path / "run").exists()


def test_teacher_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`teacher` must map \(32, 32, 1\) to 10 classes"):
        runs.Run(tiny_config(mnist), tmp_path / "run", teacher=tiny_teacher()).report
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_folder_of_another_configuration_is_refused_and_left_as_it_is(tmp_path):
    run = runs.Run(tiny_config(), tmp_path, teacher=tiny_teacher())
    run.claim()
    files = {"0.keras": pathlib.Path.touch}
    runs.records.write(tmp_path / "generators" / "0.json", {}, generators.made_of(run), files)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    other = runs.Run(tiny_config(**{"extraction.alpha": 2.0}), tmp_path, teacher=tiny_teacher())
    with pytest.raises(ValueError, match="where config.extraction.alpha is 1.0, not 2.0"):
        other.report
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
    # More arms and more seeds are no other run.
    runs.Run(tiny_config(num_seeds=3, arms=("kegnet",)), tmp_path, teacher=tiny_teacher()).claim()


def test_pickled_run_is_made_anew_of_the_same(tmp_path):
    tiny_teacher().save(tmp_path / "teacher.keras")
    run = runs.Run(
        tiny_config(),
        tmp_path / "run",
        teacher=str(tmp_path / "teacher.keras"),
        students=["student"],
        data=runs.DataOptions(download=True),
    )
    run.claim()
    again = pickle.loads(pickle.dumps(run))
    assert "classifier" not in vars(again)  # no stage travels
    assert (again.workdir, again.given, again.chosen_students) == (
        *(run.workdir, run.given, run.chosen_students),
    )
    assert again.identity == run.identity


def test_student_before_distillation_is_kept_and_found(tmp_path):
    run = runs.Run(tiny_config(), tmp_path, teacher=tiny_teacher())
    run.claim()
    found = runs.Run(tiny_config(), tmp_path, teacher=tiny_teacher()).initial["student"]
    kinds = {type(layer) for layer in found.layers}
    assert kinds & {compression.TuckerConv2D, compression.TuckerDense}
    for one, other in zip(found.get_weights(), run.initial["student"].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_table_goes_through_the_whole_run_in_raw_rows(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(100, 5, (40, 16)).astype(np.float32), np.arange(40) % 26
    np.savez(tmp_path / "test.npz", x=x, y=y)
    network = mlp((16,), 26, units=12, hidden_layers=2, seed=0)
    network.get_layer("normalization").adapt(x)
    config = tiny_config(letter, num_seeds=2, arms=("tucker", "kegnet+"))
    config.students.student.ranks = {"fc2": (4, 4)}
    config.synthesis.class_prior = (1.0,) * 25 + (0.0,)
    data = runs.DataOptions(str(tmp_path / "test.npz"))
    run = HereRun(config, tmp_path / "run", teacher=network, data=data)
    arms = [(row.arm, row.seed) for row in run.report.students]
    assert arms == [("tucker", 0), ("kegnet+", 0), ("kegnet+", 1)]
    for row in run.students:
        assert len(row.recall) == 26
        assert row.balanced_accuracy == pytest.approx(np.mean(row.recall))
    assert {path.stem for path in (tmp_path / "run/figures").glob("*.png")} == {
        *("losses", "class_balance")
    }
    student = export.predictor(tmp_path / "run" / "export" / "student_float32.tflite")
    answers = network.predict_on_batch(x), student(x)  # raw rows in both
    assert np.corrcoef(*map(np.ravel, answers))[0, 1] > 0.3


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
    flags += ["--minutes=600"]  # no plan is cut, however busy the machine is
    return [sys.executable, shutil.which("kegnet"), *flags, *(f"--config.{s}" for s in settings)]


@pytest.mark.slow
def test_run_killed_in_the_second_generator_goes_on_there_and_ends_the_same(tmp_path):
    environment = {**os.environ, "TFDS_DATA_DIR": str(tmp_path / "none")}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), env=environment, check=True)
    process = subprocess.Popen(command(killed), env=environment)
    backup = killed / "generators" / "1.backup.npz"
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
    assert "Generator 1 of" not in done.stderr
    assert "Generator 2 of" in done.stderr
    assert "Everything is in" in done.stdout
    assert first.stat().st_mtime_ns == written
    reports = [untimed(read_json(f / "report.json")) for f in (whole, killed)]
    assert reports[0] == reports[1]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("mode", "own"), [("quick", "kegnet+"), ("quick,paper", "kegnet")])
def test_quick_run_beats_its_baselines_on_real_data(mode, own, tmp_path):
    run = runs.Run(mnist.get_config(mode), tmp_path)
    if run.real.test is None:
        pytest.skip("TFDS_DATA_DIR holds no MNIST")
    accuracy = {(row.name, row.arm): row.accuracy for row in run.report.students}
    assert run.report.teacher.accuracy > 0.989
    for student in ("student1", "student2", "student3"):
        others = [each for (name, arm), each in accuracy.items() if name == student and arm != own]
        assert accuracy[student, own] > max(others)
