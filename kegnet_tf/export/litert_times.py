"""How long LiteRT files take, in turns, so that a drift of the machine meets them alike."""

import pathlib
import time
from collections.abc import Callable, Sequence

from ai_edge_litert.interpreter import Interpreter

# Of one timed call at least, of turns at most, and of all turns together about; ours.
_CALL_SECONDS = 0.004
_TURNS = 25
_SECONDS = 10.0


def latencies(
    paths: Sequence[str | pathlib.Path], clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """Milliseconds of one example on one thread, of each file, at its best turn.

    Through LiteRT's interpreter with XNNPACK, its default, which works in the thread that asks
    where it may use one. So the thread's own processor time counts, not the clock on the wall: a
    busy machine takes the processor away for many times what an example takes. Files are timed in
    turns of some milliseconds each, 25 turns or as many as fit in ten seconds, at least 3, and the
    best one counts: what else a machine does can only add to it.

    Args:
        paths: of `.tflite` files of one example at a time.
        clock: seconds of this thread since any moment.
    """
    calls, counts = [], []
    for path in paths:
        call = invocations(path, 1, 1)
        call()  # sizes what is sized late
        seconds = _timed(call, clock)
        counts.append(max(1, round(_CALL_SECONDS / max(seconds, 1e-9))))
        calls.append(invocations(path, 1, counts[-1]))
    turns, spent = [], 0.0
    while len(turns) <= _TURNS and (len(turns) <= 3 or spent < _SECONDS):
        turns.append([_timed(call, clock) for call in calls])
        spent += sum(turns[-1])
    best = [min(seconds) for seconds in zip(*turns[1:], strict=True)]
    return [1e3 * seconds / count for seconds, count in zip(best, counts, strict=True)]


def invocations(path: str | pathlib.Path, threads: int, count: int) -> Callable[[], None]:
    """Function that runs a file on `count` examples of zeros, which cost what any numbers cost.

    Args:
        path: of a `.tflite` file.
        threads: that LiteRT may use.
        count: examples, one after another.
    """
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()

    def call():
        for _ in range(count):
            interpreter.invoke()

    return call


def _timed(call, clock):
    started = clock()
    call()
    return clock() - started
