"""What suits a student: its features by a rule, its loss and BatchNorm by short trainings."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from kegnet_tf import extraction, teachers
from kegnet_tf.distillation.settings import LOSSES, MODES, Choice

STEPS = 100  # of a pilot; ours, see docs/method.md
# By which cross entropy must agree better after its pilot, since it aims at agreement; ours.
MARGIN = 0.1
# Times the learning rate where "auto" is inference mode, in which BatchNorm holds nothing; ours.
GENTLE = 0.3


class Outcomes:
    """What pilots gave, kept beside the backup of the training that they are for.

    Args:
        path: of that backup, ending in .npz; None to keep nothing.
    """

    def __init__(self, path: pathlib.Path | None):
        self.path = path and path.with_name(f"{path.stem}.pilots.npz")
        stands = self.path and self.path.exists()
        self.agreements = extraction.read_arrays(self.path) if stands else {}

    def backup(self, choice: Choice) -> pathlib.Path | None:
        """Where the state of one pilot is kept while it lasts."""
        own = f"-{'-'.join(dataclasses.astuple(choice))}.npz"
        return self.path and self.path.with_name(self.path.stem + own)

    def kept(self, agreement: Callable[[Choice], float]) -> Callable[[Choice], float]:
        """The same function, which asks for what it knows no more."""

        def known(choice):
            name = "-".join(dataclasses.astuple(choice))
            if name not in self.agreements:
                self.agreements[name] = np.float64(agreement(choice))
                if self.path:
                    extraction.write_arrays(self.path, self.agreements)
            return float(self.agreements[name])

        return known


def remove_backup(path: str | os.PathLike) -> None:
    """Removes what `distil` has kept at a path, where anything is left.

    Args:
        path: its `backup`.
    """
    path = pathlib.Path(path)
    for each in (path, *path.parent.glob(f"{path.stem}.pilots*.npz")):
        each.unlink(missing_ok=True)


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
    norms = _norms(student)
    modes = _candidates(asked.batch_norm, MODES if norms else ("inference",))
    losses = _candidates(asked.loss, LOSSES if images else ("cross_entropy",))
    features = asked.features
    if features == "auto":
        features = "on" if images and norms else "off"
    best = Choice(losses[0], modes[0], features)
    if len(modes) > 1:
        tried = [dataclasses.replace(best, batch_norm=mode) for mode in modes]
        # Of equals, the one that keeps the statistics of real data.
        best = max(tried, key=lambda each: (agreement(each), each.batch_norm == "inference"))
    if len(losses) > 1:
        least = agreement(best) + MARGIN
        other = dataclasses.replace(best, loss=losses[1])
        best = other if agreement(other) >= least else best
    return best


def pace(student: keras.Model, asked: Choice, tried: Choice) -> float:
    """What the learning rate is multiplied by: `GENTLE` where BatchNorm is in inference mode.

    Args:
        student: classifier from x to logits.
        asked: what is given; only where its mode is "auto" the rate is not the user's own.
        tried: a choice without "auto".
    """
    auto = asked.batch_norm == "auto" and tried.batch_norm == "inference"
    return GENTLE if auto and _norms(student) else 1.0


def _norms(student):
    return any(teachers.layers_of_kind(student, keras.layers.BatchNormalization))


def _candidates(asked, known):
    return known if asked == "auto" else (asked,)
