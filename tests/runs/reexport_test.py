import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from smallest_runs import Drawn, export_nothing, no_time, tiny_run

from kegnet_tf import export, runs
from kegnet_tf.runs import read_json


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    tiny_run(folder)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """The folder of a finished run."""
    return shutil.copytree(finished, tmp_path / "run")


class Opened(runs.Run):
    """A run that converts nothing."""

    convert, latencies = staticmethod(export_nothing), staticmethod(no_time)

    def source(self, arm=""):
        return Drawn([])


def test_export_goes_to_the_run_and_into_its_report(run):
    rows = Opened.open(run).export()
    assert export.ExportRecord.read(run / "export").exports == rows
    assert runs.Report.read(run).exports == rows
    assert "litert_float32.tflite" in (run / "report.md").read_text()


def test_export_to_another_place_leaves_the_run_alone(run, tmp_path):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    Opened.open(run).export(student="wrong", output=tmp_path / "new")
    assert (tmp_path / "new" / "labels.txt").exists()
    (run / ".lock").unlink()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_settings_in_place_of_the_runs_own_count(run):
    overrides = {"export.calibration_size": 3, "export.formats": ("litert_int8",)}
    Opened.open(run, overrides=overrides).export(calibration="uniform")
    record = read_json(run / "export" / "export.json")
    assert (record["calibration"], record["calibration_size"]) == ("uniform", 3)
    assert [row["format"] for row in record["exports"]] == ["litert_int8"]


def test_more_formats_are_made_besides_the_runs_own_and_unknown_ones_are_refused(run):
    opened = Opened.open(run)
    with pytest.raises(ValueError, match="`formats` must .*'tflite'"):
        opened.export(formats=["tflite"])
    opened = Opened.open(run)
    known = tuple(opened.config.export.formats)
    opened.export(formats=["onnx", *known, "onnx"])  # a flag that is parsed twice, too
    record = read_json(run / "export" / "export.json")
    assert tuple(record["formats"]) == (*known, "onnx")


def test_users_test_data_add_accuracy_and_users_data_calibrate(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    np.savez(tmp_path / "test.npz", x=x, y=np.arange(5) % 3)
    np.savez(tmp_path / "own.npz", x=x[:4])
    seen = {}
    opened = Opened.open(run, data=runs.DataOptions(str(tmp_path / "test.npz")))
    opened.convert = lambda path, loading, **arguments: seen.update(arguments) or []
    opened.export(calibration=str(tmp_path / "own.npz"))
    np.testing.assert_array_equal(seen["calibration"], x[:4])
    np.testing.assert_array_equal(seen["test"][0], x)
    record = read_json(run / "export" / "export.json")
    assert (record["calibration_size"], record["headroom"]) == (4, 1.0)


def test_real_training_data_calibrate_where_they_are_asked_for(run):
    x = np.full((7, 8, 8, 1), 0.5, np.float32)

    class Data:
        label_names = ()

        def load(self, split, download):
            return {"train": (x, np.zeros(7))}[split]

    opened = Opened.open(run)
    opened.real.dataset = Data()
    opened.export(calibration="train")
    record = read_json(run / "export" / "export.json")
    assert (record["calibration"], record["calibration_size"]) == ("train", 6)


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        ("", {"student": "student9"}, "`student` must be among student, .*'student9'"),
        ("", {"calibration": "noise"}, "`calibration` must be one of uniform, .*'noise'"),
        ("", {"calibration": "absent.npz"}, "`calibration` must be a .npz file. Received: absent"),
        ("absent.npz", {}, "`eval_data` must be a .npz file. Received: absent.npz"),
    ],
)
def test_wrong_input_is_refused_and_nothing_is_written(run, data, arguments, message):
    with pytest.raises(ValueError, match=message):
        Opened.open(run, data=runs.DataOptions(data)).export(**arguments)
    assert not (run / "export").exists()
    assert not list(run.glob("partial-*"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", None),
        ("report.json", None),
        ("generators/0.keras", None),
        ("students/student-kegnet-0.keras", b"mine"),
        ("config.json", b"no json"),
        ("config.json", b'{"layout": 3}'),
        ("report.json", b"[]"),
        ("manifest.json", b"{}"),
        ("manifest.json", None),
    ],
)
def test_folder_that_holds_no_whole_run_is_refused_by_the_name_of_the_file(run, name, content):
    (run / name).unlink()
    if content:
        (run / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"`workdir` must hold .*Received: .*{name}"):
        runs.Run.open(run)
    with pytest.raises(ValueError, match="`workdir` must hold a finished run"):
        runs.Run.open(run / "absent")


def test_flipped_bit_in_any_file_of_a_run_is_found(run):
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(ValueError, match=f"`workdir` must hold .*{path.name}"):
            runs.Run.open(run)
        path.write_bytes(whole)
    runs.Run.open(run)


def test_run_of_an_older_version_is_refused_in_one_line(run):
    (run / "config.json").write_text('{"config": {}, "teacher": "abc"}')
    with pytest.raises(ValueError, match=f"`workdir` must .* Received: {run}, made by an older"):
        runs.Run.open(run)


def command(*flags):
    """Exit code and standard error of `kegnet-export`, and its lines but for TensorFlow's own."""
    done = subprocess.run(
        [sys.executable, shutil.which("kegnet-export"), *map(str, flags)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("kegnet-export: ")]
    return done.returncode, lines, done.stderr


@pytest.fixture
def mounted(tmp_path):
    """Function that mounts an empty file system of so many KiB, with more options."""
    places = []

    def mount(kibibytes):
        place = tmp_path / f"mount{len(places)}"
        place.mkdir()
        options = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(options, check=False, capture_output=True).returncode:
            pytest.skip("only root may mount a small file system here")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_read_only_target_is_one_line(run, mounted):
    place = mounted(100)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    code, lines, errors = command(f"--workdir={run}", f"--output={place / 'export'}")
    assert code == 1
    assert len(lines) == 1
    assert "Read-only file system" in lines[0]
    assert "Traceback" not in errors
    assert not list(place.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [4, 40, 68])
def test_full_disk_is_one_line_and_leaves_no_half_export(run, mounted, kibibytes):
    place = mounted(kibibytes)
    code, lines, errors = command(f"--workdir={run}", f"--output={place / 'export'}")
    assert code == 1
    assert len(lines) == 1
    assert "Traceback" not in errors
    assert not list(place.iterdir())


@pytest.mark.slow
def test_binary_exports_and_says_what_it_was_told_wrong_in_one_line(run):
    code, _, errors = command(f"--workdir={run}", "--config.export.formats=('litert_int8',)")
    assert code == 0, errors
    record = json.loads((run / "export" / "export.json").read_text())
    assert {row["format"] for row in record["exports"]} == {"saved_model", "keras", "litert_int8"}
    for flag, word in (
        ("--dataset=mnist", "`dataset` must stay away"),
        ("--config.extraction.beta=5", "`config.extraction.beta` must stay away"),
        ("--config.export.calibration=5", "Received"),
        ("--student=x", "`student` must be among"),
    ):
        code, lines, errors = command(f"--workdir={run}", flag)
        assert code == 1
        assert word in "".join(lines)
        assert "Traceback" not in errors


@pytest.mark.slow
def test_saved_model_answers_where_this_package_cannot_be_imported(run, tmp_path):
    runs.Run.open(run).export()
    source = """
import sys
sys.modules["kegnet_tf"] = None
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
(answer,) = loaded.signatures["serving_default"](x=tf.zeros((5, 8, 8, 1))).values()
assert answer.shape == (5, 3)
print(",".join(str(value) for value in answer.numpy()[0]))
"""
    path = run / "export" / "saved_model"
    done = subprocess.run(
        [sys.executable, "-P", "-c", source, str(path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    answer = np.float32(done.stdout.split(","))
    expected = export.predictor(run / "students" / "student-kegnet-0.keras")
    np.testing.assert_allclose(answer, expected(np.zeros((1, 8, 8, 1)))[0], atol=1e-5)
