import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose
from smallest import tiny_teacher

from kegnet_tf import compression

RNG = np.random.default_rng(0)


def shaken(model):
    """The model with statistics and offsets that are not those of the start."""
    for layer in model.layers:
        for variable in getattr(layer, "weights", []):
            if "kernel" not in variable.path:
                variable.assign(RNG.uniform(0.5, 1.5, variable.shape))
    return model


def sequence(*behind, shape=(6, 6, 3)):
    inputs = x = keras.Input(shape)
    for layer in behind:
        x = layer(x)
    return shaken(keras.Model(inputs, x))


def kinds(model):
    return [type(layer).__name__ for layer in model.layers[1:]]


def assert_same(model, folded):
    x = RNG.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    assert_allclose(folded(x), model(x, training=False), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (lambda: layers.Conv2D(4, 3, use_bias=False), "Conv2D"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), "DepthwiseConv2D"),
        (lambda: layers.Dense(5), "Dense"),
    ],
)
def test_batch_norm_becomes_part_of_the_layer_before_it(layer, kind):
    model = sequence(layer(), layers.BatchNormalization(), layers.ReLU())
    folded = compression.folded(model)
    assert kinds(folded) == [kind, "ReLU"]
    assert_same(model, folded)


def test_batch_norm_stays_apart_where_something_else_takes_from_the_layer_before_it():
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3)(inputs)
    model = shaken(keras.Model(inputs, layers.Add()([x, layers.BatchNormalization()(x)])))
    folded = compression.folded(model)
    assert kinds(folded) == ["Conv2D", "DepthwiseConv2D", "Add"]
    assert_same(model, folded)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Rescaling(1 / 127.5, -1.0),
        layers.Rescaling([0.5, 1.0, 2.0], [0.0, 1.0, -1.0]),
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 9.0]),
        layers.BatchNormalization(scale=False),
    ],
)
def test_what_multiplies_and_adds_in_an_image_is_a_convolution_of_one_pixel(layer):
    model = sequence(layer, layers.Conv2D(2, 3))
    folded = compression.folded(model)
    assert kinds(folded) == ["DepthwiseConv2D", "Conv2D"]
    assert_same(model, folded)


def test_activation_that_litert_computes_apart_is_a_layer_of_its_own_and_dropout_goes():
    model = sequence(layers.Dense(4, "elu"), layers.Dropout(0.5), layers.Dense(3, "relu"))
    folded = compression.folded(model)
    assert kinds(folded) == ["Dense", "Activation", "Dense"]
    assert_same(model, folded)


def test_models_inside_are_folded_as_well_and_the_model_given_is_not_changed():
    inner = sequence(layers.Conv2D(4, 3), layers.BatchNormalization())
    model = sequence(inner, layers.Flatten(), layers.Dense(2))
    before = model.get_weights()
    folded = compression.folded(model)
    assert kinds(folded.layers[1]) == ["Conv2D"]
    assert_same(model, folded)
    for variable in folded.variables:
        variable.assign(np.zeros(variable.shape))
    for weight, same in zip(before, model.get_weights(), strict=True):
        assert_allclose(weight, same)


def test_tables_preprocessing_is_told_and_left_out():
    model = sequence(
        layers.Normalization(mean=[1.0, 10.0], variance=[4.0, 100.0]),
        layers.Dense(3),
        shape=(2,),
    )
    mean, std = compression.preprocessing(model)
    assert_allclose(mean, [1.0, 10.0])
    assert_allclose(std, [2.0, 10.0])
    x = np.float32([[3.0, -10.0]])
    core = compression.without_preprocessing(model)
    assert_allclose(core((x - mean) / std), model(x), rtol=1e-5, atol=1e-6)
    assert compression.preprocessing(tiny_teacher()) is None
