"""Times, each beside a reference in one run: only the ratio means something elsewhere."""

import os
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kegnet_tf import runs


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
        repeats: counted calls of each, after one that is not.
        clock: seconds since any moment.

    Returns:
        {"name", "reference", "milliseconds", "reference_milliseconds", "ratio", "spread", "cores",
        "versions"}: medians for one step, their ratio, and the least and the largest ratio of two
        neighbouring calls.
    """
    seconds = turns((call, reference), repeats, clock)
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
) -> list[list[float]]:
    """Seconds of each call, [repeat][call], one after another and after a turn that is not counted.

    Args:
        calls: functions without arguments.
        repeats: counted turns.
        clock: seconds since any moment.
    """
    seconds = []
    for _ in range(repeats + 1):
        turn = []
        for call in calls:
            started = clock()
            call()
            turn.append(clock() - started)
        seconds.append(turn)
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
    return len(os.sched_getaffinity(0))


def machine() -> dict:
    """What a time depends on beside the code: {"cores", "versions"}."""
    return {"cores": cores(), "versions": runs.versions()}
