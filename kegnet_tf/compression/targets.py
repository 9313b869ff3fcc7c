"""Ranks for a target of the whole model: its ratio, its multiply-adds, its file, its time."""

from collections.abc import Callable, Mapping, Sequence

import keras

from kegnet_tf import teachers
from kegnet_tf.compression import arithmetic, budgets, costs
from kegnet_tf.compression.layer_report import trainable_parameters

Calls = Mapping[keras.layers.Layer, Sequence[tuple]]


def reached(model: keras.Model, calls: Calls, name: str, target: float) -> budgets.Answers:
    """Ranks with which a model reaches a target.

    Args:
        model: as in `compress`.
        calls: {layer: shapes of its inputs, one a call} of the layers that may be decomposed.
        name: one of `policies.TARGETS`.
        target: as in `Policy`.

    Returns:
        As `Budget.spend`.

    Raises:
        ValueError: if the target is out of reach, or the size of the model's input is open where
            that counts.
    """
    return _BY_NAME[name](model, calls, target)


def _ratio(model, calls, ratio):
    budget = budgets.Budget(calls, costs.parameters, _parameters(model))
    largest = budget.total / budget.least
    if ratio > largest:
        raise _out_of_reach("target_ratio", 1, budgets.down(largest), ratio)
    return budget.spend(budget.total / ratio)


def _macs(model, calls, share):
    total = arithmetic.multiply_adds(model)
    if total is None:
        raise ValueError(
            "`target_macs` must be asked of a model whose input's size is known. "
            f"Received: {share!r}, for inputs of {model.input_shape}."
        )
    budget = budgets.Budget(calls, costs.multiply_adds, total)
    least = budget.least / total
    if share < least:
        raise _out_of_reach("target_macs", budgets.up(least), 1, share)
    return budget.spend(share * total)


def _kilobytes(model, calls, kilobytes):
    budget = budgets.Budget(calls, costs.int8_bytes, costs.file_bytes(model))
    least = budget.least / 1000
    if kilobytes < least:
        raise _out_of_reach("target_kb", budgets.up(least), "any size", kilobytes)
    return budget.spend(1000 * kilobytes)


def _parameters(model):
    """Trainable ones, of a copy where nothing is frozen."""
    return trainable_parameters(teachers.rebuilt(model, lambda layer: None)[0])


def _out_of_reach(name, least, most, value):
    return ValueError(
        f"`{name}` must lie in [{least}, {most}] for this model and these layers. "
        f"Received: {value!r}."
    )


_BY_NAME: dict[str, Callable] = {
    "target_ratio": _ratio,
    "target_macs": _macs,
    "target_kb": _kilobytes,
}
