"""What goes on inside of a student, beside what goes on in its teacher."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import teachers
from kegnet_tf.compression import TuckerConv2D, TuckerDense

ROWS = 500  # of the artificial data that variances are measured on; ours


@dataclasses.dataclass(frozen=True)
class Features:
    """The outputs of a student's decomposed layers and of the layers that they came from.

    Attributes:
        student: model from x to [logits, *features].
        teacher: model from x to [logits, *features], of the same shapes.
        paths: of the layers, in order.
        variances: of each of the teacher's features, each unit's own, averaged.
    """

    student: keras.Model
    teacher: keras.Model
    paths: Sequence[str]
    variances: Sequence[float]


def features(student: keras.Model, teacher: keras.Model, x: np.ndarray) -> Features | None:
    """Pairs each decomposed layer of a student with the teacher's of the same path and shape.

    The last layer, which makes the logits, is left out: the distillation loss is about them.

    Args:
        student: a Functional model with Tucker layers.
        teacher: a Functional or built Sequential model.
        x: artificial data, [rows, ...]; the variances are those of the first `ROWS`.

    Returns:
        None where there is no such pair.
    """
    outputs = {path: layer.output.shape for path, layer in _layers(teacher)[:-1]}
    paths = {
        path
        for path, layer in _layers(student)
        if isinstance(layer, TuckerConv2D | TuckerDense) and outputs.get(path) == layer.output.shape
    }
    if not paths:
        return None
    shown, found = teachers.showing(student, lambda path, _: path in paths)
    theirs, _ = teachers.showing(teacher, lambda path, _: path in paths)
    _, *values = theirs.predict_on_batch(x[:ROWS])
    variances = [float(np.mean(np.var(each, axis=0))) for each in values]
    return Features(shown, theirs, [path for path, _ in found], variances)


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


def _layers(model):
    return teachers.showing(model, lambda *_: True)[1]
