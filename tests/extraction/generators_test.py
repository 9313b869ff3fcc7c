import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.extraction import DenseGenerator, ImageGenerator, drawn_shape, latents

SHAPES = [(8, 8, 1), (28, 28, 2), (32, 32, 3), (33, 20, 4), (128, 96, 1)]


def batch(size=4, labels="onehot"):
    return latents.sample(0, 0, size, 3, 10, labels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
def test_images_have_the_asked_shape_and_each_channel_mean_0_and_deviation_1(shape, training):
    y, z = batch()  # far apart: untrained, a channel hardly varies within an image otherwise
    x = np.asarray(ImageGenerator(shape, 3, seed=0)((100 * y, 100 * z), training=training))
    assert x.shape == (4, *shape)
    assert x.dtype == np.float32
    assert_allclose(x.mean(axis=(1, 2)), 0, atol=1e-5)
    assert_allclose(x.std(axis=(1, 2)), 1, atol=1e-3)


def test_each_entry_of_filters_doubles_the_size_once():
    generator = ImageGenerator((32, 24, 1), 3, latent_dim=2, units=(), filters=(4, 2), seed=0)
    # Two doublings, from 8 x 6 pixels of 4 channels: dense without bias, then 4 x 4 kernels to 2
    # channels and, with a bias, to 1; batch norm in between, 4 numbers a channel.
    expected = 5 * 8 * 6 * 4 + 4 * 4 + 4 * 4 * 4 * 2 + 4 * 2 + 4 * 4 * 2 * 1 + 1
    assert sum(map(np.size, generator.get_weights())) == expected


def test_images_depend_on_label_and_on_latent():
    generator = ImageGenerator((8, 8, 1), 3, seed=0)
    y, z = batch()
    x = np.asarray(generator((y, z)))
    assert np.abs(generator((y, -z)) - x).max() > 1e-3
    assert np.abs(generator((1.0 - y, z)) - x).max() > 1e-3


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    one, same, other = (ImageGenerator((8, 8, 1), 3, seed=seed) for seed in (0, 0, 1))
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        assert_array_equal(a, b)
    for a, b in zip(one.trainable_variables, other.trainable_variables, strict=True):
        assert a.path.endswith(("gamma", "beta", "bias")) or not np.array_equal(a, b)


def test_layers_of_equal_shape_start_with_different_weights():
    generator = ImageGenerator((8, 8, 1), 3, latent_dim=5, units=(8, 8, 8), seed=0)
    _, second, third = (
        layer.kernel for layer in generator.network.layers[:9] if hasattr(layer, "kernel")
    )
    assert not np.array_equal(second, third)


@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 20, 4)])
def test_generator_reloads_to_the_same_images(shape, tmp_path):
    generator = ImageGenerator(shape, 3, 10, units=(8,), filters=(4, 2), seed=0)
    generator(batch(), training=True)  # moves the statistics of the batch norms
    generator.save(tmp_path / "generator.keras")
    reloaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert reloaded.get_config() == generator.get_config()
    assert_array_equal(reloaded(batch(), training=False), generator(batch(), training=False))


@pytest.mark.parametrize("shape", [(7, 8, 1), (8, 7, 1), (8, 8, 0), (8, 8), (2, 8, 8, 1)])
def test_image_shape_too_small_or_of_other_length_is_refused(shape):
    message = r"`image_shape` must be \(height, width, channels\), at least 8 pixels each way\. Rec"
    with pytest.raises(ValueError, match=message):
        ImageGenerator(shape, 3)


@pytest.mark.parametrize(
    "arguments",
    [{"num_classes": 0}, {"latent_dim": 0}, {"units": (8, 0)}, {"filters": ()}, {"filters": (0,)}],
)
def test_size_that_is_not_positive_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^`{name}` must (be 1 or more|hold 1 to 16 entries)"):
        ImageGenerator(**{"image_shape": (8, 8, 1), "num_classes": 3, **arguments})


def test_features_have_mean_0_and_deviation_1_over_a_batch_in_training():
    x = np.asarray(DenseGenerator(5, 3, seed=0)(batch(200), training=True))
    assert x.shape == (200, 5)
    assert x.dtype == np.float32
    assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    assert_allclose(x.std(axis=0), 1, atol=0.01)


@pytest.mark.slow
def test_vector_made_alone_is_standardised_as_the_batches_of_training_were():
    generator = DenseGenerator(5, 3, seed=0)
    y, z = batch(200)
    for _ in range(60):  # 0.9^60 = 0.002 of the initial statistics remain
        generator((y, z), training=True)
    alone = generator((y[:1], z[:1]), training=False)
    assert_allclose(alone, generator((y, z), training=True)[:1], atol=0.05)


def test_dense_generator_has_two_hidden_layers_of_120_units_and_no_gamma_or_beta_at_the_output():
    # Dense layers with bias, each with four numbers of batch norm a unit; the last without bias,
    # with two a feature.
    expected = 13 * 120 + 5 * 120 + 120 * 120 + 5 * 120 + 120 * 4 + 2 * 4
    assert sum(map(np.size, DenseGenerator(4, 3).get_weights())) == expected


def test_features_depend_on_label_and_on_latent():
    generator = DenseGenerator(5, 3, seed=0)
    y, z = batch()
    x = np.asarray(generator((y, z)))
    assert np.abs(generator((y, -z)) - x).max() > 1e-3
    assert np.abs(generator((1.0 - y, z)) - x).max() > 1e-3


def test_same_seed_gives_the_same_dense_generator_and_another_seed_another():
    one, same, other = (DenseGenerator(5, 3, seed=seed) for seed in (0, 0, 1))
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        assert_array_equal(a, b)
    for a, b in zip(one.trainable_variables, other.trainable_variables, strict=True):
        assert a.path.endswith(("gamma", "beta", "bias")) or not np.array_equal(a, b)


def test_dense_generator_reloads_to_the_same_vectors(tmp_path):
    generator = DenseGenerator(5, 3, units=(8, 4), seed=0)
    generator(batch(), training=True)  # moves the statistics of the batch norms
    generator.save(tmp_path / "generator.keras")
    reloaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert reloaded.get_config() == generator.get_config()
    assert_array_equal(reloaded(batch(), training=False), generator(batch(), training=False))


@pytest.mark.parametrize(
    "arguments", [{"features": 0}, {"num_classes": 0}, {"latent_dim": 0}, {"units": (8, 0)}]
)
def test_size_of_a_dense_generator_that_is_not_positive_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^`{name}` must be 1 or more. Received: 0.$"):
        DenseGenerator(**{"features": 5, "num_classes": 3, **arguments})


@pytest.mark.parametrize(
    ("shape", "resolution", "drawn"),
    [
        ((32, 32, 3), 64, (32, 32)),
        ((64, 48, 1), 64, (64, 48)),
        ((96, 96, 3), 64, (48, 48)),
        ((224, 224, 3), 64, (56, 56)),
        ((65, 30, 3), 64, (33, 15)),
        ((32, 32, 1), 16, (16, 16)),
    ],
)
def test_large_pictures_are_drawn_at_a_fraction_of_their_size(shape, resolution, drawn):
    assert drawn_shape(shape, resolution) == drawn


def test_picture_that_is_enlarged_is_smooth_standardised_and_costs_what_a_small_one_does():
    given = {"num_classes": 3, "latent_dim": 2, "units": (8,), "filters": (4, 2), "seed": 0}
    small = ImageGenerator((16, 16, 1), **given)
    large = ImageGenerator((48, 48, 1), **given, resolution=16)
    assert large.count_params() == small.count_params()
    inputs = np.eye(3, dtype=np.float32), np.ones((3, 2), np.float32)
    x = np.asarray(large(inputs))
    assert x.shape == (3, 48, 48, 1)
    assert_allclose(x.mean((1, 2)), 0.0, atol=1e-5)
    assert_allclose(x.std((1, 2)), 1.0, atol=0.1)
    # A step between neighbours is at most a third of one between those of the small picture.
    drawn = [np.asarray(each.network(np.hstack(inputs))) for each in (small, large)]
    coarse, fine = (np.abs(np.diff(each, axis=1)).max() for each in drawn)
    assert fine <= coarse / 3 + 1e-6
    restored = ImageGenerator.from_config(large.get_config())
    assert restored.resolution == 16
