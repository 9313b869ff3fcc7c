import types

import numpy as np
import pytest
from smallest import tiny_config, tiny_teacher

from kegnet_tf import experiments, runs
from kegnet_tf.configs import mnist
from kegnet_tf.experiments import accuracy_benchmark
from kegnet_tf.experiments.accuracy_benchmark import Reached


@pytest.fixture
def options(tmp_path):
    """Test data of which nothing can be said, by the side of their images."""

    def options(side):
        x = np.random.default_rng(0).normal(size=(20, side, side, 1)).astype(np.float32)
        np.savez(tmp_path / "test.npz", x=x, y=np.arange(20) % 3)
        return runs.DataOptions(str(tmp_path / "test.npz"))

    return options


def test_authors_least_budget_stands_beside_a_run_in_plain_steps():
    # A second and a tenth of one for a step.
    plain, steps = {"generator": 1000.0, "student": 100.0}, {"generator": 60, "student": 1200}
    row = accuracy_benchmark.beside_authors(Reached(0.9, 0.5, 1.5), plain, steps)
    assert (row["minutes"], row["reference_minutes"], row["ratio"]) == (1.5, 3.0, 2.0)
    assert (row["extraction_minutes"], row["reached"]) == (0.5, 0.9)
    assert (row["generator_milliseconds"], row["student_milliseconds"]) == (1000.0, 100.0)


def test_accuracy_that_is_not_reached_has_no_time():
    plain = {"generator": 1.0, "student": 1.0}
    row = accuracy_benchmark.beside_authors(Reached(0.9, 0.5, None), plain, plain)
    assert (row["minutes"], row["ratio"]) == (None, None)


class StubRun:
    """Stands for a run: its student is right in no, half and all of four examples, by epoch."""

    initial, generators = {"student": None}, []
    config = types.SimpleNamespace(source="kegnet")
    real = types.SimpleNamespace(test=(np.zeros((4, 1)), np.array([0, 0, 0, 0])))

    def train_student(self, name, arm, seed, *, callbacks):
        answers = iter([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
        student = types.SimpleNamespace(predict_on_batch=lambda x: np.eye(2)[next(answers)])
        model = types.SimpleNamespace(student=student, stop_training=False)
        (watch,) = callbacks
        watch.set_model(model)
        for self.epoch in range(3):
            watch.on_epoch_end(self.epoch)
            if model.stop_training:
                break


@pytest.mark.parametrize(("accuracy", "epoch"), [(0.0, 0), (0.5, 1), (0.9, 2)])
def test_clock_stops_at_the_first_epoch_that_is_good_enough(accuracy, epoch):
    run = StubRun()
    reached = accuracy_benchmark.reach(run, "student", accuracy)
    assert (run.epoch, reached.accuracy) == (epoch, epoch / 2)
    assert 0 < reached.extraction_minutes < reached.minutes


def test_clock_does_not_stop_below_the_accuracy():
    reached = accuracy_benchmark.reach(StubRun(), "student", 1.1)
    assert (reached.accuracy, reached.minutes) == (1.0, None)


def test_test_data_and_a_known_student_are_needed(tmp_path, options):
    given = mnist.get_config("quick"), 0.9
    with pytest.raises(ValueError, match="`students` must be among student1.*'other'"):
        experiments.time_to_accuracy(*given, "other", steps=1, repeats=1, data=options(32))
    run = runs.Run(tiny_config(), tmp_path, teacher=tiny_teacher())
    with pytest.raises(ValueError, match="`accuracy` must come with test data"):
        accuracy_benchmark.reach(run, "student", 0.9)


@pytest.mark.slow
def test_preset_is_timed_beside_its_authors(options):
    config = tiny_config(mnist, num_generators=1, held_out=8)
    row = experiments.time_to_accuracy(
        config, 0.0, "student2", steps=1, repeats=1, data=options(32)
    )
    assert (row["student"], row["accuracy"]) == ("student2", 0.0)
    assert 0 < row["extraction_minutes"] < row["minutes"]
    assert row["generator_milliseconds"] > row["student_milliseconds"] > 0
    assert row["ratio"] == pytest.approx(row["reference_minutes"] / row["minutes"])
