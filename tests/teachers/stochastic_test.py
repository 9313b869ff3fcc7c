import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from smallest import nested_classifier

from kegnet_tf import teachers

layers = keras.layers
ROWS = tf.random.stateless_normal((5, 4), (0, 1))


@pytest.fixture
def model():
    """Classifier of 4 features with two dropouts, one of them in a nested model."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8,)), layers.AlphaDropout(0.25), layers.Dense(6)])
    first = [layers.Dense(8, "elu"), layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((4,)), *first, inner, layers.Dense(3)])


def test_scales_of_one_are_no_dropout_and_the_layers_are_the_same(model):
    found = teachers.stochastic(model)
    assert found.rates == (0.5, 0.25)
    assert found.shapes == ((8,), (8,))
    ones = [tf.ones((5, 8))] * 2
    assert_allclose(found.model([ROWS, *ones]), model(ROWS, training=False), rtol=1e-6)
    model.layers[0].kernel.assign(np.ones((4, 8)))
    assert_allclose(found.model([ROWS, *ones]), model(ROWS, training=False), rtol=1e-6)


def test_scale_multiplies_what_comes_to_the_dropout():
    first, last = layers.Dense(2, "relu"), layers.Dense(3)
    model = keras.Sequential([keras.Input((4,)), first, layers.Dropout(0.5), last])
    scale = tf.constant([[2.0, 0.0]] * 5)
    answers = teachers.stochastic(model).model([ROWS, scale])
    assert_allclose(answers, last(first(ROWS) * [2.0, 0.0]), rtol=1e-6)


def test_scales_leave_out_the_share_of_the_rate_and_have_mean_1(model):
    found = teachers.stochastic(model)
    one, other = found.scales(seed=3, step=7, batch_size=4000, rates=(0.2, 0.5))
    assert_allclose(np.unique(one), [0.0, 1.25])
    assert_allclose(np.unique(other), [0.0, 2.0])
    for scale in (one, other):  # 32,000 draws
        assert_allclose(np.mean(scale), 1.0, atol=0.03)
    assert_allclose(np.mean(one, axis=0), 1.0, atol=0.05)  # each unit
    again, _ = found.scales(seed=3, step=7, batch_size=4000, rates=(0.2, 0.5))
    assert_array_equal(one, again)
    for place in ({"seed": 4, "step": 7}, {"seed": 3, "step": 8}):
        another, _ = found.scales(**place, batch_size=4000, rates=(0.2, 0.5))
        assert np.mean(np.equal(one, another)) < 0.8


def test_spatial_dropout_and_a_noise_shape_leave_out_what_they_say():
    spatial, rows = layers.SpatialDropout2D(0.1), layers.Dropout(0.2, noise_shape=(None, 8, 1, 4))
    whole = layers.Dropout(0.3, noise_shape=(None, None, None, 1))
    model = keras.Sequential([keras.Input((8, 8, 4)), spatial, rows, whole])
    model.add(layers.Flatten())
    model.add(layers.Dense(3))
    found = teachers.stochastic(model)
    assert found.shapes == ((1, 1, 4), (8, 1, 4), (8, 8, 1))
    assert found.rates == (0.1, 0.2, 0.3)


@pytest.mark.slow
def test_dropout_is_put_in_where_there_is_none_behind_convolutions_and_before_dense_layers(model):
    convolutional = nested_classifier()
    # Both calls of the model in the middle count.
    assert teachers.stochastic(convolutional).shapes == ()
    shapes = teachers.stochastic(convolutional, put_in=True).shapes
    assert shapes == ((1, 1, 4), (1, 1, 4), (144,))
    assert teachers.stochastic(model, put_in=True).rates == (0.5, 0.25)
    dense = keras.Sequential([keras.Input((4,)), layers.Dense(7), layers.Dense(3)])
    assert teachers.stochastic(dense, put_in=True).shapes == ((7,),)  # x itself stays whole


def test_batch_norm_stays_in_inference_mode_and_every_output_is_kept():
    norm = layers.BatchNormalization()
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6), norm, layers.Dropout(0.5), layers.Dense(3)]
    )
    model(ROWS, training=True)
    before = model.get_weights()
    shown, norms = teachers.watched(model)
    logits, seen = teachers.stochastic(shown).model([ROWS, tf.ones((5, 6))], training=False)
    assert norms == [norm]
    assert_allclose(logits, model(ROWS, training=False), rtol=1e-6)
    assert_allclose(seen, model.layers[0](ROWS), rtol=1e-6)
    for one, other in zip(before, model.get_weights(), strict=True):
        assert_array_equal(one, other)
