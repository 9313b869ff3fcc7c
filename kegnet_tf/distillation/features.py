"""What goes on inside of a student, beside what goes on in its teacher."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import teachers
from kegnet_tf.compression import TuckerConv2D, TuckerDense

ROWS = 500  # of the artificial data that variances are measured on; ours
_BATCH = 50  # of them at once, where pictures are small


@dataclasses.dataclass(frozen=True)
class Features:
    """The outputs of a student's decomposed layers and of the layers that they came from.

    Attributes:
        student: model from x to [logits, *features].
        teacher: model from x to [logits, *features], of the same shapes.
        variances: of each of the teacher's features, each unit's own, averaged.
    """

    student: keras.Model
    teacher: keras.Model
    variances: Sequence[float]


def paired(student: keras.Model, teacher: keras.Model) -> list[str]:
    """Paths of a student's decomposed layers for which the teacher has one of that path and shape.

    The one that makes the logits is left out: the distillation loss is about them.

    Args:
        student: a Functional model with Tucker layers.
        teacher: a Functional or built Sequential model.
    """
    theirs = _shapes(teacher, keras.layers.Conv2D | keras.layers.Dense)
    if theirs and theirs[-1][1] == teacher.output_shape:
        theirs.pop()
    shapes = dict(theirs)
    own = _shapes(student, TuckerConv2D | TuckerDense)
    return [path for path, shape in own if shapes.get(path) == shape]


def features(student: keras.Model, teacher: keras.Model, x: np.ndarray) -> Features:
    """What the layers give that are `paired`, and what it is measured in.

    Args:
        student: as for `paired`, at least one of whose layers is.
        teacher: as for `paired`.
        x: artificial data, [rows, ...]; the variances are those of the first `ROWS`.
    """
    paths = paired(student, teacher)
    shown, theirs = (
        teachers.showing(model, lambda path, _: path in paths)[0] for model in (student, teacher)
    )
    return Features(shown, theirs, _variances(theirs, x[:ROWS]))


def feature_loss(
    targets: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor], variances: Sequence[float]
) -> tf.Tensor:
    """Squared error between features, in units of the teacher's variance (Romero et al., 2015).

    Args:
        targets: the teacher's features, each [batch, ...].
        outputs: the student's, of the same shapes.
        variances: of each of the teacher's.

    Returns:
        Scalar, averaged over batch and units of each feature, then over features.
    """
    errors = [
        tf.reduce_mean(tf.square(tf.cast(output - target, tf.float32))) / max(variance, 1e-12)
        for target, output, variance in zip(targets, outputs, variances, strict=True)
    ]
    return tf.add_n(errors) / len(errors)


def _shapes(model, kinds):
    """(path, shape of the output) of each layer of some kinds, in order."""
    _, layers = teachers.showing(model, lambda _, layer: isinstance(layer, kinds))
    return [(path, layer.output.shape) for path, layer in layers]


def _variances(shown, x):
    """By sums over batches: all features of all rows may not fit in memory."""
    moments, rows = [], teachers.rows_at_once(x.shape[1:], _BATCH)
    for start in range(0, len(x), rows):
        _, *outputs = shown.predict_on_batch(x[start : start + rows])
        outputs = [np.asarray(each, np.float64) for each in outputs]
        moments.append([(each.sum(axis=0), np.square(each).sum(axis=0)) for each in outputs])
    variances = []
    for batches in zip(*moments, strict=True):
        mean, square = (sum(part) / len(x) for part in zip(*batches, strict=True))
        variances.append(float(np.mean(square - np.square(mean))))
    return variances
