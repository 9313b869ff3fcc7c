"""What compression did to each layer of a model, and to the model's size."""

import dataclasses
import math
from collections.abc import Sequence

import keras
import numpy as np
import tabulate
from keras import ops

from kegnet_tf import teachers
from kegnet_tf.compression import arithmetic
from kegnet_tf.compression.tucker import TUCKER


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """What became of one candidate for decomposition.

    Attributes:
        name: its path, "outer/inner" inside a nested model.
        ranks: (in, out), None for a side without a factor; None where it was left alone.
        parameters: (before, after).
        multiply_adds: (before, after), of one example over all calls; None where an input's size
            is open.
        error: the kernel's relative Frobenius error.
        note: why it was left alone, "left alone" if the student was loaded from a file; else "".
    """

    name: str
    ranks: tuple[int | None, int | None] | None
    parameters: tuple[int, int]
    multiply_adds: tuple[int | None, int | None]
    error: float
    note: str


def layer_report(model: keras.Model, student: keras.Model) -> list[LayerReport]:
    """What became of each candidate, in the order of the model.

    Args:
        model: the model that was compressed.
        student: what `compress` made of it.

    Raises:
        ValueError: if `student` was not made of `model`.
    """
    kinds = {*TUCKER, *TUCKER.values()}
    calls = teachers.calls_of_kinds(student, kinds)
    made = {path: layer for layer, (path, _) in calls.items()}
    rows = []
    for layer, (path, shapes) in teachers.calls_of_kinds(model, TUCKER).items():
        if path not in made:
            raise ValueError(f"`student` must be made of `model`. Received: one without {path!r}.")
        both = layer, made[path]
        ranks = getattr(made[path], "ranks", None)
        dense = ops.convert_to_numpy(layer.kernel)
        lost = ops.convert_to_numpy(made[path].dense_kernel()) - dense if ranks else 0.0
        rows.append(
            LayerReport(
                name=path,
                ranks=ranks,
                parameters=tuple(one.count_params() for one in both),
                multiply_adds=tuple(arithmetic.of_layer(one, shapes) for one in both),
                error=float(np.linalg.norm(lost) / (np.linalg.norm(dense) or 1.0)),
                note="" if ranks else getattr(made[path], "left_alone", "left alone"),
            )
        )
    return rows


def layer_table(rows: Sequence[LayerReport]) -> str:
    """A Markdown table of what became of each candidate; what is None stays empty."""
    table = {
        "layer": [row.name for row in rows],
        "ranks": [row.ranks and _pair(row.ranks) for row in rows],
        "parameters": [_count(row.parameters[0]) for row in rows],
        "then": [_count(row.parameters[1]) for row in rows],
        "multiply adds": [_count(row.multiply_adds[0]) for row in rows],
        "after": [_count(row.multiply_adds[1]) for row in rows],
        "kernel error": [f"{row.error:.3f}" for row in rows],
        "note": [row.note for row in rows],
    }
    return tabulate.tabulate(table, headers="keys", tablefmt="github", disable_numparse=True)


def trainable_parameters(model: keras.Model) -> int:
    """Trainable parameters: gamma and beta of a BatchNorm count, its moving statistics do not."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def compression_ratio(teacher: keras.Model, student: keras.Model) -> float:
    """Trainable parameters of the teacher over those of the student; above 1 is smaller."""
    return trainable_parameters(teacher) / trainable_parameters(student)


def _pair(ranks):
    return f"({', '.join('all' if rank is None else str(rank) for rank in ranks)})"


def _count(number):
    return None if number is None else f"{number:,}"
