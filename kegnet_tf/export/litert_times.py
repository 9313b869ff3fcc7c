"""How long LiteRT files take, in turns, so that a drift of the machine meets them alike."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence

import psutil
from ai_edge_litert.interpreter import Interpreter, OpResolverType

# Of one timed call at least, of turns at most, and of all turns together about; ours.
_CALL_SECONDS = 0.004
_TURNS = 25
_SECONDS = 10.0
# What several threads must save of the time on the wall to be named; ours: clocks differ by less.
_THREADS_SAVE = 0.8
# What a file must take for threads to be worth it: handing work out costs some hundredths; ours.
_THREADS_FROM = 0.1  # milliseconds


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a file is, and how it is run so fast.

    Attributes:
        milliseconds: of one example on one thread, by its own processor time.
        xnnpack: whether that is with XNNPACK, LiteRT's default, or by LiteRT's own kernels.
        threads: all that the machine has where they save a fifth of the time on the wall, and that
            is a tenth of a millisecond at least; else 1.
    """

    milliseconds: float
    xnnpack: bool = True
    threads: int = 1


def latencies(
    paths: Sequence[str | pathlib.Path], clock: Callable[[], float] = time.thread_time
) -> list[Speed]:
    """How fast each file answers one example, with XNNPACK or without, whichever is faster.

    LiteRT works in the thread that asks where it may use one. So the thread's own processor time
    counts, not the clock on the wall: a busy machine takes the processor away for many times what
    an example takes. Files are timed in turns of some milliseconds each, 25 turns or as many as fit
    in ten seconds, at least 3, and the best one counts: what else a machine does can only add to
    it. Whether several threads are worth it is the clock's on the wall to say, in turns as well.

    Args:
        paths: of `.tflite` files of one example at a time.
        clock: seconds of this thread since any moment.
    """
    ways = [(path, xnnpack) for path in paths for xnnpack in (True, False)]
    times = _best([(path, 1, xnnpack) for path, xnnpack in ways], clock)
    found = []
    for index, path in enumerate(paths):
        milliseconds, without = times[2 * index : 2 * index + 2]
        xnnpack = milliseconds <= without
        found.append((path, min(milliseconds, without), xnnpack))
    threads = psutil.cpu_count() or 1
    if threads == 1:
        return [Speed(milliseconds, xnnpack) for _, milliseconds, xnnpack in found]
    several = [(path, each, xnnpack) for path, _, xnnpack in found for each in (1, threads)]
    walls = _best(several, time.perf_counter)
    return [
        Speed(milliseconds, xnnpack, threads if many < _THREADS_SAVE * one else 1)
        for (_, milliseconds, xnnpack), one, many in zip(
            found, walls[::2], walls[1::2], strict=True
        )
    ]


def _best(ways, clock):
    """Milliseconds of one example of each (path, threads, xnnpack), at its best turn."""
    calls, counts = [], []
    for path, threads, xnnpack in ways:
        call = invocations(path, threads, 1, xnnpack)
        call()  # sizes what is sized late
        seconds = _timed(call, clock)
        counts.append(max(1, round(_CALL_SECONDS / max(seconds, 1e-9))))
        calls.append(invocations(path, threads, counts[-1], xnnpack))
    turns, spent = [], 0.0
    while len(turns) <= _TURNS and (len(turns) <= 3 or spent < _SECONDS):
        turns.append([_timed(call, clock) for call in calls])
        spent += sum(turns[-1])
    best = [min(seconds) for seconds in zip(*turns[1:], strict=True)]
    return [1e3 * seconds / count for seconds, count in zip(best, counts, strict=True)]


def invocations(
    path: str | pathlib.Path, threads: int, count: int, xnnpack: bool = True
) -> Callable[[], None]:
    """Function that runs a file on `count` examples of zeros, which cost what any numbers cost.

    Args:
        path: of a `.tflite` file.
        threads: that LiteRT may use.
        count: examples, one after another.
        xnnpack: whether it may use XNNPACK, its default.
    """
    kernels = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), num_threads=threads, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()

    def call():
        for _ in range(count):
            interpreter.invoke()

    return call


def _timed(call, clock):
    started = clock()
    call()
    return clock() - started
