import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal
from smallest import tiny_teacher

from kegnet_tf import teachers

NORM = layers.BatchNormalization


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_layer_is_found_however_deep_models_are_nested(depth):
    model = tiny_teacher()
    for _ in range(depth):
        model = keras.Sequential([keras.Input((8, 8, 1)), model])
    assert [layer.name for layer in teachers.layers_of_kind(model, NORM)] == ["norm"]


def test_layer_that_is_not_there_is_not_found():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert not any(teachers.layers_of_kind(model, NORM))


def test_every_layer_comes_once_with_those_that_wrappers_and_lists_hold():
    twice = layers.Dense(4, name="twice")
    inner = keras.Sequential([twice, NORM(name="norm")], name="inner")
    inputs = keras.Input((5, 4))
    y = layers.TimeDistributed(layers.Dense(4, name="wrapped"), name="wrapper")(inputs)
    y = layers.MultiHeadAttention(1, 2, name="attention")(y, y)
    y = layers.RNN([layers.GRUCell(3, name="a"), layers.GRUCell(4, name="b")], name="rnn")(y)
    model = keras.Model(inputs, twice(inner(y)))
    found = [layer.name for layer in teachers.every_layer(model)]
    named = {"twice", "norm", "inner", "wrapper", "wrapped", "attention", "rnn", "a", "b"}
    assert named <= {*found}
    assert len(found) == len({*found})
    assert {"query", "key", "value", "attention_output"} <= {*found}
    # What a layer holds comes right behind it, last one first.
    assert found[found.index("inner") + 1 : found.index("inner") + 3] == ["norm", "twice"]


def test_calls_have_the_path_of_the_first_and_the_shapes_of_all():
    dense = layers.Dense(4, name="dense")
    inner = keras.Sequential([keras.Input((4,)), dense], name="inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, name="head")(dense(inner(inner(inputs)))))
    calls = teachers.calls_of_kinds(model, {layers.Dense})
    assert list(calls.values()) == [
        ("inner/dense", [(None, 4)] * 3),
        ("head", [(None, 4)]),
    ]


def test_plain_model_shares_its_layers_and_is_of_keras_own_class(x):
    model = keras.Sequential([keras.Input((8, 8, 1)), tiny_teacher()], name="outer")
    plain = teachers.plain(model)
    assert type(plain) is type(tiny_teacher())
    assert (plain.name, plain.layers[-1]) == ("outer", model.layers[-1])
    assert_array_equal(plain(x), model(x))


def test_rebuilt_model_has_copies_and_what_stands_in_their_place(x):
    model = tiny_teacher()
    model.trainable = False
    other = layers.Activation("tanh", name="other")
    copy, copies = teachers.rebuilt(
        model, lambda layer: other if isinstance(layer, layers.ReLU) else None
    )
    assert other in copy.layers
    assert copies[model.get_layer("norm")] is copy.get_layer("norm") is not model.get_layer("norm")
    assert len(copy.trainable_variables) == len(model.weights) - 2  # the norm's statistics
    for weight, before in zip(copy.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(weight, before)
    assert_allclose(
        keras.Model(copy.input, other.input)(x),
        model.get_layer("norm").call(model.get_layer("conv")(x)),
        atol=1e-6,
    )


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_copy_with_policy_computes_in_it_and_answers_alike(precision, x):
    model = keras.Sequential([keras.Input((8, 8, 1)), tiny_teacher()])
    copy = teachers.copy_with_policy(model, precision, synchronized=False)
    inner = [layer for layer in teachers.every_layer(copy) if layer.weights]
    assert {layer.dtype_policy.name for layer in inner} == {f"mixed_{precision}"}
    assert {weight.dtype for weight in copy.weights} == {"float32"}
    assert copy(x).dtype == precision
    assert_allclose(np.float32(copy(x)), model(x), atol=0.1)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("synchronized", [False, True])
def test_copy_without_policy_keeps_the_models_own_and_synchronizes_if_asked(synchronized, x):
    model = tiny_teacher()
    copy = teachers.copy_with_policy(model, "", synchronized)
    assert_array_equal(copy(x), model(x))
    assert copy.get_layer("norm").synchronized == synchronized
    assert not model.get_layer("norm").synchronized


def test_dropout_is_off_for_a_while_however_it_ends():
    inner = keras.Sequential([layers.Dropout(0.5), layers.GaussianDropout(0.25)])
    model = keras.Sequential([keras.Input((6,)), inner, layers.AlphaDropout(0.1)])
    rows = np.ones((3, 6), np.float32)

    def rates():
        return [layer.rate for layer in (*inner.layers, model.layers[-1])]

    def interrupted():
        with teachers.without_dropout(model):
            assert rates() == [0.0, 0.0, 0.0]
            assert_array_equal(model(rows, training=True), rows)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    assert rates() == [0.5, 0.25, 0.1]
