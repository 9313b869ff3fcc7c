"""Times, each beside a reference in one run: only the ratio means something elsewhere."""

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kegnet_tf import runs

LONGEST = 4.0  # seconds of one comparison, so that a preset takes two minutes; ours


def compare(
    name: str,
    call: Callable[[], object],
    reference_name: str,
    reference: Callable[[], object],
    steps: int,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict:
    """Times two functions in turns, so that a drift of the machine meets both.

    Args:
        name: what `call` is.
        call: function without arguments that does `steps` steps.
        reference_name: what `reference` is.
        reference: function without arguments that does as many steps of what is beside it.
        steps: in one call of either.
        repeats: counted calls of each, after one that is not; fewer where they take longer than
            `LONGEST`, but three at least.
        clock: seconds since any moment.

    Returns:
        {"name", "reference", "milliseconds", "reference_milliseconds", "ratio", "spread", "cores",
        "versions"}: medians for one step, their ratio, and the least and the largest ratio of two
        neighbouring calls.
    """
    with runs.progress.stage(f"{name}, beside {reference_name}", repeats + 1) as stage:
        seconds = turns((call, reference), repeats, clock, LONGEST, stage.tell)
        stage.steps = len(seconds) + 1
    ours, theirs = zip(*seconds, strict=True)
    ratios = [a / b for a, b in seconds]
    return {
        "name": name,
        "reference": reference_name,
        "milliseconds": 1e3 * statistics.median(ours) / steps,
        "reference_milliseconds": 1e3 * statistics.median(theirs) / steps,
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        **machine(),
    }


def turns(
    calls: Sequence[Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
    longest: float = math.inf,
    told: Callable[[int, dict], object] = lambda done, metrics: None,
) -> list[list[float]]:
    """Seconds of each call, [repeat][call], one after another and after a turn that is not counted.

    Args:
        calls: functions without arguments.
        repeats: counted turns.
        clock: seconds since any moment.
        longest: seconds that counted turns take after which no further one begins, but for the
            first three.
        told: function that hears how many turns are done, and {}.
    """
    seconds = []
    while len(seconds) <= min(repeats, 3) or (
        len(seconds) <= repeats and sum(map(sum, seconds[1:])) < longest
    ):
        turn = []
        for call in calls:
            started = clock()
            call()
            turn.append(clock() - started)
        seconds.append(turn)
        told(len(seconds), {})
    return seconds[1:]


def executed(trainer: keras.Model, data: tf.data.Dataset) -> Callable[[], object]:
    """A function that trains for the trainer's `steps_per_execution` steps, in one execution.

    Args:
        trainer: a compiled model.
        data: endless batches.
    """
    trainer.make_train_function()
    batches = iter(data)
    return lambda: trainer.train_function(batches)


def cores() -> int:
    """Cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")  # on Linux alone
    return len(os.sched_getaffinity(0)) if known else os.cpu_count()


def machine() -> dict:
    """What a time depends on beside the code: {"cores", "versions"}."""
    return {"cores": cores(), "versions": runs.versions()}
