"""How good a student is in truth while it learns; nothing here reaches the learning."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import distillation


class AccuracyCurves(keras.callbacks.Callback):
    """Accuracy on real data of `distillation.Distiller`'s student, before and after each epoch.

    Attributes:
        test: on the test split, [1 + epochs].
        valid: on the validation split, [1 + epochs]; empty without one.
        agreement: with the teacher on held-out synthetic data, [epochs].

    Args:
        test: (x, label), standardised.
        valid: (x, label), standardised, or None.
    """

    def __init__(
        self,
        test: tuple[np.ndarray, np.ndarray],
        valid: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        super().__init__()
        self.splits = {"test": test} | ({"valid": valid} if valid else {})
        self.test, self.valid, self.agreement = [], [], []

    def measure(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Adds a point to each curve.

        Args:
            predict: function from a batch to logits or probabilities.
        """
        for name, data in self.splits.items():
            getattr(self, name).append(distillation.accuracy(predict, *data))

    def on_train_begin(self, logs=None):
        student = self.model.student
        # `predict_on_batch` answers once for each replica of a distributed student.
        self.predict = tf.function(lambda x: student(x, training=False), reduce_retracing=True)
        self.measure(self.predict)

    def on_epoch_end(self, epoch, logs=None):
        self.measure(self.predict)
        self.agreement.append(float(logs["val_agreement"]))


@dataclasses.dataclass(frozen=True)
class Figures:
    """The three figures of a cell: accuracy on real test data, a fraction, of three epochs.

    Attributes:
        last: of the last one; in a cell, of the student that was kept.
        agreement: of the one that agrees best with the teacher on held-out synthetic data.
        oracle: of the one that is best on real validation data; None without any.
    """

    last: float
    agreement: float
    oracle: float | None


def figures(test: Sequence[float], valid: Sequence[float], agreement: Sequence[float]) -> Figures:
    """The figures of a cell; of epochs that are equally good, the first counts.

    The oracle may also choose the start, as the paper's authors do.

    Args:
        test: accuracy on real test data, of the start and after each epoch.
        valid: accuracy on real validation data at the same moments; empty without any.
        agreement: with the teacher on synthetic data, after each epoch.
    """
    chosen = 1 + int(np.argmax(agreement)) if agreement else 0
    return Figures(
        last=test[-1],
        agreement=test[chosen],
        oracle=test[int(np.argmax(valid))] if valid else None,
    )
