import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import synthesis

COLOUR = {"image_shape": (16, 12, 3), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.3)}
PAPER = {"image_shape": (16, 16, 1), "mean": (0.13,), "std": (0.31,)}


def pixels(image_shape, mean, std, size=256, seed=0):
    x = synthesis.images(seed, 0, size, image_shape, mean, std).numpy()
    assert x.shape == (size, *image_shape)
    return x


@pytest.mark.parametrize("law", [COLOUR, PAPER])
def test_pixels_stay_in_the_known_range_and_near_the_known_mean_and_deviation(law):
    x = pixels(**law)
    assert x.min() >= -1e-6
    assert x.max() <= 1 + 1e-6
    # Clipping moves both; without the prior they would be anything in [0, 1].
    assert_allclose(x.mean((0, 1, 2)), law["mean"], atol=0.1)
    assert_allclose(x.std((0, 1, 2)), law["std"], atol=0.1)


def test_images_differ_from_each_other_and_between_channels():
    x = pixels(**COLOUR, size=32)
    assert len(np.unique(x.reshape(32, -1), axis=0)) == 32
    assert np.abs(x[..., 0] - x[..., 1]).mean() > 0.02


def test_images_are_smoother_than_noise():
    x = pixels(**PAPER)
    steps = np.diff(x, axis=1)
    assert np.mean(steps**2) < 0.5 * 2 * x.var()  # independent pixels would have 2 variances


@pytest.mark.slow
def test_same_seed_and_step_give_the_same_bytes_in_a_graph_too():
    draw = tf.function(lambda step: synthesis.images(3, step, 4, (8, 8, 1)))
    assert_array_equal(draw(tf.constant(5)), draw(tf.constant(5)))
    assert_allclose(draw(tf.constant(5)), synthesis.images(3, 5, 4, (8, 8, 1)), atol=1e-4)
    assert not np.array_equal(draw(tf.constant(5)), draw(tf.constant(6)))


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_black_and_white_means_do_not_break_the_images(mean):
    assert np.isfinite(synthesis.images(0, 0, 8, (8, 8, 1), mean, 0.1)).all()


def test_large_pictures_are_small_ones_enlarged():
    small, large = (synthesis.images(0, 0, 4, (*size, 3)) for size in ((54, 32), (160, 96)))
    assert large.shape == (4, 160, 96, 3)
    reduced = tf.image.resize(large, (54, 32), "area")
    for one, other in zip(small.numpy(), reduced.numpy(), strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95


def test_half_of_the_images_in_colour_have_the_edges_of_dead_leaves():
    def edges(image_shape):
        x = pixels(image_shape, 0.5, 0.25)
        steep = np.abs(np.diff(x, axis=1)).mean((1, 2, 3)) / (x.std((1, 2, 3)) + 0.01)
        return np.split(steep, 2)

    shapes, leaves = edges((32, 32, 3))
    assert np.mean(leaves) > 1.5 * np.mean(shapes)
    first, second = edges((32, 32, 1))
    assert_allclose(np.mean(first), np.mean(second), rtol=0.2)
