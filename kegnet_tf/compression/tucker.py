"""Layers whose kernel is Tucker-decomposed over its channels, made from dense ones."""

from collections.abc import Sequence

import keras
from keras import ops

from kegnet_tf.compression import decomposition

_CORE = ("strides", "padding", "dilation_rate")  # of a convolution, besides its kernel's size


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TuckerConv2D(keras.layers.Layer):
    """A 2-D convolution whose kernel is Tucker-decomposed over its channels.

    Three convolutions in a row: `squeeze`, 1x1, from the input channels to `ranks[0]`; `core`, of
    the original kernel size, strides, padding and dilation, to `ranks[1]`; `expand`, 1x1, to
    `filters`, with the bias and the activation.

    Args:
        filters: output channels.
        ranks: (in, out), the channels of the core.
        kernel_size: (height, width) of the core.
        activation: of the output.
        use_bias: whether the output has a bias.
        **kwargs: `strides`, `padding` and `dilation_rate` of the core and `data_format`, as in
            `keras.layers.Conv2D`; the others of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters: int,
        ranks: Sequence[int],
        kernel_size: int | Sequence[int],
        activation=None,
        use_bias: bool = True,
        **kwargs,
    ):
        core = {name: kwargs.pop(name) for name in _CORE if name in kwargs}
        shared = {"data_format": kwargs.pop("data_format", None)}
        super().__init__(**kwargs)
        self.ranks = tuple(ranks)
        shared["dtype"] = self.dtype_policy
        self.squeeze = keras.layers.Conv2D(ranks[0], 1, use_bias=False, name="squeeze", **shared)
        self.core = keras.layers.Conv2D(
            ranks[1], kernel_size, use_bias=False, name="core", **core, **shared
        )
        self.expand = keras.layers.Conv2D(
            filters, 1, activation=activation, use_bias=use_bias, name="expand", **shared
        )

    @classmethod
    def from_layer(
        cls, layer: keras.layers.Conv2D, ranks: Sequence[int], iterate: bool = True
    ) -> "TuckerConv2D":
        """Decomposes a convolution by higher-order orthogonal iteration from an SVD start.

        Args:
            layer: a built `keras.layers.Conv2D` with one group.
            ranks: (in, out), each in [1, channels].
            iterate: False leaves it at the SVD start, one SVD for each side's unfolding.

        Returns:
            A built layer of the same name; equal to `layer` where the ranks are full.

        Raises:
            ValueError: if a rank lies outside, or the convolution is grouped.
        """
        if layer.groups != 1:
            raise ValueError(
                f"`layer` must have one group. Received: {layer.name!r}, {layer.groups}."
            )
        kernel = ops.convert_to_numpy(layer.kernel)
        core, u_in, u_out = decomposition.tucker2(kernel, ranks, (2, 3), layer.name, iterate)
        tucker = cls(
            layer.filters,
            ranks,
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            data_format=layer.data_format,
            dilation_rate=layer.dilation_rate,
            activation=layer.activation,
            use_bias=layer.use_bias,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
        channels = [None] * 4
        channels[-1 if layer.data_format == "channels_last" else 1] = kernel.shape[2]
        tucker.build(tuple(channels))
        bias = [layer.bias] if layer.use_bias else []
        for part, weights in (
            (tucker.squeeze, [u_in[None, None]]),
            (tucker.core, [core]),
            (tucker.expand, [u_out.T[None, None], *bias]),
        ):
            part.set_weights(weights)
        return tucker

    def dense_kernel(self):
        """The kernel that the factors stand for, [height, width, in, out]."""
        squeeze, core, expand = self.squeeze.kernel, self.core.kernel, self.expand.kernel
        return ops.einsum("ip,hwpq,qo->hwio", squeeze[0, 0], core, expand[0, 0])

    def build(self, input_shape):
        for layer in (self.squeeze, self.core, self.expand):
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs):
        return self.expand(self.core(self.squeeze(inputs)))

    def compute_output_shape(self, input_shape):
        for layer in (self.squeeze, self.core, self.expand):
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.expand.filters,
            "ranks": self.ranks,
            "kernel_size": self.core.kernel_size,
            "strides": self.core.strides,
            "padding": self.core.padding,
            "data_format": self.core.data_format,
            "dilation_rate": self.core.dilation_rate,
            "activation": keras.activations.serialize(self.expand.activation),
            "use_bias": self.expand.use_bias,
        }


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TuckerDense(keras.layers.Layer):
    """A dense layer whose kernel is Tucker-decomposed over its input and its output.

    Three dense layers in a row: `squeeze` to `ranks[0]` units, `core` to `ranks[1]`, `expand` to
    `units`, with the bias and the activation.

    Args:
        units: length of the output.
        ranks: (in, out), the sides of the core.
        activation: of the output.
        use_bias: whether the output has a bias.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self, units: int, ranks: Sequence[int], activation=None, use_bias: bool = True, **kwargs
    ):
        super().__init__(**kwargs)
        self.ranks = tuple(ranks)
        dtype = self.dtype_policy
        self.squeeze = keras.layers.Dense(ranks[0], use_bias=False, name="squeeze", dtype=dtype)
        self.core = keras.layers.Dense(ranks[1], use_bias=False, name="core", dtype=dtype)
        self.expand = keras.layers.Dense(units, activation, use_bias, name="expand", dtype=dtype)

    @classmethod
    def from_layer(
        cls, layer: keras.layers.Dense, ranks: Sequence[int], iterate: bool = True
    ) -> "TuckerDense":
        """Decomposes a dense layer by higher-order orthogonal iteration from an SVD start.

        Args:
            layer: a built `keras.layers.Dense`.
            ranks: (in, out), each in [1, length].
            iterate: changes nothing: the SVD of a matrix is where iterations would end.

        Returns:
            A built layer of the same name; equal to `layer` where the ranks are full.

        Raises:
            ValueError: if a rank lies outside.
        """
        kernel = ops.convert_to_numpy(layer.kernel)
        core, u_in, u_out = decomposition.tucker2(kernel, ranks, (0, 1), layer.name, iterate)
        tucker = cls(
            layer.units,
            ranks,
            activation=layer.activation,
            use_bias=layer.use_bias,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
        tucker.build((None, kernel.shape[0]))
        bias = [layer.bias] if layer.use_bias else []
        for part, weights in (
            (tucker.squeeze, [u_in]),
            (tucker.core, [core]),
            (tucker.expand, [u_out.T, *bias]),
        ):
            part.set_weights(weights)
        return tucker

    def dense_kernel(self):
        """The kernel that the factors stand for, [in, out]."""
        return self.squeeze.kernel @ self.core.kernel @ self.expand.kernel

    def build(self, input_shape):
        for layer in (self.squeeze, self.core, self.expand):
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs):
        return self.expand(self.core(self.squeeze(inputs)))

    def compute_output_shape(self, input_shape):
        return self.expand.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.expand.units,
            "ranks": self.ranks,
            "activation": keras.activations.serialize(self.expand.activation),
            "use_bias": self.expand.use_bias,
        }


TUCKER = {keras.layers.Conv2D: TuckerConv2D, keras.layers.Dense: TuckerDense}
