"""A model whose kernels are rounded to integers while it learns."""

import math
from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import layers, ops

from kegnet_tf import teachers
from kegnet_tf.compression.folding import CHANNELS

FEWEST = 4096  # numbers of a kernel from which on it may have four bits; ours


@keras.saving.register_keras_serializable("kegnet_tf")
class Rounded(layers.Layer):
    """Answers as a model whose kernels are rounded, each channel by its own scale.

    A gradient passes through the rounding as if it were not there.

    Args:
        model: of `ranged` or `folded`, as it is or behind other layers.
        bits: 8, or 4 for the large kernels, see `kernel_bits`.
    """

    def __init__(self, model: keras.Model, bits: int = 8, **kwargs):
        super().__init__(**kwargs)
        self.model, self.bits = model, bits

    def call(self, x):
        kernels = _kernels(teachers.every_layer(self.model), self.bits)
        values = [
            _rounded(each, *kernels[each.path]) if each.path in kernels else each.value
            for each in self.model.trainable_variables
        ]
        y, _ = self.model.stateless_call(
            values, self.model.non_trainable_variables, x, training=False
        )
        return y

    def compute_output_shape(self, input_shape):
        return self.model.compute_output_shape(input_shape)


def as_integers(model: keras.Model, bits: int = 8) -> keras.Model:
    """A model as a file of integers computes it, to train it: `Rounded`, as a model.

    Args:
        model: of `ranged`, or of `folded` where only kernels are rounded, or
            `teachers.standardised` of one; its weights are those that learn.
        bits: of `Rounded`.
    """
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="x")
    return keras.Model(inputs, Rounded(model, bits, name="rounded")(inputs))


def kernel_bits(size: int, depthwise: bool, bits: int) -> int:
    """How many bits a kernel gets: small and depthwise ones keep eight, as they weigh little.

    Args:
        size: how many numbers it has.
        depthwise: whether it is that of a depthwise convolution.
        bits: what is asked for.
    """
    return 8 if depthwise or size < FEWEST else bits


def _kernels(found: Iterable, bits):
    """By path of each kernel that is rounded in training, the axes of one channel and its bits."""
    return {
        each.kernel.path: (
            CHANNELS[type(each)],
            kernel_bits(math.prod(each.kernel.shape), type(each) is layers.DepthwiseConv2D, bits),
        )
        for each in found
        if type(each) in CHANNELS
    }


def _rounded(kernel, axes, bits):
    value = kernel.value
    return value + tf.stop_gradient(rounded_kernel(value, axes, bits) - value)


def rounded_kernel(value, axes, bits: int = 8):
    """A kernel as integers hold it: of each channel 255 numbers around zero, or 15 of four bits.

    Args:
        value: a tensor.
        axes: those that one channel has to itself.
        bits: 8 or 4.
    """
    most = 2.0 ** (bits - 1) - 1
    scale = ops.maximum(ops.max(ops.abs(value), axes, keepdims=True) / most, 1e-12)
    return ops.round(value / scale) * scale
