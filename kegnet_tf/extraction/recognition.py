"""Whether a teacher recognises what a generator draws, and what a run keeps of each generator."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from kegnet_tf import teachers
from kegnet_tf.extraction import latents


@dataclasses.dataclass(frozen=True)
class GeneratorResult:
    """What `report.json` holds of a trained generator.

    Attributes:
        seed: its index among the run's generators.
        seconds: of its training; of those trained together, an equal share.
        steps: of training that the generator kept.
        stopped: whether losses or weights were not finite any more.
        accuracy: share of its data in which the teacher sees the class asked for.
        shares: of each class among the teacher's answers, [num_classes].
        classifier_loss: mean over the last epoch kept, None where it was not computed; the other
            losses the same.
        decoder_loss: of the last epoch kept.
        diversity_loss: of the last epoch kept.
        statistics_loss: of the last epoch kept.
    """

    seed: int
    seconds: float
    steps: int
    stopped: bool
    accuracy: float
    shares: Sequence[float]
    classifier_loss: float | None = None
    decoder_loss: float | None = None
    diversity_loss: float | None = None
    statistics_loss: float | None = None


def recognition(
    teacher: keras.Model, generator: keras.Model, seed: int, size: int = 1000
) -> tuple[float, np.ndarray]:
    """What the teacher answers where a generator was asked for one class at a time.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        seed: integer of the latents and labels.
        size: how many examples.

    Returns:
        (accuracy, shares): the share of answers that are the label asked for, and the share of
        each class among the answers, [num_classes].
    """
    right, counts = 0, np.zeros(generator.num_classes, np.int64)
    # Keras keeps what every layer gives until a model has been called, unless a graph does it.
    most = teachers.rows_at_once([2, *teacher.input_shape[1:]], 250)
    for step in range(-(-size // most)):
        rows = min(most, size - most * step)
        shape = rows, generator.num_classes, generator.latent_dim
        y, z = latents.sample(seed, step, *shape, "onehot")
        logits = teacher(generator((y, z), training=False), training=False)
        answers = np.argmax(logits, axis=-1)
        right += np.sum(answers == np.argmax(y, axis=-1))
        counts += np.bincount(answers, minlength=generator.num_classes)
    return float(right / size), counts / size


def least_recognition(num_classes: int) -> float:
    """Accuracy on asked labels below which a generator is left out.

    Twice chance; with two classes, where that is 1, halfway from chance to 1.
    """
    return min(2 / num_classes, (1 + 1 / num_classes) / 2)
