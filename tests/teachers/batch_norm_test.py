import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)


def test_inputs_of_each_norm_come_beside_the_unchanged_logits(teacher, x):
    watched, layers = teachers.watched(teacher)
    logits, shown = watched(x)
    assert layers == [teacher.get_layer("norm")]
    assert_array_equal(logits, teacher(x))
    assert_array_equal(shown, teacher.get_layer("conv")(x))


def test_nested_models_are_looked_into_and_a_second_call_counts_again(x):
    block = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.BatchNormalization(name="a"), keras.layers.ReLU()]
    )
    inputs = keras.Input((8, 8, 1))
    inner = keras.Model(inputs, keras.layers.BatchNormalization(name="b")(block(inputs)))
    outer = keras.Input((8, 8, 1))
    y = keras.layers.Add()([inner(outer), block(keras.ops.negative(outer))])
    teacher = keras.Model(outer, keras.layers.Dense(3)(keras.layers.Flatten()(y)))
    watched, layers = teachers.watched(teacher)
    logits, *shown = watched(x)
    assert sorted(layer.name for layer in layers) == ["a", "a", "b"]
    assert_allclose(logits, teacher(x), atol=1e-6)
    by_name = [
        (layer.name, float(np.sum(values))) for layer, values in zip(layers, shown, strict=True)
    ]
    halves = sorted(value for name, value in by_name if name == "a")
    assert_allclose(halves, sorted([x.sum(), -x.sum()]), rtol=1e-5)


def test_teacher_that_is_nested_behind_other_layers_is_looked_into(teacher, x):
    inputs = keras.Input((8, 8, 1))
    wrapped = keras.Model(inputs, teacher(keras.layers.Rescaling(2.0, 1.0)(inputs)))
    watched, layers = teachers.watched(wrapped)
    logits, shown = watched(x)
    assert len(layers) == 1
    assert_allclose(logits, teacher(2 * x + 1), atol=1e-5)
    assert_allclose(shown, teacher.get_layer("conv")(2 * x + 1), atol=1e-5)


def test_nested_model_of_two_inputs_is_called_as_it_is(x):
    one, other = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    both = keras.layers.BatchNormalization()(keras.layers.Add()([one, other]))
    inner = keras.Model([one, other], both)
    inputs = keras.Input((8, 8, 1))
    y = keras.layers.Flatten()(inner([inputs, keras.ops.negative(inputs)]))
    teacher = keras.Model(inputs, keras.layers.Dense(3)(y))
    watched, layers = teachers.watched(teacher)
    assert layers == []
    assert_allclose(watched(x), teacher(x), atol=1e-6)


def test_teacher_without_a_norm_shows_logits_alone():
    teacher = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    watched, layers = teachers.watched(teacher)
    assert layers == []
    rows = np.ones((4, 3), np.float32)
    assert_array_equal(watched(rows), teacher(rows))
