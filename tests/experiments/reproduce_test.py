import contextlib
import logging
import os
import pathlib
import signal
import threading

import keras
import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher, untimed

from kegnet_tf import datasets, teachers
from kegnet_tf.experiments import Executor, ReproduceSettings, ablation, cells, reproduce
from kegnet_tf.experiments.accuracy_curves import AccuracyCurves
from kegnet_tf.experiments.reproduce import PRESETS
from kegnet_tf.runs import DataOptions, read_json, records


def preset(mode=""):
    settings = {"distillation.epochs": 2, "distillation.steps_per_epoch": 3}
    config = tiny_config(mode=mode, **settings)
    config.students = {"student": {"ranks": {"conv": (1, 2)}}}
    return config


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """`reproduce` of a tiny teacher in the place of MNIST's, but for what is given."""
    folder = tmp_path_factory.mktemp("given")
    tiny_teacher().save(folder / "teacher.keras")
    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype(np.float32)
    np.savez(folder / "test.npz", x=x, y=np.arange(30) % 3)

    def reproduced(workdir, *, data=None, executor=None, lines=ablation.LINES, **settings):
        own = {"dataset": "mnist", "recipe": "paper", "seeds": 2}
        own["teacher"] = str(folder / "teacher.keras")
        return reproduce(
            workdir,
            ReproduceSettings(**(own | settings)),
            data=DataOptions(**{"eval_data": str(folder / "test.npz"), **(data or {})}),
            executor=executor,
            presets=dict.fromkeys(PRESETS, preset),
            lines=lines,
        )

    return reproduced


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": ""}, "`teacher` must come with `dataset`"),
        ({"dataset": "cifar"}, "`dataset` must be among .*'cifar'"),
        ({"dataset": "cifar10", "authors": True}, "`paper` must come with a data set of the pap"),
        ({"dataset": "svhn", "teacher": ""}, "`teacher` must be given. .*--dataset=svhn"),
        ({"arms": ["noise"]}, "`arms` must be among .* Received: 'noise'"),
        ({"students": ["student9"]}, "`students` must be among student. Received: 'student9'"),
        ({"overrides": {"extraction.bta": 1}}, "`config` must be overridden by .*bta"),
        (
            {"executor": Executor("slurm")},
            "`executor` must be one of local, ray. Received: 'slurm'",
        ),
        (
            {"executor": Executor(ray_address="auto")},
            "`ray_address` must come with executor ray",
        ),
        ({"data": {"source_dir": "raw"}}, "`source_dir` must be empty for images"),
        ({"data": {"eval_data": "absent.npz"}}, "`eval_data` must be a .npz file"),
        ({"data": {"eval_data": ""}}, "`eval_data` must be given where no test data of 'mnist'"),
        ({"teacher": "absent.keras"}, "`teacher` must be a complete .keras file"),
    ],
)
def test_wrong_input_is_told_and_nothing_is_written(reproduced, given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        reproduced(tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def digests(folder):
    """The weights of every student and generator of a run."""
    return {
        str(path.relative_to(folder)): teachers.digest(keras.saving.load_model(path))
        for path in sorted(folder.rglob("*.keras"))
    }


def rows(folder):
    paths = sorted((folder / "mnist/students").glob("*.json"))
    return [untimed(records.read(path)) for path in paths]


@pytest.mark.slow
def test_interrupted_run_ends_as_one_that_was_not(reproduced, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    made = reproduced(tmp_path / "whole")
    whole = made.content
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {
        *("mnist", "results.json", "results.md", "results.png", "config.json", "manifest.json"),
        ".lock",
    }
    assert len(whole["cells"]) == 1 + 3 * 2
    for row in whole["cells"]:
        assert row["oracle"] is None
    assert read_json(tmp_path / "whole" / "results.json")["cells"] == whole["cells"]
    assert made.text.startswith((tmp_path / "whole" / "results.md").read_text())
    assert "mnist: student, kegnet, seed 1: " in caplog.text

    def ended(self, epoch, logs=None):
        raise KeyboardInterrupt

    cut = tmp_path / "cut"
    for arms in (["uniform"], ["tucker", "kegnet"]):  # in another order, too
        reproduced(cut, arms=arms)
        with monkeypatch.context() as patch:
            patch.setattr(AccuracyCurves, "on_epoch_end", ended)
            with pytest.raises(KeyboardInterrupt):
                reproduced(cut, arms=["gaussian"])
    resumed = reproduced(cut).content
    assert untimed(resumed) == untimed(whole)
    assert rows(cut) == rows(tmp_path / "whole")
    assert digests(cut) == digests(tmp_path / "whole")


@pytest.mark.slow
def test_validation_split_chooses_the_oracle_alone(reproduced, tmp_path, monkeypatch):
    without = reproduced(tmp_path / "without", arms=["kegnet"]).content
    x = np.random.default_rng(1).normal(size=(30, 8, 8, 1)).astype(np.float32)
    load = {"valid": (x, np.arange(30) % 3)}
    monkeypatch.setattr(datasets.ImageDataset, "is_prepared", lambda self: True)
    monkeypatch.setattr(datasets.ImageDataset, "load", lambda self, split, _: load[split])
    found = reproduced(tmp_path / "with", overrides={"data.name": "made-up"}, arms=["kegnet"])
    for ours, row in zip(found.content["cells"], without["cells"], strict=True):
        curves = read_json(
            tmp_path / "with" / "mnist" / "students" / f"student-kegnet-{row['seed']}.json"
        )["curves"]
        assert ours["oracle"] == curves["test"][int(np.argmax(curves["valid"]))]
        assert (ours["last"], ours["agreement"]) == (row["last"], row["agreement"])
    assert digests(tmp_path / "with") == digests(tmp_path / "without")


@pytest.mark.slow
def test_ablation_has_a_row_for_each_line(reproduced, tmp_path):
    names = ("preset", "alpha 0", "1 generator", "SVD-only start", "random start", "beta 0")
    lines = {name: ablation.LINES[name] for name in names}
    content = reproduced(tmp_path, ablation=True, lines=lines).content
    assert [(row["line"], row["arm"], row["count"]) for row in content["summary"]] == [
        (line, "kegnet", 2) for line in lines
    ]
    text = (tmp_path / "ablation.md").read_text()
    assert all(f"| {line} " in text for line in lines)
    figures = {row["line"]: row["last"] for row in content["summary"]}
    assert figures["beta 0"] == figures["preset"]  # as the preset has it
    made = digests(tmp_path / "mnist")
    assert made["generators/0.keras"] == made["ablation/1-generator/generators/0.keras"]
    assert made["generators/0.keras"] != made["ablation/alpha-0/generators/0.keras"]


def descendants(name):
    """Processes below this one whose command begins with `name`."""
    parents, commands = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # one that has ended
            state = (folder / "stat").read_text().rpartition(")")[2].split()
            commands[int(folder.name)] = (folder / "cmdline").read_text()
            parents[int(folder.name)] = int(state[1])
    found = []
    for pid, command in commands.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and command.startswith(name):
            found.append(pid)
    return found


@pytest.mark.slow
def test_ray_run_equals_the_local_one_though_a_worker_is_killed(reproduced, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    local = reproduced(tmp_path / "local").content
    ray.init("local", num_cpus=2, include_dashboard=False)
    killed, ended = [], threading.Event()

    def kill_once_a_cell_is_complete():
        while not ended.wait(0.1):
            if cells.finished(tmp_path / "ray" / "mnist") and (found := descendants("ray::cell")):
                os.kill(found[0], signal.SIGKILL)
                killed.append(
                    {path: path.stat().st_mtime_ns for path in complete(tmp_path / "ray" / "mnist")}
                )
                return

    killer = threading.Thread(target=kill_once_a_cell_is_complete)
    killer.start()
    try:
        spread = reproduced(tmp_path / "ray", executor=Executor("ray")).content
    finally:
        ended.set()
        killer.join()
        ray.shutdown()
    (before,) = killed
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert untimed(spread) == untimed(local)
    assert rows(tmp_path / "ray") == rows(tmp_path / "local")
    assert digests(tmp_path / "ray") == digests(tmp_path / "local")


def complete(folder):
    return [
        path
        for path in (folder / "students").glob("*.json")
        if path.with_suffix(".keras").exists() and "last" in read_json(path)
    ]
