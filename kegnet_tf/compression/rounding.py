"""Which tensors of a model suffer from int8: signal and noise of each, on some data."""

import dataclasses
import math

import keras
import numpy as np
import tabulate

from kegnet_tf import teachers
from kegnet_tf.compression.folding import CHANNELS
from kegnet_tf.compression.integers import ranges
from kegnet_tf.compression.rounded import rounded_kernel


@dataclasses.dataclass(frozen=True)
class Rounding:
    """What int8 does to one tensor.

    Attributes:
        tensor: name of the layer that it leaves.
        decibels: ten times the logarithm of its mean square as floats over that of its error, which
            holds what rounding before it did; None where there is no error.
        cut: share of its numbers, as floats, that lie outside of its range.
        low: of the range.
        high: of the range.
    """

    tensor: str
    decibels: float | None
    cut: float
    low: float
    high: float


def roundings(model: keras.Model, x: np.ndarray, rows: int = 10) -> list[Rounding]:
    """What int8 does to each tensor that an integer file keeps, the worst first.

    Args:
        model: of `ranged`, with its ranges fixed; its weights are as before in the end.
        x: [size, ...], as the model expects them.
        rows: how many are run at a time.
    """
    signals, noises, cuts = ({each: [] for each in ranges(model)} for _ in range(3))
    weights = model.get_weights()
    try:
        for first in range(0, len(x), rows):
            batch = x[first : first + rows]
            model.set_weights(weights)
            floats = _tensors(model, batch, lambda each, tensor: tensor)
            _round_kernels(model)
            integers = _tensors(model, batch, lambda each, tensor: each.rounded(tensor))
            for each, tensor in floats.items():
                signals[each].append(np.mean(np.square(tensor)))
                noises[each].append(np.mean(np.square(tensor - integers[each])))
                outside = (tensor < float(each.low)) | (tensor > float(each.high))
                cuts[each].append(np.mean(outside))
    finally:
        model.set_weights(weights)
    found = [
        Rounding(
            tensor=each.name.removesuffix("_range"),
            decibels=_decibels(np.mean(signals[each]), np.mean(noises[each])),
            cut=float(np.mean(cuts[each])),
            low=float(each.low),
            high=float(each.high),
        )
        for each in signals
    ]
    return sorted(found, key=lambda row: math.inf if row.decibels is None else row.decibels)


def rounding_table(rows: list[Rounding], most: int = 10) -> str:
    """Markdown table of the worst tensors; what is None stays empty."""
    cells = [
        [
            row.tensor,
            "" if row.decibels is None else f"{row.decibels:.1f}",
            f"{row.cut:.2%}",
            f"{row.low:.4g} to {row.high:.4g}",
        ]
        for row in rows[:most]
    ]
    headings = ["tensor", "signal to noise, dB", "cut", "range"]
    return tabulate.tabulate(cells, headings, tablefmt="github", disable_numparse=True)


def _tensors(model, x, rounded):
    """What each range gives out, as numpy arrays; a tensor of several calls, the last one's."""
    found = {}

    def watched(each):
        def watch(tensor):
            tensor = rounded(each, tensor)
            found[each] = np.asarray(tensor)
            return tensor

        return watch

    for each in ranges(model):
        each.watch = watched(each)
    try:
        model(x, training=False)
    finally:
        for each in ranges(model):
            each.watch = None
    return found


def _round_kernels(model):
    for layer in teachers.every_layer(model):
        if type(layer) in CHANNELS:
            layer.kernel.assign(rounded_kernel(layer.kernel.value, CHANNELS[type(layer)]))


def _decibels(signal, noise):
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else None
