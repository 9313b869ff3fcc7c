import pytest

from kegnet_tf.runs import costs


def linear(fixed, each, log):
    """A clock, and a step that takes `fixed` and `each` row's seconds; its bytes are a thousand."""
    now = [0.0]

    def step(rows):
        log.append(rows)
        now[0] += fixed + each * rows

    def peak(call):
        call()
        now[0] += 100.0  # what it takes to measure memory is no part of a step
        return 1000 * (fixed + each * log[-1])

    return {"step": step, "clocks": [lambda: now[0]], "peak": peak}


@pytest.mark.parametrize(("fixed", "each"), [(0.5, 0.25), (0.0, 1.0), (0.001, 0.0001)])
def test_cost_of_a_step_is_a_line_in_its_rows(fixed, each):
    log = []
    cost = costs.fitted(most=256, **linear(fixed, each, log))
    assert cost.time(256) == pytest.approx(fixed + 256 * each)
    assert cost.memory(64) == pytest.approx(1000 * (fixed + 64 * each))
    assert max(log) == min(max(4, int(2 * costs.SECONDS / (fixed + 2 * each))), 256)


def test_a_measure_that_falls_with_the_rows_counts_by_the_row():
    def step(rows):
        now[0] += 1.0 if rows == 2 else 0.5

    now = [0.0]
    cost = costs.fitted(step, 4, [lambda: now[0]], lambda call: call() or 8.0)
    assert cost.time(8) == 1.0
    assert cost.memory(8) == 16.0


def test_single_rows_are_measured_alone():
    cost = costs.fitted(most=1, **linear(1.0, 1.0, []))
    assert cost.time(1) == 2.0


def test_a_step_beside_other_jobs_costs_the_processor_time_that_it_takes():
    now = [0.0]
    step, wall, processor = (
        lambda rows: now.append(now.pop() + rows),
        lambda: 9 * now[0],
        lambda: now[0],
    )
    cost = costs.fitted(step, 4, [wall, processor], lambda call: call() or 1.0)
    assert cost.time(4) == 4.0
