"""A model whose kernels are rounded to int8 while it learns."""

from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import layers, ops

from kegnet_tf import teachers
from kegnet_tf.compression.folding import CHANNELS


@keras.saving.register_keras_serializable("kegnet_tf")
class Rounded(layers.Layer):
    """Answers as a model whose kernels are rounded to int8, each channel by its own scale.

    A gradient passes through the rounding as if it were not there.

    Args:
        model: of `ranged`, as it is or behind other layers.
    """

    def __init__(self, model: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.model = model

    def call(self, x):
        kernels = _kernels(teachers.every_layer(self.model))
        values = [
            _rounded(each, kernels[each.path]) if each.path in kernels else each.value
            for each in self.model.trainable_variables
        ]
        y, _ = self.model.stateless_call(
            values, self.model.non_trainable_variables, x, training=False
        )
        return y

    def compute_output_shape(self, input_shape):
        return self.model.compute_output_shape(input_shape)


def as_integers(model: keras.Model) -> keras.Model:
    """A model of `ranged` as an integer file computes it, to train it: `Rounded`, as a model.

    Args:
        model: of `ranged`, or `teachers.standardised` of one; its weights are those that learn.
    """
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="x")
    return keras.Model(inputs, Rounded(model, name="rounded")(inputs))


def _kernels(found: Iterable):
    """Path of each kernel that is rounded in training, with the axes of one channel."""
    return {each.kernel.path: CHANNELS[type(each)] for each in found if type(each) in CHANNELS}


def _rounded(kernel, axes):
    value = kernel.value
    return value + tf.stop_gradient(rounded_kernel(value, axes) - value)


def rounded_kernel(value, axes):
    """A kernel as int8 holds it: 255 numbers of each channel, 127 times a scale the largest.

    Args:
        value: a tensor.
        axes: those that one channel has to itself.
    """
    scale = ops.maximum(ops.max(ops.abs(value), axes, keepdims=True) / 127.0, 1e-12)
    return ops.round(value / scale) * scale
