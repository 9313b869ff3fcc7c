import keras
import numpy as np
import pytest
import tensorflow as tf

from kegnet_tf import distillation
from kegnet_tf.experiments.accuracy_curves import AccuracyCurves, Figures, figures


def test_figures_are_of_the_last_epoch_the_one_of_best_agreement_and_the_one_of_best_validation():
    # The start and three epochs.
    test, valid, agreement = [0.1, 0.6, 0.8, 0.7], [0.2, 0.9, 0.5, 0.4], [0.3, 0.5, 0.4]
    assert figures(test, valid, agreement) == Figures(last=0.7, agreement=0.8, oracle=0.6)


def test_oracle_is_never_taken_from_test_data():
    assert figures([0.1, 0.9, 0.7], [], [0.5, 0.6]).oracle is None


def test_oracle_may_choose_the_start_but_agreement_only_what_was_trained():
    found = figures([0.9, 0.2, 0.1], [0.8, 0.3, 0.2], [0.1, 0.1])
    assert found == Figures(last=0.1, agreement=0.2, oracle=0.9)


@pytest.mark.parametrize(("valid", "oracle"), [([0.5], 0.4), ([], None)])
def test_student_that_does_not_learn_has_one_figure(valid, oracle):
    assert figures([0.4], valid, []) == Figures(last=0.4, agreement=0.4, oracle=oracle)


def data(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3


def distilled(callbacks):
    student = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(0)),
        ]
    )
    x, label = data(0)
    p = np.eye(3, dtype=np.float32)[label]
    stream = tf.data.Dataset.from_tensor_slices((x, p)).repeat().batch(4)
    settings = distillation.DistillationSettings(
        batch_norm="training", learning_rate=0.01, epochs=2, steps_per_epoch=3
    )
    made = distillation.distil(student, stream, (x, p), settings, callbacks=callbacks, verbose=0)
    return student, made.history.history


@pytest.mark.slow
def test_curves_hold_the_start_and_each_epoch_and_change_nothing():
    curves = AccuracyCurves(data(1), data(2))
    student, history = distilled([curves])
    alone, _ = distilled([])
    for with_curves, without in zip(student.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(with_curves, without)
    assert [len(curves.test), len(curves.valid), len(curves.agreement)] == [3, 3, 2]
    assert curves.agreement == history["val_agreement"]
    for values, (x, label) in ((curves.test, data(1)), (curves.valid, data(2))):
        right = np.argmax(student.predict_on_batch(x), axis=1) == label
        assert values[-1] == right.mean()
