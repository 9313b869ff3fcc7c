"""How good a model is: agreement with its teacher, accuracy where real data are at hand."""

import dataclasses
from collections.abc import Callable

import numpy as np

from kegnet_tf import teachers

Predict = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Measures:
    """Of a model on real data; all None without data.

    Attributes:
        accuracy: fraction of all examples.
        balanced_accuracy: mean of the recalls of the classes that have examples.
        recall: fraction of each class, None for a class without examples.
    """

    accuracy: float | None = None
    balanced_accuracy: float | None = None
    recall: list[float | None] | None = None


def accuracy(predict: Predict, x: np.ndarray, label: np.ndarray) -> float:
    """Share of examples whose largest output is their label.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        label: integers, [size].
    """
    return float(np.mean(_answers(predict, x) == label))


def agreement(predict: Predict, x: np.ndarray, p: np.ndarray) -> float:
    """Share of examples whose largest output is the teacher's.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        p: the teacher's probabilities, [size, num_classes].
    """
    return float(np.mean(_answers(predict, x) == np.argmax(p, axis=-1)))


def confusion(predict: Predict, x: np.ndarray, label: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class is answered for each label.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        label: integers, [size].
        num_classes: how many classes there are.

    Returns:
        Counts, [label, answer].
    """
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (label, _answers(predict, x)), 1)
    return counts


def measures(counts: np.ndarray | None) -> Measures:
    """Accuracy in all, as a mean over the classes, and of each class.

    Args:
        counts: [label, answer], as from `confusion`, or None.
    """
    if counts is None:
        return Measures()
    totals, right = counts.sum(axis=1), np.diag(counts)
    recall = [float(r / total) if total else None for r, total in zip(right, totals, strict=True)]
    return Measures(
        float(right.sum() / counts.sum()),
        float(np.mean([share for share in recall if share is not None])),
        recall,
    )


def _answers(predict, x):
    batch_size = teachers.rows_at_once(x.shape[1:], 500)
    batches = [x[start : start + batch_size] for start in range(0, len(x), batch_size)]
    return np.concatenate([np.argmax(predict(batch), axis=-1) for batch in batches])
