"""Ranks for a target of the whole model: its ratio, its multiply-adds, its file, its time."""

import logging
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kegnet_tf import teachers
from kegnet_tf.compression import arithmetic, budgets, costs, latency
from kegnet_tf.compression.layer_report import trainable_parameters
from kegnet_tf.compression.plain import plain

logger = logging.getLogger(__name__)
TRIES = 5  # to reach a time; ours
CLOSE, FAR = 0.03, 0.1  # of it: done, and refused; ours
Calls = Mapping[keras.layers.Layer, Sequence[tuple]]


def reached(
    model: keras.Model,
    calls: Calls,
    name: str,
    target: float,
    make: Callable[[budgets.Answers], keras.Model],
) -> budgets.Answers:
    """Ranks with which a model reaches a target.

    Args:
        model: as in `compress`.
        calls: {layer: shapes of its inputs, one a call} of the layers that may be decomposed.
        name: one of `policies.TARGETS`.
        target: as in `Policy`.
        make: function that makes a student of answers, to be timed.

    Returns:
        As `Budget.spend`.

    Raises:
        ValueError: if the target is out of reach, or the size of the model's input is open where
            that counts.
    """
    return _BY_NAME[name](model, calls, target, make)


def largest_ratio(model: keras.Model, calls: Calls) -> float:
    """The largest `target_ratio` that a model can be asked; arguments as those of `reached`."""
    budget = budgets.Budget(calls, costs.parameters, _parameters(model))
    return budget.total / budget.least


def _ratio(model, calls, ratio, _):
    budget = budgets.Budget(calls, costs.parameters, _parameters(model))
    largest = budget.total / budget.least
    if ratio > largest:
        raise _out_of_reach("target_ratio", 1, budgets.down(largest), ratio)
    return budget.spend(budget.total / ratio)


def _macs(model, calls, share, _):
    total = arithmetic.multiply_adds(model)
    if total is None:
        raise _open_input("target_macs", share, model)
    budget = budgets.Budget(calls, costs.multiply_adds, total)
    least = budget.least / total
    if share < least:
        raise _out_of_reach("target_macs", budgets.up(least), 1, share)
    return budget.spend(share * total)


def _kilobytes(model, calls, kilobytes, _):
    budget = budgets.Budget(calls, costs.int8_bytes, costs.file_bytes(model))
    least = budget.least / 1000
    if kilobytes < least:
        raise _out_of_reach("target_kb", budgets.up(least), "any size", kilobytes)
    return budget.spend(1000 * kilobytes)


def _latency(model, calls, share, make):
    """Layers' own times tell which ranks to take; those of whole models, how far the sum is off."""
    if None in model.input_shape[1:]:
        raise _open_input("target_latency", share, model)
    (total,) = latency.together([model])
    budget = budgets.Budget(calls, latency.milliseconds, total)
    asked, found, fast, slow = share, {}, (0.0, 0.0), (1.0, 1.0)  # (asked for, reached)
    for _ in range(TRIES):
        least = asked * total <= budget.least
        answers = budget.spend(max(asked * total, budget.least))
        before, after = latency.together([model, plain(make(answers))])
        reached = after / before
        found[abs(reached / share - 1)] = reached, answers
        logger.info("Latency: %.3f of the model's; %.3f is asked for.", reached, share)
        if min(found) < CLOSE or least and reached > share:
            break
        now = asked, reached
        fast, slow = (now, slow) if reached < share else (fast, now)
        asked = float(np.interp(share, (fast[1], slow[1]), (fast[0], slow[0])))
    missed = min(found)
    reached, answers = found[missed]
    if reached > share * (1 + FAR):
        raise _out_of_reach("target_latency", budgets.up(reached), 1, share)
    return answers


def _open_input(name, value, model):
    return ValueError(
        f"`{name}` must be asked of a model whose input's size is known. "
        f"Received: {value!r}, for inputs of {model.input_shape}."
    )


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
    "target_latency": _latency,
}
