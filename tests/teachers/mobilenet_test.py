import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import compression, export, teachers
from kegnet_tf.teachers.networks import mobilenet


@pytest.fixture(scope="module")
def model():
    return mobilenet((16, 16, 3), num_classes=5, seed=0)


def images(size=2):
    return np.random.default_rng(0).normal(size=(size, 16, 16, 3)).astype(np.float32)


def test_mobilenet_has_as_many_parameters_as_its_text_says():
    default = mobilenet()
    assert default.count_params() == 131_306
    assert compression.trainable_parameters(default) == 127_850


def test_blocks_are_depthwise_and_pointwise_with_their_names(model):
    named = [layer.name for layer in model.layers if layer.weights]
    parts = ("depthwise", "depthwise_bn", "pointwise", "pointwise_bn")
    blocks = [f"block{number}_{part}" for number in range(1, 8) for part in parts]
    assert named == ["conv", "bn", *blocks, "fc"]
    assert model.get_layer("block1_depthwise").output.shape == (None, 8, 8, 32)
    assert model.get_layer("block7_pointwise").output.shape == (None, 4, 4, 192)
    assert model(images()).shape == (2, 5)


def test_width_multiplies_the_channels():
    narrow = teachers.NETWORKS["mobilenet_075"]((32, 32, 1), 10, seed=0)
    filters = [layer.filters for layer in narrow.layers if type(layer) is keras.layers.Conv2D]
    assert filters == [24, 48, 72, 72, 120, 120, 120, 144]


def test_same_seed_gives_the_same_weights_and_another_seed_others(model):
    same, other = (mobilenet((16, 16, 3), 5, seed=seed).get_weights() for seed in (0, 1))
    for a, b, c in zip(model.get_weights(), same, other, strict=True):
        assert_array_equal(a, b)
        assert a.ndim == 1 or not np.array_equal(a, c)


@pytest.mark.slow
def test_depthwise_layers_are_left_alone_and_pointwise_ones_have_two_factors(model):
    rows = compression.layer_report(model, compression.compress(model, 0.3))
    found = {row.name: row.ranks for row in rows}
    assert {name for name in found if "depthwise" in name} == set()
    assert all(found[f"block{number}_pointwise"][0] is None for number in range(1, 8))


@pytest.mark.slow
def test_student_of_a_mobilenet_exports_to_the_same_logits(model, tmp_path):
    student = compression.compress(model, target_ratio=2)
    student.export(tmp_path / "student.tflite", format="litert", verbose=False)
    run = export.predictor(tmp_path / "student.tflite")
    assert_allclose(run(images()), student(images()), atol=1e-5)
