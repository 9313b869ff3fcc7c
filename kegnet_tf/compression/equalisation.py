"""Cross-layer equalisation (Nagel et al., 2019): channels of like ranges, for the same function.

What leaves a channel can be divided by any positive number where the next layer multiplies it
again: a ReLU and pooling in between pass a factor on. One range for all channels of a tensor loses
those that are much smaller than the largest.
"""

from collections.abc import Iterator

import keras
import numpy as np
from keras import activations, layers

from kegnet_tf.compression.edges import edges
from kegnet_tf.compression.folding import CHANNELS, GRAPHS

_ROUNDS = 3  # as each layer is part of two pairs; ours
# Layers that pass a factor of a channel on, and keep channels last.
_PASSING = (
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Flatten,
    layers.Identity,
)
_LINEAR = (activations.linear, activations.relu, activations.leaky_relu)


def equalise(model: keras.Model) -> None:
    """Makes the kernels around each tensor equally large in each of its channels.

    Args:
        model: of `folded`, changed in place; it answers as before.
    """
    for _ in range(_ROUNDS):
        for first, second in _pairs(model):
            _equalise(first, second)
    for layer in model.layers:
        if isinstance(layer, GRAPHS):
            equalise(layer)


def _pairs(model) -> Iterator[tuple]:
    """Two layers with kernels, with nothing between them but what passes a factor on."""
    graph = edges(model)
    known = {each.name: each for each in model.operations}
    for first in known.values():
        if not _scales(first) or first.activation not in _LINEAR:
            continue
        behind = known.get(graph.only_taker(first.name))
        while behind is not None and _passes(behind):
            behind = known.get(graph.only_taker(behind.name))
        once = behind is not None and graph.calls[behind.name] == 1
        if once and _scales(behind) and getattr(behind, "groups", 1) == 1:
            yield first, behind


def _scales(layer):
    return type(layer) in CHANNELS and type(layer) is not layers.Conv1D and _last(layer)


def _passes(layer):
    if type(layer) is layers.ReLU:
        return not np.any(layer.threshold) and layer.max_value is None
    if type(layer) is layers.Activation:
        return layer.activation in _LINEAR
    return type(layer) in _PASSING and _last(layer)


def _last(layer):
    return getattr(layer, "data_format", "channels_last") in (None, "channels_last")


def _equalise(first, second):
    kernel, *bias = first.get_weights()
    behind, *offset = second.get_weights()
    channels = int(np.prod(kernel.shape[len(CHANNELS[type(first)]) :]))
    ins = behind.shape[-2]  # several for each channel behind a Flatten
    leaving = np.abs(kernel).reshape(-1, channels).max(axis=0)
    taking = np.abs(np.moveaxis(behind, -2, 0)).reshape(ins, -1).max(axis=1)
    taking = taking.reshape(-1, channels).max(axis=0)
    alive = (leaving > 0) & (taking > 0)
    factor = np.ones_like(leaving)
    factor[alive] = np.sqrt(leaving[alive] / taking[alive])
    shaped = factor.reshape(kernel.shape[len(CHANNELS[type(first)]) :])
    first.set_weights([kernel / shaped, *(each / factor for each in bias)])
    second.set_weights([behind * np.tile(factor, ins // channels)[:, None], *offset])
