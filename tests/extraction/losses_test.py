import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from kegnet_tf.extraction import losses


def naive_diversity(z, x, distance):
    """Equation 10 as it is written, pair by pair."""
    power = {"l1": 1, "l2": 2}[distance]
    x = x.reshape(len(x), -1)
    latent = np.mean((z[:, None] - z[None]) ** 2, axis=-1)
    data = np.mean(np.abs(x[:, None] - x[None]) ** power, axis=-1)
    return np.exp(-np.mean(latent * data))


def test_classifier_loss_of_indifferent_logits_is_the_logarithm_of_the_classes():
    assert_allclose(losses.classifier_loss(np.eye(3), np.zeros((3, 3))), np.log(3), rtol=1e-6)


def test_decoder_loss_averages_over_batch_and_dimensions():
    z = np.zeros((2, 2))
    decoded = np.array([[1.0, 1.0], [3.0, 1.0]])
    assert_allclose(losses.decoder_loss(z, decoded), (1 + 1 + 9 + 1) / 4)


def test_diversity_loss_weighs_data_distance_by_latent_distance():
    z = np.array([[0.0], [1.0]])  # squared distance 1
    x = np.array([[0.0, 0.0], [2.0, 4.0]])  # mean absolute distance 3, mean squared distance 10
    # Pairs (0, 0) and (1, 1) give 0, the two mixed ones give 1 * 3 or 1 * 10 each.
    assert_allclose(losses.diversity_loss(z, x), np.exp(-6 / 4), rtol=1e-6)
    assert_allclose(losses.diversity_loss(z, x, "l2"), np.exp(-20 / 4), rtol=1e-6)


def test_diversity_loss_is_one_where_every_x_is_the_same():
    z = np.random.default_rng(0).normal(size=(4, 3))
    for distance in ("l1", "l2"):
        assert_allclose(losses.diversity_loss(z, np.ones((4, 5)), distance), 1.0, rtol=1e-6)


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("shape", [(8, 5), (7, 4, 4, 2)])
def test_diversity_loss_equals_the_sum_over_pairs(distance, shape):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(shape[0], 3))
    x = np.round(rng.normal(size=shape), 1)  # rounded: ties must count as well
    assert_allclose(
        losses.diversity_loss(z, x, distance), naive_diversity(z, x, distance), rtol=1e-6
    )


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_diversity_gradient_equals_the_difference_quotient(distance):
    rng = np.random.default_rng(2)
    z, x = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = losses.diversity_loss(z, variable, distance)
    gradient = tape.gradient(loss, variable).numpy()
    step = 1e-6
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += step
        quotient = (naive_diversity(z, moved, distance) - naive_diversity(z, x, distance)) / step
        assert_allclose(gradient[index], quotient, atol=1e-5)


def test_diversity_loss_refuses_an_unknown_distance():
    with pytest.raises(ValueError, match="`distance` must be 'l1' or 'l2'. Received: 'cosine'"):
        losses.diversity_loss(np.zeros((2, 1)), np.zeros((2, 1)), "cosine")


def test_statistics_loss_is_0_where_the_moments_are_the_moving_ones_and_else_in_deviations():
    x = np.array([[0.0, 1.0], [4.0, 1.0]], np.float32)  # means 2 and 1, deviations 2 and 0
    same = losses.statistics_loss([x[:, :1]], [np.array([2.0])], [np.array([4.0])])
    assert_allclose(same, 0.0, atol=1e-6)
    # Channel 1: shift of 1 deviation, half of the deviation: 1 + 1/4. Channel 2: (1 - 0) / 2
    # squared, and no deviation at all: 1/4 + 1.
    other = losses.statistics_loss([x], [np.array([6.0, 0.0])], [np.array([16.0, 4.0])])
    assert_allclose(other, (1.25 + 1.25) / 2, rtol=1e-3)


def test_statistics_loss_averages_over_layers():
    x = np.ones((4, 2, 2, 1), np.float32)
    moments = [np.array([1.0]), np.array([3.0])], [np.array([1.0]), np.array([4.0])]
    # First layer: no shift, no deviation: 1. Second: one deviation of 2 away: 1 + 1.
    assert_allclose(losses.statistics_loss([x, x], *moments), 1.5, rtol=1e-3)


def test_statistics_loss_of_a_constant_channel_has_a_finite_gradient():
    x = tf.ones((4, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = losses.statistics_loss([x], [np.array([0.0])], [np.array([1.0])])
    assert np.isfinite(tape.gradient(loss, x)).all()


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 3)])
def test_statistics_and_their_gradient_are_those_of_moments_taken_in_several_passes(shape):
    x = np.random.default_rng(3).normal(2.0, 1.5, shape)
    mean, variance = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 0.5])
    axes = tuple(range(len(shape) - 1))

    def plain(x):
        own_mean, own_variance = tf.nn.moments(x, axes)
        shift = tf.square(own_mean - mean) / variance
        return tf.reduce_mean(shift + tf.square(tf.sqrt((own_variance + 1e-8) / variance) - 1.0))

    values, gradients = [], []
    for loss in (lambda x: losses.statistics_loss([x], [mean], [variance]), plain):
        with tf.GradientTape() as tape:
            tape.watch(variable := tf.constant(x))
            values.append(loss(variable))
        gradients.append(tape.gradient(values[-1], variable))
    assert_allclose(*values, rtol=1e-9)
    assert_allclose(*gradients, rtol=1e-7, atol=1e-12)
