"""A teacher under dropout: what its answer to an x is worth, only x like its data survives."""

import dataclasses
import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf.teachers import graphs

_DROPOUT = (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)
_SPATIAL = (
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


@dataclasses.dataclass(frozen=True)
class Stochastic:
    """A model whose dropout is drawn outside of it, all else in it as in inference mode.

    Attributes:
        model: Functional, of the same layers, from [x, *scales] to the outputs; a scale of 1
            everywhere is no dropout.
        shapes: of one row of each scale.
        rates: of each scale, the dropout layer's own; 0 for one that was put in.
    """

    model: keras.Model
    shapes: Sequence[tuple[int, ...]]
    rates: Sequence[float]

    def scales(
        self, seed: int, step: int | tf.Tensor, batch_size: int | tf.Tensor, rates: Sequence[float]
    ) -> list[tf.Tensor]:
        """Draws the scales of a batch: the same ones for the same seed and step.

        Args:
            seed: integer.
            step: integer or scalar tensor.
            batch_size: rows.
            rates: of each scale, in [0, 1).

        Returns:
            Tensors, [batch, *shape], of 0 with the probability of the rate, else 1 / (1 - rate).
        """
        sizes = [math.prod(shape) for shape in self.shapes]
        place = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        drawn = tf.random.stateless_uniform((batch_size, sum(sizes)), place)
        kept = 1.0 - np.repeat(np.asarray(rates, np.float32), sizes)
        scaled = tf.cast(drawn < kept, tf.float32) / kept
        return [
            tf.reshape(part, (-1, *shape))
            for part, shape in zip(tf.split(scaled, sizes, axis=1), self.shapes, strict=True)
        ]


def stochastic(model: keras.Model, put_in: bool = False) -> Stochastic:
    """A model with inputs in the place of its dropout layers.

    Any kind of dropout becomes the one that leaves units out and scales the others up; of whole
    channels where the layer is a spatial one. Layers are found in the graph of the model and of
    those nested in it that have one input.

    Args:
        model: Functional or built Sequential, of one input.
        put_in: whether a model without dropout gets it before its dense layers, but for one that
            reads x itself, and behind its convolutions, whole channels there.

    Returns:
        The model and what is known of its dropout; no scales where there is none.
    """
    found = _stochastic(model, _own_dropout)
    return _stochastic(model, _put_in) if put_in and not any(found.rates) else found


def _stochastic(model, place):
    found = []

    def noted(x, shape, rate):
        found.append((shape, rate))
        return x

    def scaled(x, shape, rate):
        return x * next(scales)

    def nested(layer, x):
        inner = _stochastic(layer, place)
        found.extend(zip(inner.shapes, inner.rates, strict=True))
        return layer(x)

    def replaced(layer, x):
        inner = _stochastic(layer, place)
        own = [next(scales) for _ in inner.shapes]
        return inner.model([x, *own] if own else x)

    # The first copy tells what the second one needs to be given.
    _copy(model, [], place, noted, nested)
    inputs = [keras.Input(shape) for shape, _ in found]
    scales = iter(inputs)
    copy = _copy(model, inputs, place, scaled, replaced)
    shapes, rates = zip(*found, strict=True) if found else ((), ())
    return Stochastic(copy, shapes, rates)


def _copy(model, more, place, scaled, nested):
    """A Functional copy of the same layers, with more inputs."""
    first = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)

    def call(layer, *args, **kwargs):
        if _is_nested(layer):
            return nested(layer, args[0])
        return place(scaled, first, layer, *args, **kwargs)

    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    graph = keras.Model([model.inputs[0], *more] if more else model.inputs[0], outputs)
    return keras.models.clone_model(
        graph,
        input_tensors=[first, *more] if more else first,
        clone_function=lambda each: each,
        call_function=call,
    )


def _is_nested(layer):
    """Whether a layer is a model with a graph of one bare input."""
    return graphs.has_graph(layer) and not keras.tree.is_nested(getattr(layer, "input", []))


def _own_dropout(scaled, x, layer, *args, **kwargs):
    if not isinstance(layer, _DROPOUT):
        return layer(*args, **kwargs)
    shape = args[0].shape[1:]
    if isinstance(layer, _SPATIAL):
        shape = (*[1] * (len(shape) - 1), shape[-1])
    elif given := getattr(layer, "noise_shape", None):
        shape = tuple(own or whole for own, whole in zip(given[1:], shape, strict=True))
    return scaled(args[0], tuple(shape), layer.rate)


def _put_in(scaled, x, layer, *args, **kwargs):
    if isinstance(layer, keras.layers.Dense) and args[0] is not x:
        args = scaled(args[0], tuple(args[0].shape[1:]), 0.0), *args[1:]
    output = layer(*args, **kwargs)
    if isinstance(layer, _CONVOLUTIONS):
        output = scaled(output, (1, 1, output.shape[-1]), 0.0)
    return output
