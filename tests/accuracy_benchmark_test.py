import numpy as np
import pytest

from kegnet_tf import accuracy_benchmark, paper, pipeline
from kegnet_tf.configs import mnist


@pytest.fixture
def config(monkeypatch):
    """MNIST's preset at its very shortest, and test data of which nothing can be said."""
    x = np.random.default_rng(0).normal(size=(20, 32, 32, 1)).astype(np.float32)
    monkeypatch.setattr(pipeline, "real_data", lambda *_: (x, np.arange(20) % 10))
    config = mnist.get_config("quick")
    config.update(num_generators=1, held_out=8, batch_size=8, keep_unrecognised=True)
    config.extraction.update(epochs=1, steps_per_epoch=1, batch_size=8)
    config.distillation.update(epochs=3, steps_per_epoch=1)
    return config


@pytest.fixture
def steps(monkeypatch):
    """Plain steps that take a second and a tenth of one."""
    times = {"generator": 1000.0, "student": 100.0}
    monkeypatch.setattr(accuracy_benchmark, "_authors_steps", lambda *_: times)


def test_clock_stops_at_the_first_epoch_that_is_good_enough(config, steps):
    row = accuracy_benchmark.time_to_accuracy(config, 0.0, "student2", steps=1, repeats=1)
    assert row["student"] == "student2"
    assert 0 < row["extraction_minutes"] < row["minutes"]
    assert row["reference_minutes"] == pytest.approx((100_000 + 50_000 / 10) / 60)
    assert row["ratio"] == pytest.approx(row["reference_minutes"] / row["minutes"])


@pytest.mark.slow
def test_accuracy_that_is_not_reached_has_no_time(config, steps):
    row = accuracy_benchmark.time_to_accuracy(config, 1.0, steps=1, repeats=1)
    assert (row["minutes"], row["ratio"]) == (None, None)
    assert 0 <= row["reached"] < 1


@pytest.mark.slow
def test_plain_steps_are_timed(config):
    row = accuracy_benchmark.time_to_accuracy(config, 0.0, steps=1, repeats=1)
    assert row["generator_milliseconds"] > row["student_milliseconds"] > 0


def test_test_data_and_a_known_student_are_needed(config, monkeypatch):
    with pytest.raises(ValueError, match="`students` must be among student1.*'other'"):
        accuracy_benchmark.time_to_accuracy(config, 0.9, "other", steps=1, repeats=1)
    monkeypatch.setattr(pipeline, "real_data", lambda *_: None)
    with pytest.raises(ValueError, match="`accuracy` must come with test data"):
        accuracy_benchmark.time_to_accuracy(config, 0.9, steps=1, repeats=1)


def test_least_budget_is_that_of_five_generators_and_a_hundred_epochs():
    assert paper.least_steps("mnist") == {"generator": 100_000, "student": 50_000}
