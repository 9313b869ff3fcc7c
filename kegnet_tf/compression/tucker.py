"""Layers whose kernel is Tucker-decomposed over its channels, made from dense ones."""

from collections.abc import Sequence

import keras
from keras import ops

from kegnet_tf.compression import decomposition

_CORE = ("strides", "padding", "dilation_rate")  # of a convolution, besides its kernel's size


class _Factors(keras.layers.Layer):
    """What Tucker layers share: their factors, one after another.

    Attributes:
        parts: `squeeze`, `core` and `expand`, but for those that there are not.
    """

    def _set(self, ranks, squeeze, core, expand):
        self.ranks = tuple(ranks)
        self.squeeze, self.core, self.expand = squeeze, core, expand
        self.parts = [part for part in (squeeze, core, expand) if part is not None]

    def set_factors(self, u_in, core, u_out, bias):
        """Sets the weights of the factors that there are; the last one has the bias."""
        kernels = [
            kernel
            for part, kernel in ((self.squeeze, u_in), (self.core, core), (self.expand, u_out))
            if part is not None
        ]
        for part, kernel in zip(self.parts, kernels, strict=True):
            part.set_weights([kernel, *(bias if part is self.parts[-1] else [])])

    def build(self, input_shape):
        for layer in self.parts:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs):
        for layer in self.parts:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for layer in self.parts:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TuckerConv2D(_Factors):
    """A 2-D convolution whose kernel is Tucker-decomposed over its channels.

    Up to three convolutions in a row: `squeeze`, 1x1, from the input channels to `ranks[0]`;
    `core`, of the original kernel size, strides, padding and dilation, to `ranks[1]`; `expand`,
    1x1, to `filters`. The last one has the bias and the activation. A side whose rank is None has
    no factor: the core reads all input channels, or writes all filters.

    Args:
        filters: output channels.
        ranks: (in, out), the channels of the core; one of them may be None.
        kernel_size: (height, width) of the core.
        activation: of the output.
        use_bias: whether the output has a bias.
        **kwargs: `strides`, `padding` and `dilation_rate` of the core and `data_format`, as in
            `keras.layers.Conv2D`; the others of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters: int,
        ranks: Sequence[int | None],
        kernel_size: int | Sequence[int],
        activation=None,
        use_bias: bool = True,
        **kwargs,
    ):
        core = {name: kwargs.pop(name) for name in _CORE if name in kwargs}
        shared = {"data_format": kwargs.pop("data_format", None)}
        super().__init__(**kwargs)
        r_in, r_out = ranks
        shared["dtype"] = self.dtype_policy
        last = {"activation": activation, "use_bias": use_bias}
        inner = {"use_bias": False}

        def conv(filters, size, name, options):
            return keras.layers.Conv2D(filters, size, name=name, **options, **shared)

        self._set(
            ranks,
            conv(r_in, 1, "squeeze", inner) if r_in else None,
            conv(r_out or filters, kernel_size, "core", {**core, **(inner if r_out else last)}),
            conv(filters, 1, "expand", last) if r_out else None,
        )

    @classmethod
    def from_layer(
        cls, layer: keras.layers.Conv2D, ranks: Sequence[int | None], iterate: bool = True
    ) -> "TuckerConv2D":
        """Decomposes a convolution by higher-order orthogonal iteration from an SVD start.

        Args:
            layer: a built `keras.layers.Conv2D` with one group.
            ranks: (in, out), each in [1, channels], or one of them None for no factor there.
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
        tucker.set_factors(u_in[None, None], core, u_out.T[None, None], bias)
        return tucker

    def dense_kernel(self):
        """The kernel that the factors stand for, [height, width, in, out]."""
        kernel = self.core.kernel
        if self.squeeze is not None:
            kernel = ops.einsum("ip,hwpq->hwiq", self.squeeze.kernel[0, 0], kernel)
        return kernel if self.expand is None else kernel @ self.expand.kernel[0, 0]

    def get_config(self):
        last = self.parts[-1]
        return {
            **super().get_config(),
            "filters": last.filters,
            "ranks": self.ranks,
            "kernel_size": self.core.kernel_size,
            "strides": self.core.strides,
            "padding": self.core.padding,
            "data_format": self.core.data_format,
            "dilation_rate": self.core.dilation_rate,
            "activation": keras.activations.serialize(last.activation),
            "use_bias": last.use_bias,
        }


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TuckerDense(_Factors):
    """A dense layer whose kernel is Tucker-decomposed over its input and its output.

    Up to three dense layers in a row: `squeeze` to `ranks[0]` units, `core` to `ranks[1]`, `expand`
    to `units`. The last one has the bias and the activation. A matrix needs two, (None, rank).

    Args:
        units: length of the output.
        ranks: (in, out), the sides of the core; one of them may be None, for no factor there.
        activation: of the output.
        use_bias: whether the output has a bias.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        ranks: Sequence[int | None],
        activation=None,
        use_bias: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        r_in, r_out = ranks
        last, inner = (activation, use_bias), (None, False)

        def dense(units, name, options):
            return keras.layers.Dense(units, *options, name=name, dtype=self.dtype_policy)

        self._set(
            ranks,
            dense(r_in, "squeeze", inner) if r_in else None,
            dense(r_out or units, "core", inner if r_out else last),
            dense(units, "expand", last) if r_out else None,
        )

    @classmethod
    def from_layer(
        cls, layer: keras.layers.Dense, ranks: Sequence[int | None], iterate: bool = True
    ) -> "TuckerDense":
        """Decomposes a dense layer by higher-order orthogonal iteration from an SVD start.

        Args:
            layer: a built `keras.layers.Dense`.
            ranks: (in, out), each in [1, length], or one of them None for no factor there.
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
        tucker.set_factors(u_in, core, u_out.T, [layer.bias] if layer.use_bias else [])
        return tucker

    def dense_kernel(self):
        """The kernel that the factors stand for, [in, out]."""
        kernel = self.parts[0].kernel
        for part in self.parts[1:]:
            kernel = kernel @ part.kernel
        return kernel

    def get_config(self):
        last = self.parts[-1]
        return {
            **super().get_config(),
            "units": last.units,
            "ranks": self.ranks,
            "activation": keras.activations.serialize(last.activation),
            "use_bias": last.use_bias,
        }


TUCKER = {keras.layers.Conv2D: TuckerConv2D, keras.layers.Dense: TuckerDense}
