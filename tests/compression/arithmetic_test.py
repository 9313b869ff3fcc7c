import keras
import pytest
from keras import layers
from smallest import nested_classifier

from kegnet_tf.compression import compress, multiply_adds, multiply_adds_by_layer


def model_of(*parts, shape=(6, 6, 4)):
    return keras.Sequential([keras.Input(shape), *parts])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, (3, 2)), 4 * 5 * 5 * (3 * 2 * 4)),
        (layers.Conv2D(6, 3, strides=2, padding="same"), 3 * 3 * 6 * (3 * 3 * 4)),
        (layers.Conv2D(6, 3, dilation_rate=2), 2 * 2 * 6 * (3 * 3 * 4)),
        (layers.Conv2D(6, 3, groups=2), 4 * 4 * 6 * (3 * 3 * 2)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 4 * 4 * 8 * (3 * 3)),
        # a depthwise convolution to 8 channels, then 1 x 1 to 5
        (layers.SeparableConv2D(5, 3, depth_multiplier=2), 4 * 4 * 8 * 9 + 4 * 4 * 5 * 8),
        # each of 36 pixels of 4 channels to a window of 2 x 2 pixels of 5
        (layers.Conv2DTranspose(5, 2, 2), 6 * 6 * 4 * (2 * 2 * 5)),
        (layers.Dense(7), 6 * 6 * 7 * 4),
    ],
)
def test_multiply_adds_of_a_layer_by_hand(layer, expected):
    assert multiply_adds(model_of(layer)) == expected


def test_what_multiplies_no_matrices_does_not_count():
    model = model_of(layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D())
    assert multiply_adds_by_layer(model) == {}
    assert multiply_adds(model) == 0


def test_a_layer_counts_as_often_as_it_is_called_through_nested_models():
    # The convolution, 3 x 3 from 4 channels to 4 on 36 pixels, is called twice.
    found = multiply_adds_by_layer(nested_classifier())
    assert found == {"outer/middle/inner/conv": 2 * 36 * 9 * 4 * 4, "logits": 36 * 4 * 3}


def test_a_tucker_layer_counts_its_parts():
    model = model_of(layers.Conv2D(6, 3, strides=2, name="conv"), layers.Flatten())
    student = compress(model, {"conv": (2, 3)})
    # 36 pixels squeezed from 4 channels to 2; 2 x 2 pixels in the core and expanded
    assert multiply_adds(student) == 36 * 4 * 2 + 4 * (9 * 2 * 3) + 4 * 3 * 6


def test_an_open_size_leaves_the_number_open():
    assert multiply_adds(model_of(layers.Conv2D(5, 3), shape=(None, None, 4))) is None
