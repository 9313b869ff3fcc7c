"""What a layer costs at some ranks, in the unit of a target: parameters, multiply-adds, bytes.

A cost is a function of a layer, the shapes of its inputs, one a call, and ranks, [choices, 2], of
which a full one stands for no factor; None for the layer as it is. It gives an array, [choices], or
a number.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np

from kegnet_tf import teachers
from kegnet_tf.compression import arithmetic
from kegnet_tf.compression import ranks as rank_policies
from kegnet_tf.compression.tucker import TUCKER

# Bytes of an int8 LiteRT file, measured; see docs/method.md.
_CHANNEL = 28  # a bias, and scales and zero points of kernel and bias
_LAYER = 510  # names, shapes and options of a layer with its tensors
_OTHER = 320  # the same of an operation without weights
_FILE = 900


def parameters(
    layer: keras.layers.Layer, shapes: Sequence[tuple], ranks: np.ndarray | None
) -> np.ndarray | int:
    """Numbers in the kernels."""
    shape = rank_policies.shape_of(layer)
    return math.prod(shape) if ranks is None else rank_policies.factors_size(shape, *ranks.T)


def multiply_adds(
    layer: keras.layers.Layer, shapes: Sequence[tuple], ranks: np.ndarray | None
) -> np.ndarray | int:
    """Multiply-adds of one example; the sizes of all inputs are known."""
    if ranks is None:
        return arithmetic.of_layer(layer, shapes)
    window, size_in, size_out = rank_policies.shape_of(layer)
    r_in, r_out = ranks.T
    total = 0
    for shape in shapes:
        before = math.prod(shape[1:]) // size_in
        after = math.prod(layer.compute_output_shape(shape)[1:]) // size_out
        if window == 1:
            total = total + after * r_out * (size_in + size_out)
            continue
        squeeze = np.where(r_in == size_in, 0, before * size_in * r_in)
        expand = np.where(r_out == size_out, 0, after * r_out * size_out)
        total = total + squeeze + after * window * r_in * r_out + expand
    return total


def int8_bytes(
    layer: keras.layers.Layer, shapes: Sequence[tuple], ranks: np.ndarray | None
) -> np.ndarray | int:
    """Bytes in an int8 file, estimated: a byte a number, and what each channel and layer adds."""
    window, size_in, size_out = shape = rank_policies.shape_of(layer)
    if ranks is None:
        return math.prod(shape) + _CHANNEL * size_out + _LAYER
    size, (r_in, r_out) = rank_policies.factors_size(shape, *ranks.T), ranks.T
    size = size + _CHANNEL * size_out + _LAYER
    if window == 1:
        return size + _CHANNEL * r_out + _LAYER
    squeeze, expand = r_in < size_in, r_out < size_out
    return size + squeeze * (_CHANNEL * r_in + _LAYER) + expand * (_CHANNEL * r_out + _LAYER)


def file_bytes(model: keras.Model) -> int:
    """Bytes of a model's int8 LiteRT file of one example at a time, estimated.

    Kernels are bytes. BatchNorm and ReLU are taken to be folded into the layers before them, as the
    converter does where it can.

    Args:
        model: a built Functional or Sequential model.
    """
    total = _FILE
    for layer in _parts(model):
        kernels = [each for each in layer.weights if each.name.endswith("kernel")]
        for kernel in kernels:
            depthwise = "Depthwise" in type(layer).__name__ or kernel.name == "depthwise_kernel"
            channels = math.prod(kernel.shape[-2:]) if depthwise else kernel.shape[-1]
            total += math.prod(kernel.shape) + _CHANNEL * channels + _LAYER
        total += _OTHER * (_alone(layer) if not kernels else _activates_alone(layer))
    nested = [model, *teachers.layers_of_kind(model, keras.Function)]
    others = (each for one in nested for each in getattr(one, "operations", ()))
    return total + _OTHER * sum(not isinstance(each, keras.layers.Layer) for each in others)


def _parts(model):
    """Every layer that holds no other ones."""
    holders = (keras.Model, keras.layers.InputLayer, *TUCKER.values())
    return [layer for layer in teachers.every_layer(model) if not isinstance(layer, holders)]


def _alone(layer):
    """Whether a layer without a kernel is an operation of its own."""
    folded = keras.layers.BatchNormalization | keras.layers.Dropout | keras.layers.ReLU
    return not isinstance(layer, folded)


def _activates_alone(layer):
    """Whether the activation of a layer with a kernel is an operation of its own."""
    fused = (keras.activations.linear, keras.activations.relu, keras.activations.relu6)
    return getattr(layer, "activation", fused[0]) not in fused
