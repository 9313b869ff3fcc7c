import contextlib
import os
import pathlib
import signal
import threading
import time
import types

import keras
import numpy as np
import pytest
from smallest import tiny_teacher

from kegnet_tf import cells, pipeline, reproduce, teachers
from kegnet_tf.configs import base
from kegnet_tf.workdir import read_json


def preset(mode=""):
    config = base.get_config(mode)
    config.students = {"student": {"ranks": {"conv": (1, 2)}}}
    config.update_from_flattened_dict(
        {
            "held_out": 12,
            "num_generators": 2,
            "keep_unrecognised": True,  # four steps teach a generator nothing
            "generator.latent_dim": 2,
            "generator.units": (8,),
            "generator.filters": (4, 2),
            "decoder.units": 8,
            "extraction.batch_size": 8,
            "extraction.epochs": 2,
            "extraction.steps_per_epoch": 2,
            "batch_size": 8,
            "distillation.epochs": 2,
            "distillation.steps_per_epoch": 3,
        }
    )
    return config


@pytest.fixture
def given(tmp_path_factory, monkeypatch):
    """Arguments of `reproduce.run` for a tiny teacher in the place of MNIST's."""
    folder = tmp_path_factory.mktemp("given")
    tiny_teacher().save(folder / "teacher.keras")
    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype(np.float32)
    np.savez(folder / "test.npz", x=x, y=np.arange(30) % 3)
    presets = dict.fromkeys(reproduce.PRESETS, types.SimpleNamespace(get_config=preset))
    monkeypatch.setattr(reproduce, "PRESETS", presets)
    paths = {"teacher": str(folder / "teacher.keras"), "eval_data": str(folder / "test.npz")}
    return {"dataset": "mnist", "recipe": "paper", "seeds": 2, **paths}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": ""}, "`teacher` must come with `dataset`"),
        ({"dataset": "", "teacher": ""}, "`eval_data` must come with `dataset`"),
        ({"dataset": "", "teacher": "", "eval_data": ""}, "`table` must be 2 or 3, or `dataset`"),
        ({"table": 4}, "`table` must be 2 or 3. Received: 4"),
        ({"table": 2}, "`dataset` must be among shuttle, pendigits, letter. Received: 'mnist'"),
        ({"dataset": "cifar"}, "`dataset` must be among .*'cifar'"),
        ({"dataset": "svhn", "teacher": ""}, "`teacher` must be given. .*--dataset=svhn"),
        ({"seeds": 0}, "`seeds` must be above 0. Received: 0"),
        ({"arms": ["noise"]}, "`arms` must be among .* Received: 'noise'"),
        ({"students": ["student9"]}, "`students` must be among student. Received: 'student9'"),
        ({"overrides": {"extraction.bta": 1}}, "`config` must be overridden by .*bta"),
        ({"quick": True, "authors": True}, "`paper` must come without `quick`"),
        ({"executor": "slurm"}, "`executor` must be one of local, ray. Received: 'slurm'"),
        ({"ray_address": "auto"}, "`ray_address` must come with executor ray"),
        ({"source_dir": "raw"}, "`source_dir` must be empty for images"),
        ({"eval_data": "absent.npz"}, "`eval_data` must be a .npz file"),
        ({"teacher": "absent.keras"}, "`teacher` must be a complete .keras file"),
    ],
)
def test_wrong_input_is_told_and_nothing_is_written(given, change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        reproduce.run(tmp_path / "run", **(given | change))
    assert not (tmp_path / "run").exists()


def test_line_that_changes_nothing_is_the_presets_job_and_the_others_have_folders(tmp_path):
    job = cells.Job("mnist", tmp_path, preset("paper"), False, "")
    lines = dict(reproduce._lines(job))
    assert {*lines} == {*reproduce.LINES}
    same = {line for line, each in lines.items() if each == job}
    assert same == {"preset", "beta 0", "gamma 0", "uniform labels", "fresh stream"}
    others = [each for line, each in lines.items() if line not in same]
    assert len({each.folder for each in others}) == len(others)
    assert {each.origin for each in others} == {tmp_path}
    assert lines["SVD-only start"].config.students.student.start == "svd"
    assert lines["1 generator"].config.num_generators == 1
    assert "start" not in job.config.students.student


def test_authors_budget_and_overrides_reach_a_preset():
    settings = {"extraction.epochs": 3}
    config = reproduce._preset("fashion", False, "plus", True, settings)
    assert config.extraction.epochs == 3
    assert (config.extraction.beta, config.synthetic_size) == (10.0, 6400)
    assert config.arms == ("tucker", "uniform", "gaussian", "kegnet")
    assert reproduce._preset("mnist", True, "plus", False, {}).arms == ("tucker", "kegnet+")


def digests(folder):
    """The weights of every student and generator of a run."""
    return {
        str(path.relative_to(folder)): teachers.digest(keras.saving.load_model(path))
        for path in sorted(folder.rglob("*.keras"))
    }


def timeless(tree):
    if isinstance(tree, dict):
        return {key: timeless(value) for key, value in tree.items() if key != "seconds"}
    return [timeless(value) for value in tree] if isinstance(tree, list) else tree


def rows(folder):
    return [
        timeless(read_json(path)) for path in sorted((folder / "mnist/students").glob("*.json"))
    ]


@pytest.mark.slow
def test_interrupted_run_ends_as_one_that_was_not(given, tmp_path, monkeypatch):
    whole = reproduce.run(tmp_path / "whole", **given)
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {
        *("mnist", "results.json", "results.md", "results.png")
    }
    assert len(whole["cells"]) == 1 + 3 * 2
    for row in whole["cells"]:
        assert row["oracle"] is None
    assert read_json(tmp_path / "whole" / "results.json")["cells"] == whole["cells"]

    class Ended(cells.Curves):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    cut = tmp_path / "cut"
    for arms in (["uniform"], ["tucker", "kegnet"]):  # in another order, too
        reproduce.run(cut, **given, arms=arms)
        with monkeypatch.context() as patch:
            patch.setattr(cells, "Curves", Ended)
            with pytest.raises(KeyboardInterrupt):
                reproduce.run(cut, **given, arms=["gaussian"])
    resumed = reproduce.run(cut, **given)
    assert timeless(resumed) == timeless(whole)
    assert rows(cut) == rows(tmp_path / "whole")
    assert digests(cut) == digests(tmp_path / "whole")


@pytest.mark.slow
def test_validation_split_chooses_the_oracle_alone(given, tmp_path, monkeypatch):
    without = reproduce.run(tmp_path / "without", **given, arms=["kegnet"])
    x = np.random.default_rng(1).normal(size=(30, 8, 8, 1)).astype(np.float32)
    load = {"valid": (x, np.arange(30) % 3)}
    monkeypatch.setattr(pipeline.images.ImageDataset, "is_prepared", lambda self: True)
    monkeypatch.setattr(pipeline.images.ImageDataset, "load", lambda self, split, _: load[split])
    overrides = {"data.name": "made-up"}
    given = {**given, "overrides": overrides, "arms": ["kegnet"]}
    found = reproduce.run(tmp_path / "with", **given)
    for ours, row in zip(found["cells"], without["cells"], strict=True):
        curves = read_json(
            tmp_path / "with" / "mnist" / "students" / f"student-kegnet-{row['seed']}.json"
        )["curves"]
        assert ours["oracle"] == curves["test"][int(np.argmax(curves["valid"]))]
        assert (ours["last"], ours["agreement"]) == (row["last"], row["agreement"])
    assert digests(tmp_path / "with") == digests(tmp_path / "without")


@pytest.mark.slow
def test_ablation_has_a_row_for_each_line(given, tmp_path, monkeypatch):
    lines = ("preset", "alpha 0", "1 generator", "SVD-only start", "random start", "beta 0")
    monkeypatch.setattr(reproduce, "LINES", {line: reproduce.LINES[line] for line in lines})
    content = reproduce.run(tmp_path, **given, ablation=True)
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
def test_ray_run_equals_the_local_one_though_a_worker_is_killed(given, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    local = reproduce.run(tmp_path / "local", **given)
    ray.init("local", num_cpus=2, include_dashboard=False)
    killed = []

    def kill_once_a_cell_is_complete():
        for _ in range(3000):
            time.sleep(0.1)
            if cells.finished(tmp_path / "ray" / "mnist") and (found := descendants("ray::cell")):
                os.kill(found[0], signal.SIGKILL)
                killed.append(
                    {path: path.stat().st_mtime_ns for path in complete(tmp_path / "ray" / "mnist")}
                )
                return

    killer = threading.Thread(target=kill_once_a_cell_is_complete)
    killer.start()
    try:
        spread = reproduce.run(tmp_path / "ray", **given, executor="ray")
    finally:
        killer.join()
        ray.shutdown()
    (before,) = killed
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert timeless(spread) == timeless(local)
    assert rows(tmp_path / "ray") == rows(tmp_path / "local")
    assert digests(tmp_path / "ray") == digests(tmp_path / "local")


def complete(folder):
    return [
        path
        for path in (folder / "students").glob("*.json")
        if path.with_suffix(".keras").exists() and "last" in read_json(path)
    ]
