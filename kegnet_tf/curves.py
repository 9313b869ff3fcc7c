"""How good a student is in truth while it learns; nothing here reaches the learning."""

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import evaluation


class Curves(keras.callbacks.Callback):
    """Accuracy on real data of `distillation.Distiller`'s student, before and after each epoch.

    Attributes:
        test: of the test split, [1 + epochs].
        valid: of the validation split, likewise; empty without one.
        agreement: with the teacher on held-out synthetic data, [epochs].

    Args:
        test: (x, label), standardised.
        valid: likewise, or None.
    """

    def __init__(self, test, valid):
        super().__init__()
        self.splits = {"test": test} | ({"valid": valid} if valid else {})
        self.test, self.valid, self.agreement = [], [], []

    def measure(self, predict):
        for name, data in self.splits.items():
            getattr(self, name).append(evaluation.accuracy(predict, *data))

    def on_train_begin(self, logs=None):
        student = self.model.student
        # `predict_on_batch` answers once for each replica of a distributed student.
        self.predict = tf.function(lambda x: student(x, training=False), reduce_retracing=True)
        self.measure(self.predict)

    def on_epoch_end(self, epoch, logs=None):
        self.measure(self.predict)
        self.agreement.append(float(logs["val_agreement"]))


def figures(test, valid, agreement):
    """The three figures of a cell; of epochs that are equally good, the first counts.

    Args:
        test: accuracy on real test data of the start and after each epoch.
        valid: likewise on real validation data; empty without any.
        agreement: with the teacher on synthetic data, after each epoch.

    Returns:
        {"last", "agreement", "oracle"}: fractions. The oracle may also choose the start, as the
        paper's authors do, and is None without `valid`.
    """
    chosen = 1 + int(np.argmax(agreement)) if agreement else 0
    return {
        "last": test[-1],
        "agreement": test[chosen],
        "oracle": test[int(np.argmax(valid))] if valid else None,
    }
