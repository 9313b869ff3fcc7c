"""The data that fix the ranges of int8, and what else a conversion is told of a run's data."""

import dataclasses

import numpy as np

from kegnet_tf import synthesis, teachers
from kegnet_tf.runs import unlabeled


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The data that fix the ranges of int8.

    Attributes:
        name: one of `synthesis.SOURCES`, or any name where there are `data`; "" for the run's own
            artificial data, on which its students are measured.
        data: [size, ...], as the student expects them, of which the first are taken as they are;
            None to draw them from the source.
    """

    name: str = ""
    data: np.ndarray | None = None


def calibration(run, name: str) -> Calibration:
    """The data that a name stands for; "" as in `Calibration`.

    Args:
        run: a `Run`.
        name: one of `synthesis.SOURCES`, "train" for the preset's real training data, or a `.npz`
            file with an array `x`, see `datasets.load_examples`.

    Raises:
        ValueError: if it is none of them.
    """
    if name == "train":
        return Calibration(name, run.real.training_examples())
    if name.endswith(".npz"):
        return Calibration(name, run.real.examples(name))
    if not name:
        return Calibration()
    if name not in synthesis.SOURCES:
        raise ValueError(
            f"`calibration` must be one of {', '.join(synthesis.SOURCES)}, train, or a .npz file. "
            f"Received: {name!r}."
        )
    unlabeled.check_calibration(run, name)
    if name != "unlabeled":
        return Calibration(name)
    size = run.config.export.calibration_size
    x, _ = run.source(name).sample(size, run.seed("calibration"))
    return Calibration(name, expected(run, x))


def examples(run, record, raw: tuple | None) -> np.ndarray:
    """Artificial data that fix ranges, [size, ...], as the student expects them.

    They are multiplied by the record's `headroom`; pixels, where `raw` tells which there are, go
    beyond theirs by no more than that.

    Args:
        run: a `Run`.
        record: an `export.ExportRecord`.
        raw: of `raw_values`.
    """
    own = record.calibration == run.config.source
    source = run.source("" if own else record.calibration)
    x, _ = source.sample(record.calibration_size, run.seed("calibration"))
    x = expected(run, x, record.headroom)
    if not raw or len(record.input_shape) != 3:
        return x
    mean, std = (np.asarray(part, np.float32) for part in raw)
    middle, half = (0.5 - mean) / std, 0.5 / std  # of pixels in [0, 1], standardised
    return np.clip(x, middle - record.headroom * half, middle + record.headroom * half)


def expected(run, x: np.ndarray, times: float = 1.0) -> np.ndarray:
    """Standardised data as the student expects them, multiplied where they are standardised."""
    mean, std = (np.asarray(part, np.float32) for part in teachers.input_scale(run.classifier))
    return mean + std * np.float32(times) * x


def raw_values(run, model) -> tuple | None:
    """What `export.save` is told of raw values: the preset's numbers, or the model's own."""
    if run.config.data.get("mean"):
        return tuple(run.config.data.mean), tuple(run.config.data.std)
    return None if teachers.input_scale(model) == (0.0, 1.0) else ()


def inputs(run) -> str:
    """What is taken to be known of real data, for people: a wrong guess here spoils a whole run."""
    mean, std = run.config.data.get("mean"), run.config.data.get("std")
    if mean:
        numbers = f"less {_numbers(mean)} and divided by {_numbers(std)}"
        return f"inputs: pixels in [0, 1], {numbers} before they reach the teacher"
    mean, std = teachers.input_scale(run.classifier)
    if (mean, std) != (0.0, 1.0):
        found = f"mean {_numbers(mean)}, deviation {_numbers(std)}"
        return f"inputs: what the teacher standardises itself, by its first layer of {found}"
    others = "; if not, say --input_mean and --input_std" * (len(run.classifier.input_shape) == 4)
    return f"inputs: taken to be of mean 0 and deviation 1, as no layer tells{others}"


def _numbers(values):
    """The first of several numbers, as people read them."""
    text = ", ".join(f"{value:.4g}" for value in values[:3])
    return f"{text}, ..." if len(values) > 3 else text
