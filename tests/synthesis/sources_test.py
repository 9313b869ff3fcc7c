import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_generator

from kegnet_tf import teachers
from kegnet_tf.extraction import DenseGenerator
from kegnet_tf.synthesis import Source

MIXTURE = {"kegnet": 1.0, "procedural": 3.0}
TABLE = MIXTURE, {"kegnet": 1.0, "heavy_tailed": 3.0}


class Constant:
    """Stands for a generator: answers every (y, z) with one value."""

    num_classes = 3
    latent_dim = 2

    def __init__(self, value):
        self.value = value

    def __call__(self, inputs, training=None):
        assert training is False
        return tf.fill([tf.shape(inputs[1])[0], 3], self.value)


class Echo(Constant):
    """Stands for a generator: answers with y itself."""

    def __call__(self, inputs, training=None):
        return inputs[0]


@pytest.fixture
def classifier():
    """Classifier of vectors of 3 features into 3 classes."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])


def batches(source, count, batch_size=4, size=0):
    stream = source.stream(batch_size, seed=0, size=size)
    return list(stream.take(count).as_numpy_iterator())


def ordered(x):
    return x[np.lexsort(x.reshape(len(x), -1).T)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_generators_answer_in_equal_shares_and_mixed(classifier, count):
    generators = [Constant(float(value)) for value in range(count)]
    x = np.stack([x for x, _ in batches(Source(classifier, "kegnet", generators), 8 * count)])
    # They take turns, from one batch of 4 into the next.
    assert x[..., 0].ravel().tolist() == list(range(count)) * 32


@pytest.mark.slow
@pytest.mark.parametrize("size", [6, 512])
def test_fixed_set_holds_equal_shares_of_the_generators(classifier, size):
    generators = [Constant(0.0), Constant(1.0)]
    x, _ = Source(classifier, "kegnet", generators).sample(size, seed=0)
    assert np.unique_counts(x[:, 0]).counts.tolist() == [size // 2, size // 2]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("gaussian", 0),
        ("uniform", 8),
        ("kegnet", 0),
        pytest.param("kegnet+", 8, marks=pytest.mark.slow),
    ],
)
def test_p_is_the_softmax_of_the_teacher_in_inference_mode(teacher, generator, name, size):
    ((x, p),) = batches(Source(teacher, name, [generator], mixture=MIXTURE), 1, size=size)
    assert x.shape == (4, 8, 8, 1)
    assert x.dtype == p.dtype == np.float32
    assert_allclose(p, tf.nn.softmax(teacher(x, training=False)), rtol=1e-4, atol=1e-6)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_fixed_set_repeats_the_same_examples_in_another_order(classifier):
    first, second, third = batches(Source(classifier, "gaussian"), 3, batch_size=8, size=8)
    for x, p in (second, third):
        assert_array_equal(ordered(x), ordered(first[0]))
        assert_array_equal(ordered(p), ordered(first[1]))
    assert not np.array_equal(first[0], second[0])


@pytest.mark.parametrize(
    "name", ["uniform", "gaussian", "kegnet", pytest.param("procedural", marks=pytest.mark.slow)]
)
def test_fresh_stream_never_repeats_an_example(teacher, name):
    source = Source(teacher, name, [tiny_generator(seed) for seed in (1, 2)], mixture=MIXTURE)
    x = np.concatenate([x for x, _ in batches(source, 4)])
    assert len(np.unique(x, axis=0)) == 16


def test_mixture_holds_each_source_in_its_share_and_mixed(classifier):
    mixture = {"kegnet": 3.0, "uniform": 1.0}
    source = Source(classifier, "kegnet+", [Constant(7.0), Constant(8.0)], mixture=mixture)
    drawn = [x[:, 0] for x, _ in batches(source, 8, batch_size=32)]
    x = np.concatenate(drawn)
    assert [np.mean(x == 7.0), np.mean(x == 8.0), np.mean(x <= 1.0)] == [0.375, 0.375, 0.25]
    assert all(0 < np.mean(one <= 1.0) < 1 for one in drawn)
    same = np.concatenate([x[:, 0] for x, _ in batches(source, 8, batch_size=32)])
    assert_array_equal(x, same)


def test_mixture_for_a_table_has_noise_in_place_of_images(classifier):
    sources = [Source(classifier, "kegnet+", [Constant(7.0)], mixture=mixture) for mixture in TABLE]
    drawn = [batches(source, 4, batch_size=32) for source in sources]
    x = np.concatenate([x for x, _ in drawn[0]])
    assert np.mean(x[:, 0] == 7.0) == 0.25
    for (one, _), (other, _) in zip(*drawn, strict=True):
        assert_array_equal(one, other)


def test_heavy_tailed_data_are_students_t_of_variance_1(classifier):
    x, _ = Source(classifier, "heavy_tailed").sample(4000, seed=0)
    # Quantiles of t with 3 degrees of freedom, from a table, over the root of 3.
    for share, quantile in ((0.5, 0.0), (0.75, 0.765), (0.95, 2.353), (0.995, 5.841)):
        assert_allclose(np.quantile(x, share), quantile / 3**0.5, rtol=0.12, atol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian", "kegnet+"])
def test_balance_gives_every_class_the_root_of_its_share_among_the_teachers_answers(name):
    rare = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    bias = np.array([2.0, 0.0, -99.0])  # the second class is rare, and the third never wins
    rare.set_weights([np.diag([1.0, 1.0, 0.0]), bias])
    source = Source(rare, name, [Constant(7.0)], mixture={"heavy_tailed": 1.0})
    chosen = dataclasses.replace(source, balanced=True)

    def share(p):
        shares = np.bincount(p.argmax(axis=1), minlength=3) / len(p)
        assert shares[2] == 0
        return shares[1]

    before = share(source.sample(8000, seed=1)[1])
    assert before < 0.15
    expected = before**0.5 / (before**0.5 + (1 - before) ** 0.5)
    streamed = np.concatenate([p for _, p in batches(chosen, 8, batch_size=256)])
    for p in (chosen.sample(2000, seed=0)[1], streamed):
        assert_allclose(share(p), expected, atol=0.04)


def test_balanced_rows_are_rows_of_the_source_with_the_teachers_answers(classifier):
    source = Source(classifier, "kegnet", [Echo(0.0)], balanced=True)
    x, p = source.sample(64, seed=0)
    unbalanced = batches(dataclasses.replace(source, balanced=False), 4, batch_size=64)
    drawn = np.concatenate([rows for rows, _ in unbalanced])
    assert {*map(tuple, x.tolist())} <= {*map(tuple, drawn.tolist())}
    assert_allclose(p, tf.nn.softmax(classifier(x)), rtol=1e-5)
    again, _ = source.sample(64, seed=0)
    assert_array_equal(x, again)


def test_balance_leaves_images_alone(teacher):
    plain = Source(teacher, "gaussian")
    chosen = dataclasses.replace(plain, balanced=True)
    for (one, _), (other, _) in zip(batches(plain, 2), batches(chosen, 2), strict=True):
        assert_array_equal(one, other)
    assert_array_equal(plain.sample(8, seed=0)[0], chosen.sample(8, seed=0)[0])


@pytest.mark.slow
def test_procedural_images_have_the_known_range(teacher):
    pixels = teachers.Pixels((0.75,), (0.25,), (0.25,), (0.5,))
    ((x, _),) = batches(Source(teacher, "procedural", pixels=pixels), 1, batch_size=64)
    assert -0.5 - 1e-6 <= x.min() < x.max() <= 1.5 + 1e-6
    assert_allclose(x.mean(), (0.75 - 0.25) / 0.5, atol=0.2)


def rows(*values):
    """Stands for pictures of somebody's: rows of 3 features, each of one value."""
    return np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)


@pytest.mark.parametrize(
    ("mixture", "share"),
    [
        ({"kegnet": 3.0}, 0.25),  # 1 unless it is given
        ({"kegnet": 3.0, "unlabeled": 1.0}, 0.25),
        ({"kegnet": 1.0, "unlabeled": 3.0}, 0.75),
        ({"kegnet": 1.0, "unlabeled": 0.0}, 0.0),
    ],
)
def test_unlabeled_data_have_their_share_of_a_mixture(classifier, mixture, share):
    source = Source(classifier, "kegnet+", [Constant(7.0)], mixture=mixture, unlabeled=rows(5, 6))
    x = np.concatenate([x[:, 0] for x, _ in batches(source, 4, batch_size=32)])
    assert np.mean(x < 7) == share
    assert {*x.tolist()} <= {5.0, 6.0, 7.0}


def test_without_unlabeled_data_a_mixture_is_as_if_it_had_no_share_of_them(classifier):
    drawn = []
    for mixture in ({"kegnet": 1.0, "uniform": 1.0}, {"kegnet": 1, "uniform": 1, "unlabeled": 9}):
        source = Source(classifier, "kegnet+", [Constant(7.0)], mixture=mixture)
        drawn.append(source.sample(16, seed=0)[0])
    assert_array_equal(*drawn)


def test_unlabeled_rows_are_drawn_anew_by_seed_and_step(classifier):
    source = Source(classifier, "unlabeled", unlabeled=rows(*range(1000)))
    one, same, other = (source.sample(64, seed)[0][:, 0] for seed in (0, 0, 1))
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    first, second = (x[:, 0] for x, _ in batches(source, 2, batch_size=64))
    assert not np.array_equal(first, second)
    assert 400 < np.mean([first, second]) < 600
    ((x, p),) = batches(source, 1)
    assert_allclose(p, tf.nn.softmax(classifier(x)), rtol=1e-5)


@pytest.mark.parametrize(
    "unlabeled",
    [np.zeros((0, 3), np.float32), np.zeros((4, 2), np.float32), np.zeros((4, 3)), np.float32(1)],
)
def test_unlabeled_data_of_another_kind_are_refused(classifier, unlabeled):
    with pytest.raises(ValueError, match=r"`unlabeled` must be float32 of shape \[size, 3\]"):
        Source(classifier, "unlabeled", unlabeled=unlabeled)


def test_unlabeled_source_without_data_is_refused(classifier):
    with pytest.raises(ValueError, match="`source` must be another than 'unlabeled' without"):
        Source(classifier, "unlabeled")
    with pytest.raises(ValueError, match="`mixture` must give shares"):
        Source(classifier, "kegnet+", [Echo(0)], mixture={"unlabeled": 1.0})


@pytest.mark.parametrize("mixture", [None, {}, {"kegnet": 0.0}, {"kegnet": -1.0}, {"real": 1.0}])
def test_mixture_of_no_shares_or_unknown_sources_is_refused(classifier, mixture):
    with pytest.raises(ValueError, match="`mixture` must give shares, 0 or more, .* of uniform, "):
        Source(classifier, "kegnet+", [Echo(0)], mixture=mixture)


def test_procedural_table_is_refused(classifier):
    message = "`source` must be another than 'procedural' for a table. Received: 'procedural'."
    with pytest.raises(ValueError, match=message):
        Source(classifier, "procedural")


def test_generators_of_equal_weights_are_given_different_latents(classifier):
    x, _ = Source(classifier, "kegnet", [Echo(0), Echo(0)]).sample(16, seed=0)
    assert len(np.unique(x, axis=0)) == 16


def test_batch_statistics_standardise_each_batch_and_leave_the_generator_as_it_is(classifier):
    generator = DenseGenerator(3, 3, latent_dim=2, units=(8, 8))
    before = [np.array(value) for value in generator.get_weights()]
    source = Source(classifier, "kegnet", [generator])
    for x, _ in batches(dataclasses.replace(source, batch_statistics=True), 2, batch_size=64):
        assert_allclose(x.mean(axis=0), 0.0, atol=1e-5)
        assert_allclose(x.std(axis=0), 1.0, rtol=0.02)
    for after, kept in zip(generator.get_weights(), before, strict=True):
        assert_array_equal(after, kept)
    ((x, _),) = batches(source, 1, batch_size=64)
    assert abs(x.mean()) > 1e-3  # moving statistics, which are not those of this batch


def test_uniform_data_fill_the_interval_from_minus_1_to_1(classifier):
    x, _ = Source(classifier, "uniform").sample(1000, seed=0)
    assert -1 <= x.min() < -0.99
    assert 0.99 < x.max() < 1
    assert_allclose(np.quantile(x, [0.25, 0.5, 0.75]), [-0.5, 0.0, 0.5], atol=0.1)


def test_gaussian_data_are_standard_normal(classifier):
    x, _ = Source(classifier, "gaussian").sample(2000, seed=0)
    assert_allclose(x.mean(axis=0), 0, atol=0.12)  # 5 deviations of 1 / sqrt(2000)
    assert_allclose(np.cov(x, rowvar=False), np.eye(3), atol=0.2)


@pytest.mark.parametrize("name", ["uniform", "gaussian", "kegnet"])
def test_same_seed_gives_the_same_bytes_and_another_seed_others(classifier, name):
    source = Source(classifier, name, [Echo(0), Echo(0)])
    one, same, other = (source.sample(8, seed) for seed in (0, 0, 1))
    assert_array_equal(one[0], same[0])
    assert_array_equal(one[1], same[1])
    assert not np.intersect1d(one[0], other[0]).size


def test_labels_are_uniform_unless_onehot_is_asked_for(classifier):
    sums = {}
    for arguments in ({}, {"labels": "onehot"}):
        x, _ = Source(classifier, "kegnet", [Echo(0)], **arguments).sample(8, seed=0)
        sums[len(arguments)] = x.sum(axis=1)
    assert np.ptp(sums[0]) > 0.1
    assert_array_equal(sums[1], np.ones(8))


@pytest.mark.parametrize("size", [1, 5, 300])
def test_synthesised_set_has_the_asked_size(classifier, size):
    x, p = Source(classifier, "uniform").sample(size, seed=0)
    assert x.shape == p.shape == (size, 3)
    assert len(np.unique(x, axis=0)) == size


@pytest.mark.slow
def test_fit_of_keras_takes_the_stream_as_it_is(classifier):
    student = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    student.compile("adam", "kl_divergence")
    stream = Source(classifier, "gaussian").stream(4, seed=0)
    history = student.fit(stream, epochs=20, steps_per_epoch=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_unknown_source_is_refused(classifier):
    message = "`source` must be one of uniform, gaussian, .* Received: 'laplace'."
    with pytest.raises(ValueError, match=message):
        Source(classifier, "laplace")


def test_kegnet_without_generators_is_refused(classifier):
    message = "`generators` must hold at least one for source 'kegnet'. Received: none."
    with pytest.raises(ValueError, match=message):
        Source(classifier, "kegnet")


def test_unknown_law_of_labels_is_refused(classifier):
    with pytest.raises(ValueError, match="`labels` must be one of onehot, uniform. Received: 'on'"):
        batches(Source(classifier, "kegnet", [Echo(0)], labels="on"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 20])
@pytest.mark.parametrize("start", [1, 5])
def test_stream_that_starts_later_goes_on_as_the_whole_one(teacher, start, size):
    source = Source(teacher, "procedural")
    whole, late = (source.stream(4, 3, size, each) for each in (0, start))
    for one, other in zip(whole.skip(start).take(3), late.take(3), strict=True):
        assert_array_equal(one[0], other[0])
        assert_array_equal(one[1], other[1])
