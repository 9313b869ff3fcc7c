import importlib.util
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from kegnet_tf.experiments.executors import Executor
from kegnet_tf.runs import write_json

RAY = pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")


def square(x):
    if x < 0:
        raise ValueError(f"`x` must be 0 or more. Received: {x}.")
    return x * x


def killed_once(folder, x):
    """Writes its result; the second of them takes its own worker down before, the first time."""
    tried = pathlib.Path(folder) / f"tried-{x}"
    if x == 1 and not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with (pathlib.Path(folder) / f"{x}.log").open("a") as file:
        file.write("done\n")
    write_json(pathlib.Path(folder) / f"{x}.json", {"square": x * x})
    return x * x


def test_local_tasks_run_in_order_one_when_the_last_was_taken():
    seen = []
    with Executor().opened() as execute:
        results = execute(seen.append, [(1,), (2,)])
        assert seen == []
        next(results)
        assert seen == [1]
        assert list(results) == [None]
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("slurm",), "`executor` must be one of local, ray. Received: 'slurm'"),
        (("local", "auto"), "`ray_address` must come with executor ray. Received: 'auto'"),
    ],
)
def test_wrong_executor_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        Executor(*arguments).check()


def test_missing_ray_is_told_with_the_extra_that_brings_it():
    with pytest.raises(ValueError, match=r"`executor` must be local .*kegnet-tf\[cluster\]"):
        Executor("ray").check(found=lambda name: None)


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two workers on this machine."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers lack this file
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@RAY
@pytest.mark.slow
def test_ray_gives_every_result_and_the_tasks_own_error(cluster):
    with Executor("ray").opened() as execute:
        assert sorted(execute(square, [(x,) for x in range(5)])) == [0, 1, 4, 9, 16]
        with pytest.raises(ValueError, match="^`x` must be 0 or more. Received: -1.$"):
            list(execute(square, [(-1,)]))


@RAY
@pytest.mark.slow
def test_task_whose_worker_is_killed_runs_again_and_finished_ones_do_not(cluster, tmp_path):
    with Executor("ray").opened() as execute:
        results = list(execute(killed_once, [(str(tmp_path), x) for x in range(4)]))
    assert sorted(results) == [0, 1, 4, 9]
    assert (tmp_path / "tried-1").exists()
    logs = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    assert logs == {f"{x}.log": "done\n" for x in range(4)}


@RAY
@pytest.mark.slow
def test_ray_leaves_the_signals_of_the_process_that_starts_it_alone(tmp_path):
    # In a process of its own: the cluster of the other tests runs here.
    source = """
import posixpath, signal
from kegnet_tf.experiments import Executor
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with Executor("ray").opened() as execute:
    assert list(execute(posixpath.basename, [("a/b",)])) == ["b"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
"""
    subprocess.run([sys.executable, "-c", source], check=True)


@RAY
@pytest.mark.slow
def test_workers_import_the_installed_package_wherever_ray_is_started(tmp_path):
    (tmp_path / "kegnet_tf").mkdir()
    (tmp_path / "kegnet_tf" / "__init__.py").write_text("raise ImportError('not installed')")
    source = """
from kegnet_tf.experiments import Executor
from kegnet_tf.export import fingerprint
with Executor("ray").opened() as execute:
    (found,) = execute(fingerprint, [(__import__("kegnet_tf").__file__,)])
    assert found["bytes"] > 0
"""
    subprocess.run([sys.executable, "-P", "-c", source], check=True, cwd=tmp_path)
