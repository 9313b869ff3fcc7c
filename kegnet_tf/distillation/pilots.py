"""What suits a student: its features by a rule, its loss and BatchNorm by short trainings."""

import dataclasses
import functools
from collections.abc import Callable

import keras

from kegnet_tf import teachers
from kegnet_tf.distillation.settings import LOSSES, MODES, Choice

STEPS = 100  # of a pilot; ours, see docs/method.md
# By which cross entropy must agree better after its pilot, since it aims at agreement; ours.
MARGIN = 0.1


def choose(student: keras.Model, asked: Choice, agreement: Callable[[Choice], float]) -> Choice:
    """Settles each "auto" by pilots: trainings of `STEPS` steps from the same start.

    Only what can matter is tried: the loss for images, the mode for students with BatchNorm.
    Features need no pilot: students of images match them where they have BatchNorm.

    Args:
        student: classifier from x to logits.
        asked: what is given, any of it may be "auto".
        agreement: function of a choice that gives the share of held-out artificial data on which
            the student agrees with its teacher after a pilot.

    Returns:
        The choice without "auto".
    """
    agreement = functools.cache(agreement)
    images = len(student.input_shape) == 4
    norms = any(teachers.layers_of_kind(student, keras.layers.BatchNormalization))
    modes = _candidates(asked.batch_norm, MODES if norms else ("inference",))
    losses = _candidates(asked.loss, LOSSES if images else ("cross_entropy",))
    features = asked.features
    if features == "auto":
        features = "on" if images and norms else "off"
    best = Choice(losses[0], modes[0], features)
    if len(modes) > 1:
        best = max((dataclasses.replace(best, batch_norm=mode) for mode in modes), key=agreement)
    if len(losses) > 1:
        least = agreement(best) + MARGIN
        other = dataclasses.replace(best, loss=losses[1])
        best = other if agreement(other) >= least else best
    return best


def _candidates(asked, known):
    return known if asked == "auto" else (asked,)
