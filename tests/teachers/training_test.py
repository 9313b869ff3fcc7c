import dataclasses
import functools

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers
from kegnet_tf.configs import base

RAW = 5 + 3 * np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0])


@pytest.fixture(scope="module")
def trained():
    """(model, history) of three epochs on raw data and `LABELS`."""
    keras.utils.set_random_seed(0)
    front = keras.layers.Normalization(name="normalization"), keras.layers.Dense(4, "relu")
    parts = [keras.Input((6,)), *front, keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    model, data = keras.Sequential(parts), (RAW, LABELS)
    settings = teachers.TrainingSettings(epochs=3, batch_size=2, learning_rate=0.1)
    return model, teachers.train(model, data, data, settings, seed=0, verbose=0).history


@pytest.mark.slow
def test_training_keeps_the_weights_of_the_best_epoch(trained):
    model, history = trained
    assert np.mean(model(RAW).numpy().argmax(axis=1) == LABELS) == max(history["val_accuracy"])


@pytest.mark.slow
def test_normalization_is_adapted_to_the_training_data(trained):
    standardised = np.asarray(trained[0].get_layer("normalization")(RAW))
    assert_allclose(standardised.mean(axis=0), 0, atol=1e-5)
    assert_allclose(standardised.std(axis=0), 1, atol=1e-5)


def images_of_halves(size=64):
    """Images that are dark on the left and light on the right, with noise."""
    x = np.random.default_rng(0).normal(0, 0.1, (size, 8, 8, 1)).astype(np.float32)
    x[:, :, 4:] += 1.0
    return x, np.zeros(size, int)


class Seen(keras.layers.Layer):
    """Keeps how light the left and right halves were that it met in training."""

    def build(self, shape):
        self.sums = self.add_weight(shape=(3,), initializer="zeros", trainable=False)

    def call(self, x, training=None):
        if training:
            means = keras.ops.mean(keras.ops.reshape(x, (-1, 8, 2, 4)), axis=(0, 1, 3))
            self.sums.assign(self.sums + keras.ops.append(means, 1.0))
        return x


def seeing():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(Seen(name="seen")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


@functools.cache
def train_seeing(**kwargs):
    """Model, and how light left and right halves were; tests share what it trained."""
    model, data = seeing(), images_of_halves()
    settings = teachers.TrainingSettings(epochs=2, batch_size=16, **kwargs)
    teachers.train(model, data, data, settings, seed=0, verbose=0)
    *sums, steps = model.get_layer("seen").get_weights()[0]
    return model, sums[0] / steps, sums[1] / steps


@pytest.mark.slow
def test_training_without_augmentation_meets_the_images_as_they_are():
    _, left, right = train_seeing()
    assert_allclose([left, right], [0, 1], atol=0.02)


@pytest.mark.slow
def test_flipped_training_images_are_mirrored_about_half_of_the_time():
    _, left, right = train_seeing(flip=True)
    assert 0.25 < left < 0.75
    assert_allclose(left + right, 1, atol=0.04)


@pytest.mark.slow
def test_shifted_training_images_move_by_the_given_share_at_most():
    _, left, right = train_seeing(shift=0.125)  # one pixel of eight
    assert 0 < left < 0.25 + 0.02
    assert 0.75 - 0.02 < right < 1


@pytest.mark.slow
def test_augmentation_is_no_part_of_the_trained_model():
    x, _ = images_of_halves(2)
    for model, *_ in (train_seeing(flip=True), train_seeing(shift=0.125)):
        assert [type(layer).__name__ for layer in model.layers][1] == "Seen"
        assert_array_equal(model(x, training=False), model(x, training=False))


@pytest.mark.slow
def test_weight_decay_shrinks_the_weights():
    norms = [
        np.linalg.norm(train_seeing(**decay)[0].layers[-1].get_weights()[0])
        for decay in ({}, {"weight_decay": 50.0})
    ]
    assert norms[1] < 0.9 * norms[0]


@pytest.mark.slow
def test_trained_model_is_saved_without_its_optimiser(trained, tmp_path):
    trained[0].save(tmp_path / "model.keras")
    assert not keras.saving.load_model(tmp_path / "model.keras").compiled


def test_settings_are_the_defaults_of_the_presets():
    settings = dataclasses.asdict(teachers.TrainingSettings())
    assert settings == base.get_config().training.to_dict()


@pytest.mark.slow
def test_training_in_half_precision_leaves_a_model_of_full_precision():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    before, data = model.get_weights(), (RAW, LABELS)
    settings = teachers.TrainingSettings(epochs=2, batch_size=2, mixed_precision="bfloat16")
    teachers.train(model, data, data, settings, seed=0, verbose=0)
    assert model.layers[0].compute_dtype == "float32"
    assert not np.array_equal(before[0], model.get_weights()[0])
