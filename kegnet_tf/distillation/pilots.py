"""Short trainings that settle what suits a student: its loss, mode of BatchNorm and features."""

import dataclasses
import functools
from collections.abc import Callable

import keras

from kegnet_tf import teachers
from kegnet_tf.distillation.settings import FEATURES, LOSSES, MODES, Choice

STEPS = 100  # of a pilot; ours, see docs/method.md
# By which cross entropy must agree better after its pilot, since it aims at agreement; ours.
MARGIN = 0.1
FEATURES_MARGIN = 0.01  # by which features must, which cost a pass of the teacher; ours


def choose(student: keras.Model, asked: Choice, agreement: Callable[[Choice], float]) -> Choice:
    """Settles each "auto" by pilots: trainings of `STEPS` steps from the same start.

    Only what can matter is tried: the loss and the features for images, the mode for students with
    BatchNorm.

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
    features = _candidates(asked.features, FEATURES if images else ("off",))
    best = Choice(losses[0], modes[0], features[0])
    if len(modes) > 1:
        best = max((dataclasses.replace(best, batch_norm=mode) for mode in modes), key=agreement)
    rivals = ("features", features, FEATURES_MARGIN), ("loss", losses, MARGIN)
    for name, candidates, margin in rivals:
        for each in candidates[1:]:
            least = agreement(best) + margin
            other = dataclasses.replace(best, **{name: each})
            best = other if agreement(other) >= least else best
    return best


def _candidates(asked, known):
    return known if asked == "auto" else (asked,)
