import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.extraction import latents


def same(batch, other):
    return all(np.array_equal(a, b) for a, b in zip(batch, other, strict=True))


def sample(seed, step, labels="onehot"):
    return latents.sample(seed, tf.constant(step, tf.int64), 4, 3, 2, labels)


def first(stream, count):
    return list(stream.take(count).as_numpy_iterator())


@pytest.mark.parametrize("labels", ["onehot", "uniform"])
def test_same_seed_and_step_give_the_same_bytes(labels):
    y, z = sample(7, 3, labels)
    assert y.shape == (4, 3)
    assert z.shape == (4, 2)
    assert y.dtype == z.dtype == tf.float32
    assert same(sample(7, 3, labels), (y, z))


def test_step_means_the_same_as_an_integer_and_as_a_tensor():
    assert same(latents.sample(7, 3, 4, 3, 2, "onehot"), sample(7, 3))


@pytest.mark.parametrize(("seed", "step"), [(7, 4), (8, 3)])
def test_another_step_or_seed_gives_another_batch(seed, step):
    y, z = sample(7, 3, "uniform")
    other_y, other_z = sample(seed, step, "uniform")
    assert not np.intersect1d(y, other_y).size
    assert not np.intersect1d(z, other_z).size


def test_labels_and_latents_are_drawn_apart():
    # Were both drawn from one seed, Box and Muller's radius of z would follow from y.
    y, z = latents.sample(0, 0, 2000, 2, 2, "uniform")
    radius = np.sum(np.square(z), axis=1)
    correlation = np.corrcoef(radius, y, rowvar=False)[0, 1:]
    assert_allclose(correlation, 0, atol=0.12)  # 5 deviations of 1 / sqrt(2000)


def test_onehot_labels_hold_one_class_each_and_all_classes_equally_often():
    y, _ = latents.sample(0, 0, 3000, 3, 1, "onehot")
    assert_array_equal(np.sum(y, axis=1), np.ones(3000))
    assert set(np.unique(y)) == {0.0, 1.0}
    # 1,000 of each class, give or take 5 binomial deviations of sqrt(3000 * 1/3 * 2/3) = 26.
    assert_allclose(np.sum(y, axis=0), 1000, atol=130)


def test_uniform_labels_fill_the_unit_interval_and_are_not_normalised():
    y, _ = latents.sample(0, 0, 1000, 3, 1, "uniform")
    assert np.min(y) >= 0.0
    assert np.max(y) < 1.0
    assert_allclose(np.quantile(y, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.05)
    assert np.std(np.sum(y, axis=1)) > 0.4  # sqrt(3 / 12) = 0.5


def test_latents_are_standard_normal():
    _, z = latents.sample(0, 0, 4000, 3, 2, "onehot")
    assert_allclose(np.mean(z, axis=0), 0, atol=0.08)  # 5 deviations of 1 / sqrt(4000)
    assert_allclose(np.cov(z, rowvar=False), np.eye(2), atol=0.12)


def test_stream_is_the_samples_in_order():
    batches = first(latents.stream(5, 4, 3, 2), 3)
    for step, batch in enumerate(batches):
        assert same(batch, sample(5, step))


@pytest.mark.parametrize("labels", ["onehot", "uniform"])
def test_stream_from_a_start_equals_the_stream_with_that_many_batches_skipped(labels):
    whole = first(latents.stream(5, 4, 3, 2, labels), 5)
    late = first(latents.stream(5, 4, 3, 2, labels, start=3), 2)
    for batch, expected in zip(late, whole[3:], strict=True):
        assert same(batch, expected)


def test_unknown_law_of_labels_is_refused():
    with pytest.raises(ValueError, match="`labels` must be one of onehot, uniform. Received: 'on'"):
        latents.sample(0, 0, 4, 3, 2, "on")
    with pytest.raises(ValueError, match="`labels` must be one of onehot, uniform. Received: 'on'"):
        latents.stream(0, 4, 3, 2, "on")


def test_derived_seeds_differ_by_seed_stage_and_index():
    asked = [
        (seed, stage, index)
        for seed in range(3)
        for stage in ("extraction", "synthesis")
        for index in range(5)
    ]
    seeds = [latents.derive_seed(*arguments) for arguments in asked]
    assert len(set(seeds)) == len(asked)
    assert seeds == [latents.derive_seed(*arguments) for arguments in asked]
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_derived_seed_without_index_differs_from_the_first_index():
    assert latents.derive_seed(0, "extraction") != latents.derive_seed(0, "extraction", 0)


@pytest.mark.parametrize("labels", ["onehot", "uniform"])
def test_class_prior_tells_how_often_each_class_is_the_largest(labels):
    prior = [0.5, 0.3, 0.2, 0.0]
    y, _ = latents.sample(0, 0, 4000, 4, 2, labels, class_prior=[5 * p for p in prior])
    shares = np.bincount(np.argmax(y, axis=1), minlength=4) / 4000
    assert_allclose(shares, prior, atol=0.03)  # four deviations
    assert np.all((y >= 0) & (y <= 1))


def test_equal_class_prior_leaves_the_uniform_law_as_it_is():
    plain, _ = latents.sample(0, 0, 8, 4, 2, "uniform")
    equal, _ = latents.sample(0, 0, 8, 4, 2, "uniform", class_prior=(0.25,) * 4)
    assert_allclose(plain, equal, rtol=1e-6)


@pytest.mark.parametrize(
    "prior",
    [
        (1.0, 1.0),
        (0.5, 0.6, -0.1),
        (0.0,) * 3,
        (1.0, 1.0, np.nan),
        (1.0, np.inf, 1.0),
        (True, 1.0, 1.0),
        ("a", 1.0, 1.0),
        (1e-60,) * 3,
    ],
)
def test_class_prior_that_is_no_law_of_the_classes_is_refused(prior):
    with pytest.raises(ValueError, match="`class_prior` must hold 3 shares, 0 or more, not all 0"):
        latents.sample(0, 0, 8, 3, 2, "onehot", class_prior=prior)
