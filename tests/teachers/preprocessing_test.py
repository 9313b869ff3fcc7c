import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression, teachers

IMAGES = np.random.default_rng(1).uniform(0, 255, (4, 5, 5, 2)).astype(np.float32)


def image_model(*front):
    inputs = keras.Input((5, 5, 2))
    x = keras.Sequential([*front, layers.Conv2D(4, 3, name="conv"), layers.Flatten()]).layers
    outputs = inputs
    for layer in (*x, layers.Dense(3, name="head")):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


SCALES = {
    "none": ([], (0.0, 1.0)),
    "to [0, 1]": ([layers.Rescaling(1 / 200)], ((100.0,), (50.0,))),
    "to [-1, 1]": ([layers.Rescaling(1 / 100, -1.0)], ((100.0,), (50.0,))),
    "to standardised": ([layers.Rescaling([0.5, 0.25], [-3.0, -1.0])], ((6.0, 4.0), (2.0, 4.0))),
    "by channel": (
        [layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25])],
        ((1.0, 2.0), (2.0, 0.5)),
    ),
    "by one number": (
        [layers.Normalization(axis=None, mean=3.0, variance=4.0)],
        ((3.0,), (2.0,)),
    ),
    "away from standardised": (
        [layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25], invert=True)],
        (0.0, 1.0),
    ),
}


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(("front", "expected"), SCALES.values(), ids=SCALES)
def test_input_scale_is_read_off_the_first_layer(front, expected, sequential):
    model = image_model(*(type(layer).from_config(layer.get_config()) for layer in front))
    if sequential:
        model = keras.Sequential([keras.Input((5, 5, 2)), *model.layers[1:]])
    mean, std = teachers.input_scale(model)
    assert_allclose(mean, expected[0], rtol=1e-6)
    assert_allclose(std, expected[1], rtol=1e-6)


def test_input_scale_of_pixels_normalised_one_by_one_is_that_of_all_of_a_channel():
    norm = layers.Normalization(axis=(1, 2, 3))
    norm.adapt(IMAGES)
    mean, std = teachers.input_scale(teachers.load(image_model(norm)))
    assert_allclose(mean, IMAGES.mean(axis=(0, 1, 2)), rtol=1e-5)
    assert_allclose(std, IMAGES.std(axis=(0, 1, 2)), rtol=1e-5)


def test_standardised_teacher_answers_standardised_data_as_the_teacher_answers_raw():
    norm = layers.Normalization()
    norm.adapt(IMAGES)
    model = teachers.load(image_model(norm))
    mean, std = IMAGES.mean(axis=(0, 1, 2)), IMAGES.std(axis=(0, 1, 2))
    wrapped = teachers.standardised(model)
    assert_allclose(wrapped((IMAGES - mean) / std), model(IMAGES), atol=1e-4)
    assert_allclose(wrapped(teachers.standardise(model, IMAGES)), model(IMAGES), atol=1e-4)
    assert teachers.digest(wrapped) == teachers.digest(model)
    assert teachers.standardised(wrapped) is wrapped


def test_model_without_preprocessing_is_standardised_already():
    model = image_model()
    assert teachers.standardised(model) is model
    assert teachers.unstandardised(model) is model


@pytest.mark.parametrize("sequential", [False, True])
def test_unstandardised_student_expects_what_the_teacher_expects(tmp_path, sequential):
    model = image_model(layers.Rescaling(1 / 255))
    if sequential:
        model = keras.Sequential([keras.Input((5, 5, 2)), *model.layers[1:]])
    wrapped = teachers.standardised(model)
    assert_array_equal(teachers.unstandardised(wrapped)(IMAGES), model(IMAGES))
    student = compression.compress(wrapped, ranks={"conv": (2, 4)})
    student.save(tmp_path / "s.keras")
    for each in (student, keras.models.clone_model(student)):
        each.set_weights(student.get_weights())
        bare = teachers.unstandardised(each)
        assert bare.input_shape == (None, 5, 5, 2)
        # The conv has 2 input channels and 4 outputs: full ranks change nothing.
        assert_allclose(bare(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)
    bare = teachers.unstandardised(keras.saving.load_model(tmp_path / "s.keras"))
    assert_allclose(bare(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ([], ((0.5,), (0.25,))),
        ([layers.Rescaling(1 / 255)], ((0.5,), (0.25,))),
        ([layers.Normalization(mean=[0.5, 0.25], variance=[0.25, 1.0])], ((0.5, 0.25), (0.5, 1.0))),
        ([layers.Normalization(axis=None, mean=51.0, variance=2601.0)], ((0.2,), (0.2,))),
        # Digits of four bits, and a scan of twelve.
        ([layers.Normalization(axis=None, mean=4.8, variance=36.0)], ((0.3,), (0.375,))),
        ([layers.Normalization(axis=None, mean=1024.0, variance=2.0**20)], ((0.5,), (0.5,))),
    ],
)
def test_pixels_are_those_of_images_in_0_to_1(front, expected):
    model = image_model(*front)
    assert_allclose(teachers.image_scale(model), expected, rtol=1e-6)
    assert teachers.pixels(model) == teachers.Pixels(*2 * teachers.image_scale(model))


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (1 / 127.5, -1.0)])
def test_norm_behind_the_first_convolution_tells_what_pixels_are_like(scale, offset):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    # Smooth images of known moments: noise on 6 x 6 points, upsampled, in two channels in step.
    grey = np.kron(rng.normal(size=(64, 6, 6, 1)), np.ones((1, 6, 6, 1)))
    x = 255 * np.clip(np.array([0.3, 0.6]) + 0.15 * grey, 0, 1).astype(np.float32)
    inputs = keras.Input((36, 36, 2))
    y = layers.Conv2D(24, 3)(layers.Rescaling(scale, offset)(inputs))
    model = keras.Model(inputs, layers.BatchNormalization(momentum=0.0)(y))
    model(x, training=True)
    pixels = teachers.pixels(model)
    assert_allclose(pixels.mean, x.mean((0, 1, 2)) / 255, atol=0.01)
    assert_allclose(pixels.std, x.std((0, 1, 2)).mean() / 255, atol=0.02)
    assert (pixels.input_mean, pixels.input_std) == ((0.5,), (0.25,))
