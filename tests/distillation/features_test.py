import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from kegnet_tf import compression, distillation
from kegnet_tf.distillation import DistillationSettings
from kegnet_tf.distillation.features import feature_loss, features, paired

X = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(0)
    front = [keras.layers.Dense(8, "tanh", name=f"fc{number}") for number in (1, 2, 3)]
    return keras.Sequential([keras.Input((6,)), *front, keras.layers.Dense(3, name="fc4")])


def student_of(teacher):
    return compression.compress(teacher, {"fc[134]": (None, 2)})


def test_decomposed_layers_are_paired_with_the_teachers_but_for_the_one_of_the_logits(teacher):
    assert paired(student_of(teacher), teacher) == ["fc1", "fc3"]
    found = features(student_of(teacher), teacher, X)
    logits, *outputs = found.teacher(X)
    assert_allclose(logits, teacher(X), rtol=1e-6)
    by_hand = keras.Model(teacher.inputs[0], teacher.get_layer("fc3").output)
    assert_allclose(outputs[1], by_hand(X), rtol=1e-6)


def test_layers_of_nested_models_behind_a_rescaling_are_paired(teacher):
    inputs = keras.Input((6,))
    outer = keras.Model(inputs, teacher(keras.layers.Rescaling(2.0)(inputs)))
    assert [path.split("/")[-1] for path in paired(student_of(outer), outer)] == ["fc1", "fc3"]


def test_model_without_decomposed_layers_or_of_other_names_has_none(teacher):
    assert paired(teacher, teacher) == []
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(3)])
    assert paired(compression.compress(other, {".*": (None, 2)}), teacher) == []


def test_operations_of_several_outputs_do_not_stand_in_the_way():
    inputs = keras.Input((6,))
    one, other = keras.ops.split(keras.layers.Dense(8, name="fc1")(inputs), 2, axis=1)
    logits = keras.layers.Dense(3, name="fc2")(one + other)
    model = keras.Model(inputs, logits)
    student = compression.compress(model, {"fc.": (None, 2)})
    assert paired(student, model) == ["fc1"]
    assert len(features(student, model, X).variances) == 1


def test_loss_is_1_for_features_that_are_their_means_and_0_for_the_teachers_own(teacher):
    found = features(student_of(teacher), teacher, X)
    _, *targets = found.teacher(X)
    variances = found.variances
    means = [tf.ones_like(each) * tf.reduce_mean(each, axis=0) for each in targets]
    assert_allclose(feature_loss(targets, means, variances), 1, rtol=1e-5)
    assert feature_loss(targets, targets, variances) == 0


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["off", "on"])
def test_features_that_are_matched_come_closer_to_the_teachers(teacher, choice):
    student = student_of(teacher)
    found = features(student, teacher, X)
    p = tf.nn.softmax(teacher(X)).numpy()
    data = tf.data.Dataset.from_tensors((X, p)).repeat()
    settings = DistillationSettings(epochs=1, steps_per_epoch=60, learning_rate=0.02)
    settings = dataclasses.replace(settings, features=choice)

    def error():
        outputs = [model(X)[1:] for model in (found.teacher, found.student)]
        return float(feature_loss(*outputs, found.variances))

    before = error()
    distillation.distil(student, data, (X, p), settings, teacher=teacher, verbose=0)
    assert (error() < 0.8 * before) == (choice == "on")


@pytest.mark.slow
def test_teacher_learns_nothing(teacher):
    before = teacher.get_weights()
    p = tf.nn.softmax(teacher(X)).numpy()
    data = tf.data.Dataset.from_tensors((X, p)).repeat()
    settings = DistillationSettings(epochs=1, steps_per_epoch=3, features="on")
    distillation.distil(student_of(teacher), data, (X, p), settings, teacher=teacher, verbose=0)
    for one, other in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
