"""Short trainings that settle what suits a student: its loss and its mode of BatchNorm."""

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

    Args:
        student: classifier from x to logits.
        asked: loss and mode, either of which may be "auto".
        agreement: function of a choice that gives the share of held-out artificial data on which
            the student agrees with its teacher after a pilot.

    Returns:
        The choice without "auto".
    """
    images = len(student.input_shape) == 4
    norms = any(teachers.layers_of_kind(student, keras.layers.BatchNormalization))
    modes = MODES if norms else ("inference",)
    modes = modes if asked.batch_norm == "auto" else (asked.batch_norm,)
    losses = LOSSES if images else ("cross_entropy",)
    losses = losses if asked.loss == "auto" else (asked.loss,)
    if len(modes) == len(losses) == 1:
        return Choice(losses[0], modes[0])
    agreements = {mode: agreement(Choice(losses[0], mode)) for mode in modes}
    mode = max(agreements, key=agreements.get)
    if len(losses) > 1 and agreement(Choice(losses[1], mode)) >= agreements[mode] + MARGIN:
        return Choice(losses[1], mode)
    return Choice(losses[0], mode)
