import keras
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from kegnet_tf import benchmark, losses
from kegnet_tf.configs import letter
from kegnet_tf.networks.decoder import Decoder
from kegnet_tf.networks.generators import DenseGenerator, ImageGenerator


def test_compare_reports_medians_of_one_step_and_their_ratio(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock[0])

    def takes(*seconds):
        durations = iter(seconds)
        return lambda: clock.__setitem__(0, clock[0] + next(durations))

    # The first call of each does not count; two steps in a call.
    row = benchmark.compare("a", takes(9, 2, 8, 4), "b", takes(9, 2, 2, 2), steps=2, repeats=3)
    assert (row["milliseconds"], row["reference_milliseconds"]) == (2000, 1000)
    assert (row["ratio"], row["spread"]) == (2, [1, 4])
    assert (row["name"], row["reference"]) == ("a", "b")


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_generator_step_is_timed_beside_its_passes(beta):
    teacher = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    settings = {"alpha": 1.0, "beta": beta, "distance": "l1", "batch_size": 4}
    row = benchmark.generator_step(
        teacher,
        ImageGenerator((8, 8, 1), 3, units=(4,), filters=(2,), seed=0),
        Decoder((8, 8, 1), units=4, seed=0),
        jit_compile=False,
        steps=2,
        repeats=1,
        **settings,
    )
    assert row["milliseconds"] > 0
    assert row["reference_milliseconds"] > 0
    assert (row["batch_size"], row["beta"]) == (4, beta)


def test_generators_together_are_timed_beside_plain_loops():
    row = benchmark.generators_together(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
        [DenseGenerator(4, 3, units=(5,), seed=seed) for seed in range(2)],
        [Decoder((4,), units=5, seed=seed) for seed in range(2)],
        alpha=1.0,
        beta=0.0,
        distance="l1",
        batch_size=4,
        jit_compile=False,
        steps=2,
        repeats=1,
    )
    assert row["milliseconds"] > 0
    assert row["reference_milliseconds"] > 0
    assert (row["generators"], row["batch_size"], row["jit_compile"]) == (2, 4, False)


@pytest.mark.parametrize("distance", losses.DISTANCES)
def test_all_pairs_at_once_are_the_diversity_loss(distance):
    z, x = tf.random.stateless_normal((5, 2), (0, 0)), tf.random.stateless_normal((5, 3, 2), (0, 1))
    assert_allclose(
        benchmark.pairwise_diversity(z, x, distance),
        losses.diversity_loss(z, x, distance),
        rtol=1e-5,
    )


def test_all_pairs_at_once_take_the_memory_of_all_pairs():
    settings = {"batch_size": 256, "distance": "l1"}
    row = benchmark.diversity((1024,), 2, settings, steps=1, repeats=1)
    assert row["reference_memory"] > 4 * 256 * 256 * 1024 > row["memory"]


@pytest.mark.slow
def test_each_student_is_timed_on_one_batch_and_on_fresh_ones():
    config = letter.get_config("quick")
    config.update(num_generators=2, batch_size=4)
    config.extraction.update(batch_size=4, jit_compile=False)
    rows = benchmark.training_steps(config, 1, 1)
    assert [row["name"] for row in rows] == [
        "generator step",
        "generator step, XLA",
        "diversity loss",
        "generators together",
        "student step, fresh data",
        "student step, student",
    ]
    assert all(row["milliseconds"] > 0 < row["reference_milliseconds"] for row in rows)
    assert {row["batch_size"] for row in rows} == {4}
