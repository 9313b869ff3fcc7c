import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.synthesis import dead_leaves
from kegnet_tf.synthesis.draws import Draws


def images(seed=0, step=0, size=8, channels=3):
    return dead_leaves.dead_leaves(Draws(seed, step, size), 24, 16, channels).numpy()


@pytest.mark.slow
def test_same_seed_and_step_give_the_same_leaves_and_others_others():
    assert_array_equal(images(1, 2), images(1, 2))
    for other in (images(1, 3), images(2, 2)):
        assert np.abs(other - images(1, 2)).mean() > 0.1


def test_leaves_differ_between_images_and_between_channels():
    x = images()
    assert np.isfinite(x).all()
    assert len(np.unique(x.reshape(8, -1), axis=0)) == 8
    assert np.abs(x[..., 0] - x[..., 1]).mean() > 0.1


def test_leaves_of_one_channel_have_one_light():
    assert images(channels=1).shape == (8, 24, 16, 1)


def test_radii_follow_the_power_law_and_half_of_the_images_have_large_ones_below():
    radii = dead_leaves._radii(Draws(0, 0, 4000)).numpy()
    smallest = dead_leaves.SMALLEST
    assert radii.min() >= smallest * (1 - 1e-5)
    assert radii.max() <= 1 + 1e-5
    # The share below r of the density r^-3 between s and 1: (s^-2 - r^-2) / (s^-2 - 1).
    below = (smallest**-2 - 0.2**-2) / (smallest**-2 - 1)
    assert_allclose(np.mean(radii < 0.2), below, atol=0.01)
    descending = np.mean(np.all(np.diff(radii, axis=1) <= 0, axis=1))
    assert_allclose(descending, 0.5, atol=0.03)


def test_noise_has_more_of_its_power_at_low_frequencies():
    noise = dead_leaves.power_law(Draws(0, 0, 256), 32, 32).numpy()
    assert_allclose(noise.mean((1, 2)), 0, atol=1e-5)
    assert_allclose(noise.std((1, 2)), 1, atol=1e-3)
    power = np.mean(np.abs(np.fft.rfft2(noise)) ** 2, axis=0)
    # Density per frequency falls by 4^a between 2 and 8 periods a side; a is 2 in the middle.
    assert power[0, 2] > 4 * power[0, 8]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 8), (9, 15)])
def test_odd_sides_are_drawn_in_a_graph_too(shape):
    draw = tf.function(lambda step: dead_leaves.dead_leaves(Draws(0, step, 2), *shape, 3))
    assert draw(tf.constant(0)).shape == (2, *shape, 3)
