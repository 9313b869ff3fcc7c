"""What the layers of a classifier compute: multiply-adds, exactly."""

import math
from collections.abc import Sequence

import keras
from keras import layers

from kegnet_tf import teachers
from kegnet_tf.compression.tucker import TUCKER


def multiply_adds(model: keras.Model) -> int | None:
    """Multiply-adds of a model for one example: the sum of `multiply_adds_by_layer`.

    Args:
        model: a built Functional or Sequential model.

    Returns:
        None where the size of an input is open, or a model without a graph is nested in it.
    """
    graphs = keras.Function | keras.Sequential
    if any(
        isinstance(layer, keras.Model) and not isinstance(layer, graphs)
        for layer in teachers.every_layer(model)
    ):
        return None
    each = multiply_adds_by_layer(model).values()
    return None if None in each else sum(each)


def multiply_adds_by_layer(model: keras.Model) -> dict[str, int | None]:
    """Multiply-adds of each layer of a model for one example, over all of its calls.

    Convolutions, transposed, depthwise and separable ones too, dense and Tucker layers count.
    Pooling, additions, activations and BatchNorm do not, nor do layers of derived classes and what
    is wrapped in another layer, which may compute anything.

    Args:
        model: a built Functional or Sequential model; those nested in it count as well.

    Returns:
        By path as in `calls_of_kinds`; None where the size of an input is open.
    """
    calls = teachers.calls_of_kinds(model, _KINDS)
    return {path: of_layer(layer, shapes) for layer, (path, shapes) in calls.items()}


def of_layer(layer: keras.layers.Layer, shapes: Sequence[tuple]) -> int | None:
    """Multiply-adds of one layer for one example.

    Args:
        layer: built, of one of the kinds that count.
        shapes: of its inputs with the batch, one a call.

    Returns:
        None where a size is open.
    """
    if any(None in shape[1:] for shape in shapes):
        return None
    return sum(_of_call(layer, shape) for shape in shapes)


def _of_call(layer, shape):
    if type(layer) in TUCKER.values():
        total = 0
        for part in layer.parts:
            total += _of_call(part, shape)
            shape = part.compute_output_shape(shape)
        return total
    outputs = layer.compute_output_shape(shape)
    if type(layer) in _TRANSPOSED:  # kernel [..., out, in]: each input pixel reaches a window
        return math.prod(shape[1:]) * math.prod(layer.kernel.shape[:-1])
    if type(layer) in _DEPTHWISE:  # kernel [..., in, multiplier]
        return math.prod(outputs[1:]) * math.prod(layer.kernel.shape[:-2])
    if type(layer) in _SEPARABLE:
        width = math.prod(layer.depthwise_kernel.shape[-2:])  # between the two convolutions
        pixels = math.prod(outputs[1:]) // layer.filters
        return pixels * width * (math.prod(layer.depthwise_kernel.shape[:-2]) + layer.filters)
    return math.prod(outputs[1:]) * math.prod(layer.kernel.shape[:-1])


_TRANSPOSED = {layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose}
_DEPTHWISE = {layers.DepthwiseConv1D, layers.DepthwiseConv2D}
_SEPARABLE = {layers.SeparableConv1D, layers.SeparableConv2D}
_PRODUCTS = {layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Dense, *TUCKER.values()}
_KINDS = _PRODUCTS | _TRANSPOSED | _DEPTHWISE | _SEPARABLE
