import math

import keras
import numpy as np
import tensorly.decomposition
from keras import ops


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
        strides: as in `keras.layers.Conv2D`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: as in `keras.layers.Conv2D`.
        activation: of the output.
        use_bias: whether the output has a bias.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters,
        ranks,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.ranks = tuple(ranks)
        shared = {"data_format": data_format, "dtype": self.dtype_policy}
        self.squeeze = keras.layers.Conv2D(ranks[0], 1, use_bias=False, name="squeeze", **shared)
        self.core = keras.layers.Conv2D(
            ranks[1],
            kernel_size,
            strides,
            padding,
            dilation_rate=dilation_rate,
            use_bias=False,
            name="core",
            **shared,
        )
        self.expand = keras.layers.Conv2D(
            filters, 1, activation=activation, use_bias=use_bias, name="expand", **shared
        )

    @classmethod
    def from_layer(cls, layer, ranks, iterate=True):
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
        core, u_in, u_out = _tucker2(kernel, ranks, (2, 3), layer.name, iterate)
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

    def __init__(self, units, ranks, activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.ranks = tuple(ranks)
        dtype = self.dtype_policy
        self.squeeze = keras.layers.Dense(ranks[0], use_bias=False, name="squeeze", dtype=dtype)
        self.core = keras.layers.Dense(ranks[1], use_bias=False, name="core", dtype=dtype)
        self.expand = keras.layers.Dense(units, activation, use_bias, name="expand", dtype=dtype)

    @classmethod
    def from_layer(cls, layer, ranks, iterate=True):
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
        core, u_in, u_out = _tucker2(kernel, ranks, (0, 1), layer.name, iterate)
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


@keras.saving.register_keras_serializable(package="kegnet_tf")
class TwoClasses(keras.layers.Layer):
    """Logits of two classes, [-s / 2, s / 2], from the one logit s of a two-class sigmoid.

    Both have the same probabilities: sigmoid(s) is the second entry of the softmax.
    """

    def call(self, s):
        return ops.concatenate([-s / 2, s / 2], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable(package="kegnet_tf")
class LogProbabilities(keras.layers.Layer):
    """Logits from probabilities: log p, or, of one column, the logit log p - log(1 - p).

    Probabilities below 1e-7 count as 1e-7, so that the logits stay finite.
    """

    def call(self, p):
        log_p = ops.log(ops.maximum(p, 1e-7))
        return log_p if p.shape[-1] > 1 else log_p - ops.log(ops.maximum(1 - p, 1e-7))

    def compute_output_shape(self, input_shape):
        return input_shape


def _tucker2(kernel, ranks, modes, name, iterate):
    """Core and orthonormal factors, [channels, in] and [channels, out], of the two `modes`."""
    for rank, mode in zip(ranks, modes, strict=True):
        if not 1 <= rank <= kernel.shape[mode]:
            raise ValueError(
                f"`ranks` must lie in [1, {kernel.shape[mode]}] for layer {name!r}. "
                f"Received: {rank}."
            )
    kernel = kernel.astype(np.float64)
    sizes = [kernel.shape[mode] for mode in modes]
    if kernel.size == math.prod(sizes) or ranks[0] == sizes[0] or ranks[1] == sizes[1]:
        # One SVD a side is the optimum, where iterations on a large matrix would take minutes.
        u_in = _leading(np.moveaxis(kernel, modes[0], 0), ranks[0])
        core = np.moveaxis(np.tensordot(kernel, u_in, (modes[0], 0)), -1, modes[0])
        u_out = _leading(np.moveaxis(core, modes[1], 0), ranks[1])
        return core @ u_out, u_in, u_out
    # Outputs first, as the release iterates: with TensorLy's own tolerance its students come out.
    (core, (u_out, u_in)), _ = tensorly.decomposition.partial_tucker(
        np.moveaxis(kernel, modes, (1, 0)),
        rank=list(ranks)[::-1],
        modes=[0, 1],
        n_iter_max=100 if iterate else 0,  # TensorLy's default, or the start alone
        random_state=0,
    )
    return np.moveaxis(core, (1, 0), modes), u_in, u_out


def _leading(tensor, rank):
    """Leading left singular vectors, [rows, rank], of a tensor unfolded to [rows, rest]."""
    matrix = tensor.reshape(len(tensor), -1)
    rows, rest = matrix.shape
    if rank == rows:
        return np.eye(rows)
    if rows <= rest:
        return np.linalg.eigh(matrix @ matrix.T)[1][:, : -rank - 1 : -1]
    # The longest of orthogonal columns first; QR turns the zeros beyond them into more directions.
    columns = matrix @ np.linalg.eigh(matrix.T @ matrix)[1][:, ::-1]
    return np.linalg.qr(np.pad(columns, ((0, 0), (0, max(0, rank - rest))))[:, :rank])[0]
