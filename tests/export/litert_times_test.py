import itertools
import time

import pytest
from smallest import tiny_teacher

from kegnet_tf import export


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    export.save(tiny_teacher(), folder / "saved", batch=1)
    path = folder / "teacher.tflite"
    path.write_bytes(export.convert(folder / "saved", "litert_float32", None))
    return path


class Clock:
    """Stands for the time: each call is this many seconds after the one before."""

    def __init__(self, steps):
        self.now, self.steps, self.asked = 0.0, iter(steps), 0

    def __call__(self):
        self.asked += 1
        self.now += next(self.steps)
        return self.now


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "xnnpack"), [([0, 0.004, 0, 0.008], True), ([0, 0.008, 0, 0.004], False)]
)
def test_latency_is_that_of_one_example_at_its_best_turn_with_xnnpack_or_without(
    path, last, xnnpack
):
    # A first call of 1 ms asks for four examples a turn, of 8 ms but for one of the tenth, of 4 ms.
    turns = itertools.chain([0, 0.008] * 18, last, itertools.cycle([0, 0.008]))
    steps = itertools.chain([0, 0.001] * 2, turns)
    (speed,) = export.latencies([path], Clock(steps))
    assert speed.milliseconds == pytest.approx(1.0)
    assert speed.xnnpack is xnnpack


@pytest.mark.slow
def test_turns_end_after_ten_seconds_and_three_of_them(path):
    clock = Clock(itertools.cycle([0, 6.0]))
    times = export.latencies([path, path], clock)
    assert [each.milliseconds for each in times] == [6000.0, 6000.0]
    assert clock.asked == 4 * 2 + 4 * 4 * 2  # the first turn does not count


@pytest.mark.slow
def test_files_are_really_run_and_in_the_thread_that_asks(path):
    (speed,) = export.latencies([path])
    (on_the_wall,) = export.latencies([path], time.perf_counter)
    # A thread of LiteRT's own would leave next to nothing here; a busy machine adds on the wall.
    assert 0.0002 < speed.milliseconds < 2 * on_the_wall.milliseconds
    assert speed.threads >= 1
    assert export.latencies([]) == []
