"""What is shown of a run at work: a bar a stage on a terminal, plain lines in a log."""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping

from rich import console, progress

from kegnet_tf.runs.quiet import columns

QUIET = 8.0  # seconds between two lines of a log; ours
_SHOWN = {  # of the metrics, as people call them
    "loss": "loss",
    "accuracy": "recognised",
    "agreement": "agreement",
    "val_agreement": "on held-out data",
}
logger = logging.getLogger(__name__)
_stages: list["Stage"] = []


class Stage:
    """A part of the work that lasts.

    Args:
        name: what it is called, as a sentence begins.
        steps: how many it has; 0 where it has none that can be counted.
        clock: seconds since any moment.
    """

    def __init__(self, name: str, steps: int = 0, clock=time.monotonic):
        self.name, self.steps, self.clock = name, steps, clock
        self.done, self.measured, self.last = 0, "", ""
        self.started, self.first = clock(), None

    def tell(self, done: int, metrics: Mapping[str, float]) -> None:
        """Takes note of how far it is.

        Args:
            done: steps since the start of the stage, in this process or before.
            metrics: by name.
        """
        if self.first is None or done <= self.first[0]:  # pilots tell step 0 as long as they last
            self.first = (done, self.clock())
        self.done = done
        found = [f"{text} {metrics[name]:.3g}" for name, text in _SHOWN.items() if name in metrics]
        self.measured, self.last = ", ".join(found), ", ".join(found[-1:])

    @property
    def seconds_left(self) -> float | None:
        """As the steps of this process tell; None before a twentieth of them were told."""
        if not self.first or self.done - self.first[0] < max(1, self.steps / 20):
            return None
        pace = (self.clock() - self.first[1]) / (self.done - self.first[0])
        return pace * (self.steps - self.done)

    @property
    def line(self) -> str:
        """How far it is, for a log."""
        pilot = self.measured and not self.done  # they tell step 0
        parts = [f"{self.done} of {self.steps} steps" if not pilot else "a pilot"] * bool(
            self.steps
        )
        parts += [self.measured] if self.measured else []
        left = self.seconds_left
        if left:
            parts.append(f"{duration(left)} left")
        elif not self.measured or self.done == self.steps:
            parts.append(duration(self.clock() - self.started))
        return f"{self.name}: {', '.join(parts)}"

    @property
    def short(self) -> str:
        """How far it is, for a bar beside its name; "" where it has no steps."""
        left = self.seconds_left
        parts = [f"{self.done}/{self.steps}", self.last, f"{duration(left)} left" if left else ""]
        return ", ".join(filter(None, parts)) * bool(self.steps)


@contextlib.contextmanager
def stage(name: str, steps: int = 0, heading: str = "") -> Iterator[Stage]:
    """Shows a part of the work while it lasts; parts may be inside of others.

    On a terminal, that is standard error, a bar stays alive; elsewhere a line goes to `logging`
    every `QUIET` seconds, and where a part with steps is over.

    Args:
        name: what it is called, as a sentence begins.
        steps: how many it has; 0 where it has none that can be counted.
        heading: what is told of it before it begins; "" for nothing.

    Yields:
        The `Stage`, to be told how far it is.
    """
    made = Stage(name, steps)
    with contextlib.ExitStack() as stack:
        if not _stages:
            stack.enter_context(_shown())
        _stages.append(made)
        stack.callback(_stages.remove, made)
        if heading:
            logger.info("\n%s", emphasised(f"{name}: {heading}"))
        yield made
        if steps:
            logger.info("%s", made.line)


def emphasised(text: str) -> str:
    """A text in bold where standard error is a terminal, unless `NO_COLOR` is set."""
    plain = os.environ.get("NO_COLOR") or not sys.stderr.isatty()
    return text if plain else f"\x1b[1m{text}\x1b[0m"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, for people."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


@contextlib.contextmanager
def _shown():
    """Keeps showing the stages, by a thread: this one may be in a long call of C."""
    terminal, over = sys.stderr.isatty(), threading.Event()
    with contextlib.ExitStack() as stack:
        show = _Bar(stack).show if terminal else _Lines().show
        thread = threading.Thread(target=_keep_showing, args=(show, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _keep_showing(show, over):
    while not over.wait(0.25):
        if stages := [*_stages]:
            show(stages[-1])


class _Lines:
    """A line of a stage every `QUIET` seconds."""

    def __init__(self):
        self.last = time.monotonic()

    def show(self, stage):
        if time.monotonic() - self.last > QUIET:
            self.last = time.monotonic()
            logger.info("%s", stage.line)


class _Bar:
    """One bar, of the innermost stage."""

    def __init__(self, stack):
        self.progress = stack.enter_context(
            progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(20),
                progress.TextColumn("{task.fields[said]}"),
                progress.TimeElapsedColumn(),
                console=console.Console(stderr=True, width=None if os.isatty(0) else columns()),
                transient=True,
                redirect_stdout=False,  # what libraries print is none of the user's
            )
        )
        self.task, self.stage = self.progress.add_task("", total=None, said=""), None

    def show(self, stage):
        if stage is not self.stage:
            self.stage = stage
            self.progress.reset(self.task, total=stage.steps or None)
        self.progress.update(
            self.task, description=stage.name, completed=stage.done, said=stage.short
        )
