import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression

RNG = np.random.default_rng(0)


def network(*between, last):
    """A convolution of 3 channels of very unlike ranges, something, and a layer behind it."""
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(3, 3, activation="relu", name="first")(inputs)
    for layer in between:
        x = layer(x)
    model = keras.Model(inputs, last(x))
    kernel, _ = model.get_layer("first").get_weights()
    model.get_layer("first").set_weights([kernel * [1, 100, 0.01], np.float32([1, 50, 0.02])])
    return model


@pytest.mark.parametrize(
    ("between", "last"),
    [
        ([layers.MaxPooling2D()], layers.Conv2D(4, 2, name="last")),
        ([layers.ZeroPadding2D()], layers.DepthwiseConv2D(2, depth_multiplier=2, name="last")),
        ([layers.AveragePooling2D(2), layers.Flatten()], layers.Dense(4, name="last")),
        ([layers.GlobalAveragePooling2D()], layers.Dense(4, name="last")),
    ],
)
def test_channels_become_alike_and_the_function_stays(between, last):
    model = network(*between, last=last)
    x = RNG.normal(size=(5, 8, 8, 2)).astype(np.float32)
    before = np.asarray(model(x))
    compression.equalise(model)
    assert_allclose(model(x), before, rtol=1e-3, atol=1e-4)
    leaving = np.abs(model.get_layer("first").get_weights()[0]).max(axis=(0, 1, 2))
    taking = np.abs(np.moveaxis(model.get_layer("last").get_weights()[0], -2, 0))
    taking = taking.reshape(-1, 3, np.prod(taking.shape[1:])).max(axis=(0, 2))
    assert_allclose(leaving, taking, rtol=1e-4)


@pytest.mark.parametrize(
    "between", [layers.ReLU(6), layers.Activation("tanh"), layers.Activation("elu")]
)
def test_what_does_not_pass_a_factor_on_keeps_layers_as_they_are(between):
    model = network(between, last=layers.Conv2D(4, 2))
    before = model.get_weights()
    compression.equalise(model)
    for weight, same in zip(model.get_weights(), before, strict=True):
        assert_array_equal(weight, same)


def test_what_two_layers_take_is_left_and_so_is_a_channel_of_zeros():
    inputs = keras.Input((4,))
    x = layers.Dense(3, name="first")(inputs)
    model = keras.Model(inputs, layers.Add()([layers.Dense(3)(x), x]))
    before = model.get_weights()
    compression.equalise(model)
    assert_array_equal(model.get_weights()[0], before[0])
    dead = keras.Model(inputs, layers.Dense(2)(layers.Dense(3, "relu", name="dead")(inputs)))
    kernel = RNG.normal(size=(4, 3)) * [1, 0, 1]
    dead.get_layer("dead").set_weights([kernel, np.zeros(3)])
    compression.equalise(dead)
    assert all(np.all(np.isfinite(weight)) for weight in dead.get_weights())


def test_int8_of_unlike_channels_loses_what_equalised_ones_keep():
    model = network(layers.MaxPooling2D(), layers.Flatten(), last=layers.Dense(4, name="last"))
    kernel, bias = model.get_layer("last").get_weights()
    shape = np.tile([1, 0.01, 100], len(kernel) // 3)[:, None]
    model.get_layer("last").set_weights([kernel * shape, bias])
    x = RNG.normal(size=(50, 8, 8, 2)).astype(np.float32)
    ranged = compression.ranged(model)
    compression.fit_ranges(ranged, x)
    answers = np.argmax(compression.as_integers(ranged)(x), -1)
    assert np.mean(answers == np.argmax(model(x), -1)) >= 0.9
