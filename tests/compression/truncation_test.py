import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from smallest import nested_classifier

from kegnet_tf import compression
from kegnet_tf.compression import Truncation, compress
from kegnet_tf.teachers.networks import lenet5, mobilenet


def small_mobilenet():
    return mobilenet((8, 8, 1), 3, seed=0, width=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.2, 1.5])
@pytest.mark.parametrize("build", [small_mobilenet, nested_classifier])
def test_at_a_ratio_it_is_the_student_before_iterations(build, ratio):
    model = build()
    truncation = Truncation(model)
    answers = truncation.at_ratio(ratio)
    truncation.cut(answers)
    student = compress(model, target_ratio=ratio, start="svd")
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    assert_allclose(truncation.model(x), student(x), rtol=1e-3, atol=1e-4)
    found = truncation.costs_of(answers)
    assert found["parameters"] == compression.trainable_parameters(student)
    assert found["multiply_adds"] == compression.multiply_adds(student)
    # Operations that stand beside the layers are the same, so that only layers differ.
    assert found["int8_bytes"] == compression.int8_bytes(student)


def test_it_goes_back_to_the_whole_model_and_leaves_the_original_alone():
    model = lenet5(num_classes=3, seed=0)
    before = model.get_weights()
    truncation = Truncation(model)
    truncation.cut(truncation.at_ratio(5))
    truncation.cut(truncation.at_ratio(1))
    for weight, copy, kept in zip(
        model.get_weights(), truncation.model.get_weights(), before, strict=True
    ):
        assert_array_equal(weight, kept)
        assert_array_equal(copy, kept)


def test_a_layer_alone_keeps_its_share_of_the_kernel():
    model = lenet5(num_classes=3, seed=0)
    truncation = Truncation(model)
    answers = truncation.alone("fc1", 0.5)
    assert [
        path for path in truncation.layers if isinstance(answers[truncation.layers[path]], tuple)
    ]
    # 120 to 84: 24 * (120 + 84) is the most that fits into half of 120 * 84
    assert answers[truncation.layers["fc1"]] == (None, 24)


def test_a_ratio_beyond_the_largest_is_none():
    model = lenet5(num_classes=3, seed=0)
    largest = Truncation(model).largest_ratio
    with pytest.raises(ValueError, match="`target_ratio` must lie in"):
        compress(model, target_ratio=largest * 1.01)
