import keras
import pytest

from kegnet_tf import benchmark
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
