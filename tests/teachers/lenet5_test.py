import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kegnet_tf.teachers.networks import lenet5


def test_default_lenet5_has_61706_parameters():
    assert lenet5().count_params() == 61_706


def test_lenet5_names_the_layers_that_students_and_presets_name():
    model = lenet5()
    named = [layer.name for layer in model.layers if layer.weights]
    assert named == ["conv1", "conv2", "conv3", "fc1", "fc2"]
    shapes = [model.get_layer(name).kernel.shape for name in named]
    assert shapes == [(5, 5, 1, 6), (5, 5, 6, 16), (5, 5, 16, 120), (120, 84), (84, 10)]


def test_lenet5_takes_larger_images_and_other_channels_and_classes():
    model = lenet5((32, 36, 3), num_classes=5, seed=0)
    assert model(np.zeros((2, 32, 36, 3), np.float32)).shape == (2, 5)


def test_lenet5_answers_in_logits():
    logits = np.asarray(lenet5(seed=0)(np.random.default_rng(0).normal(size=(4, 32, 32, 1))))
    assert logits.min() < 0
    assert not np.allclose(logits.sum(axis=1), 1)


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    one, same, other = (lenet5(seed=seed).get_weights() for seed in (0, 0, 1))
    for a, b, c in zip(one, same, other, strict=True):
        assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)


@pytest.mark.parametrize("shape", [(31, 32, 1), (32, 31, 1), (28, 28, 1)])
def test_image_that_is_too_small_is_refused(shape):
    with pytest.raises(ValueError, match="`input_shape` must be at least 32 pixels each way. Rec"):
        lenet5(shape)
