"""Where tasks that do not need each other run: here, or on the workers of a Ray cluster.

The workers need this package, and the paths in the tasks' arguments lead to the same files there.
"""

import contextlib
import dataclasses
import importlib.util
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator

from kegnet_tf import extraction

EXECUTORS = ("local", "ray")
RETRIES = 3  # of a task whose worker died


@dataclasses.dataclass(frozen=True)
class Executor:
    """Where tasks run.

    Locally, tasks run in this process and in order. With Ray, each is a Ray task with one core, and
    one GPU where the cluster has any; one whose worker dies is started again, up to `RETRIES`
    times. What a task raises ends the iteration.

    Attributes:
        name: "local" or "ray".
        ray_address: of a cluster that runs, such as "auto" or "ray://host:10001"; "" for the one
            that this process is connected to, and if to none for a new one of this machine's cores.
    """

    name: str = "local"
    ray_address: str = ""

    def check(self, found: Callable[[str], object] = importlib.util.find_spec) -> None:
        """Refuses an executor that is unknown or cannot be had.

        Args:
            found: tells whether a module of this name is installed.

        Raises:
            ValueError: if so.
        """
        if self.name not in EXECUTORS:
            raise ValueError(
                f"`executor` must be one of {', '.join(EXECUTORS)}. Received: {self.name!r}."
            )
        if self.name == "local" and self.ray_address:
            raise ValueError(
                f"`ray_address` must come with executor ray. Received: {self.ray_address!r}."
            )
        if self.name == "ray" and not found("ray"):
            raise ValueError(
                "`executor` must be local where Ray is absent (pip install 'kegnet-tf[cluster]'). "
                "Received: 'ray'."
            )

    @contextlib.contextmanager
    def opened(self) -> Iterator[Callable]:
        """Yields a function of (function, tasks) that iterates over results as they come.

        A task is a tuple of arguments.

        Raises:
            ConnectionError: if there is no cluster at `ray_address`.
            ValueError: as `check`.
        """
        self.check()
        if self.name == "local":
            yield lambda function, tasks: (function(*task) for task in tasks)
            return
        import ray

        ours = not ray.is_initialized()
        if ours:
            dashboard = None if self.ray_address else False
            # Ray lets workers import from where it starts: in a clone, a package without configs.
            with _own_signals(), contextlib.chdir(tempfile.gettempdir()):
                ray.init(self.ray_address or "local", include_dashboard=dashboard)
        try:
            yield _on_ray
        finally:
            if ours:
                ray.shutdown()


@contextlib.contextmanager
def _own_signals():
    """Keeps the handler of SIGTERM, which Ray replaces by one that ends the process silently."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:  # what Ray's does, until this one is back
        raise KeyboardInterrupt from ended
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _on_ray(function, tasks):
    import ray

    num_gpus = 1 if ray.cluster_resources().get("GPU") else 0
    own = {"env_vars": {"KEGNET_WRITER": extraction.WRITER}}  # what a dead one leaves is ours
    needs = {"num_cpus": 1, "num_gpus": num_gpus, "runtime_env": own}
    remote = ray.remote(**needs, max_retries=RETRIES)(function)
    waiting = [remote.remote(*task) for task in tasks]
    try:
        while waiting:
            (done, *_), waiting = ray.wait(waiting, num_returns=1)
            yield ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    finally:
        for task in waiting if ray.is_initialized() else ():
            ray.cancel(task, force=True)
