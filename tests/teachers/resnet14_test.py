import itertools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression, export
from kegnet_tf.teachers.networks import resnet14


@pytest.fixture(scope="module")
def model():
    return resnet14((8, 8, 1), seed=0)


def images(size=2, shape=(8, 8, 1)):
    return np.random.default_rng(0).normal(size=(size, *shape)).astype(np.float32)


def branch(model, name):
    """Model from the same input to the output of a layer."""
    return keras.Model(model.input, model.get_layer(name).output)


@pytest.mark.parametrize(("channels", "parameters"), [(1, 172_682), (3, 172_970)])
def test_resnet14_has_as_many_trainable_parameters_as_the_paper_s(channels, parameters):
    assert compression.trainable_parameters(resnet14((32, 32, channels))) == parameters


def test_resnet14_names_the_layers_that_students_and_presets_name(model):
    named = {layer.name for layer in model.layers if layer.weights}
    blocks = [f"stage{stage}_block{block}" for stage in (1, 2, 3) for block in (1, 2)]
    parts = {f"{block}_{part}{i}" for block in blocks for part in ("conv", "bn") for i in (1, 2)}
    assert named == parts | {"conv", "bn", "fc"}
    assert [model.get_layer(f"stage{stage}_block1_conv1").kernel.shape for stage in (1, 2, 3)] == [
        (3, 3, 16, 16),
        (3, 3, 16, 32),
        (3, 3, 32, 64),
    ]


@pytest.mark.parametrize(
    ("shape", "last"), [((32, 32, 3), (8, 8)), ((28, 28, 1), (7, 7)), ((9, 20, 2), (3, 5))]
)
def test_resnet14_takes_images_of_any_size_and_halves_them_twice(shape, last):
    model = resnet14(shape, num_classes=5, seed=0)
    assert model(images(2, shape)).shape == (2, 5)
    assert model.get_layer("stage3_block2_relu2").output.shape == (None, *last, 64)


def test_shortcut_keeps_every_other_pixel_and_puts_zero_channels_behind():
    model = resnet14((8, 8, 1), seed=0)
    for stage, block in itertools.product((1, 2, 3), (1, 2)):
        # With a gamma of zero, all that remains of a block is its shortcut.
        gamma = model.get_layer(f"stage{stage}_block{block}_bn2").gamma
        gamma.assign(np.zeros(gamma.shape))
    stem = np.asarray(branch(model, "relu")(images()))
    features = np.asarray(branch(model, "pool")(images()))
    assert_allclose(features[:, :16], stem[:, ::4, ::4].mean(axis=(1, 2)), rtol=1e-5)
    assert_array_equal(features[:, 16:], 0)


def test_convolution_with_strides_looks_at_the_pixels_that_the_shortcut_keeps():
    model = resnet14((8, 8, 1), seed=0)  # one of its own, to change
    centre = np.zeros((3, 3, 16, 32))
    centre[1, 1] = np.eye(16, 32)
    model.get_layer("stage2_block1_conv1").set_weights([centre, np.zeros(32)])
    shortcut, conv = (f"stage2_block1_{name}" for name in ("widen", "conv1"))
    assert_allclose(branch(model, conv)(images()), branch(model, shortcut)(images()), atol=1e-6)


def test_resnet14_answers_in_logits(model):
    logits = np.asarray(model(images(4)))
    assert logits.min() < 0
    assert not np.allclose(logits.sum(axis=1), 1)


def test_same_seed_gives_the_same_weights_and_another_seed_others(model):
    same, other = (resnet14((8, 8, 1), seed=seed).get_weights() for seed in (0, 1))
    for a, b, c in zip(model.get_weights(), same, other, strict=True):
        assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)


@pytest.mark.slow
def test_resnet14_reloads_in_safe_mode_and_exports_to_the_same_logits(tmp_path):
    model = resnet14((8, 8, 1), seed=0)
    for _ in range(3):  # moves the statistics of the batch norms
        model(images(8), training=True)
    model.save(tmp_path / "resnet14.keras")
    reloaded = keras.saving.load_model(tmp_path / "resnet14.keras", safe_mode=True)
    assert_array_equal(reloaded(images()), model(images()))
    for form, name in (("tf_saved_model", "saved_model"), ("litert", "resnet14.tflite")):
        model.export(tmp_path / name, format=form, verbose=False)
        assert_allclose(export.predictor(tmp_path / name)(images()), model(images()), atol=1e-5)
