import keras
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from kegnet_tf import extraction
from kegnet_tf.experiments import generator_benchmark
from kegnet_tf.extraction import ExtractionSettings


def models(count):
    """A classifier of four features into 3 classes, generators and decoders for it."""
    return (
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
        [extraction.DenseGenerator(4, 3, units=(5,), seed=seed) for seed in range(count)],
        [extraction.Decoder((4,), units=5, seed=seed) for seed in range(count)],
    )


@pytest.mark.slow
def test_generator_step_is_timed_beside_its_passes():
    teacher, (generator,), (decoder,) = models(1)
    settings = ExtractionSettings(beta=1.0, batch_size=4)
    given = teacher, generator, decoder, settings
    row = generator_benchmark.generator_step(*given, steps=2, repeats=1)
    assert row["milliseconds"] > 0
    assert row["reference_milliseconds"] > 0
    assert row["passes_ratio"] > 0 < row["passes_milliseconds"]
    assert (row["batch_size"], row["beta"], row["distance"]) == (4, 1.0, "l1")


@pytest.mark.slow
def test_generators_together_are_timed_beside_plain_loops():
    settings = ExtractionSettings(batch_size=4)
    row = generator_benchmark.generators_together(*models(2), settings, steps=2, repeats=1)
    assert row["milliseconds"] > 0
    assert row["reference_milliseconds"] > 0
    assert (row["generators"], row["batch_size"], row["jit_compile"]) == (2, 4, False)


@pytest.mark.parametrize("distance", extraction.DISTANCES)
def test_all_pairs_at_once_are_the_diversity_loss(distance):
    z, x = tf.random.stateless_normal((5, 2), (0, 0)), tf.random.stateless_normal((5, 3, 2), (0, 1))
    assert_allclose(
        generator_benchmark.pairwise_diversity(z, x, distance),
        extraction.diversity_loss(z, x, distance),
        rtol=1e-5,
    )


@pytest.mark.slow
def test_all_pairs_at_once_take_the_memory_of_all_pairs():
    settings = ExtractionSettings(batch_size=128)
    row = generator_benchmark.diversity((1024,), 2, settings, steps=1, repeats=1)
    assert row["reference_memory"] > 4 * 128 * 128 * 1024 > row["memory"]
