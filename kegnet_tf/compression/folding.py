"""A model as a device computes it: BatchNorm inside the layers before it, activations apart."""

import keras
import numpy as np
from keras import activations, layers, ops

from kegnet_tf import teachers
from kegnet_tf.compression.edges import GRAPHS, edges, nested
from kegnet_tf.compression.plain import plain

# By class, the axes of its kernel that one output channel has to itself: all but the channels'.
CHANNELS = {
    layers.Conv1D: (0, 1),
    layers.Conv2D: (0, 1, 2),
    layers.DepthwiseConv2D: (0, 1),
    layers.Dense: (0,),
}
# What LiteRT computes as part of the layer before.
FUSED = (activations.linear, activations.relu, activations.relu6)
_DROPPED = (
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
)


def folded(model: keras.Model) -> keras.Model:
    """`plain` of a model in inference mode, as the layers that a device runs.

    A BatchNorm behind a convolution or a dense layer becomes part of it; one elsewhere in an image,
    a `Rescaling` or a `Normalization` there become depthwise convolutions of one pixel. Dropout
    goes. An activation that LiteRT does not
    compute with the layer before it becomes a layer of its own.

    Args:
        model: a built Functional or Sequential model.

    Returns:
        A Functional model of the same function, with weights of its own.
    """
    return _folded(plain(model), {})


def _folded(model, made):
    graph = edges(model)
    norms = {}  # by layer, the BatchNorm behind it
    known = {each.name: each for each in model.operations}
    for name, layer in known.items():
        if type(layer) is layers.BatchNormalization:
            before = known.get(graph.only_source(name))
            if _takes_in(before, layer) and graph.only_taker(before.name) == name:
                norms[before] = layer
    inside, taken = set(norms.values()), set(known)

    inner = nested(_folded, made)

    def call(layer, *args, **kwargs):
        x = (*args, *kwargs.values())[0]
        if layer in inside or type(layer) in _DROPPED:
            return x
        if layer not in made:
            made[layer] = _parts(layer, norms.get(layer), x, taken)
        if made[layer] is None or isinstance(layer, GRAPHS):
            return layer(*args, **kwargs)
        for part in made[layer]:
            x = part(x)
        return x

    return keras.models.clone_model(model, model.input, inner, call)


def _takes_in(layer, norm):
    return (
        type(layer) in CHANNELS
        and layer.activation is activations.linear
        and norm.axis in (-1, len(norm.input.shape) - 1)
    )


def _parts(layer, norm, x, taken):
    """The layers in place of one; None where it stays."""
    if type(layer) in _AFFINE and len(x.shape) == 4 and getattr(layer, "axis", -1) != 1:
        return [_depthwise(layer, x.shape[-1])]
    if type(layer) not in CHANNELS:
        return None
    activation = layer.activation
    if norm is None and activation in FUSED:
        return None
    linear = type(layer).from_config(
        {**layer.get_config(), "activation": None, "use_bias": layer.use_bias or norm is not None}
    )
    linear.build_from_config(layer.get_build_config())
    weights = layer.get_weights()
    if norm is not None:
        scale, offset = _normalised(norm)
        bias = weights[1] if layer.use_bias else 0.0
        kernel = weights[0]
        depthwise = type(layer) is layers.DepthwiseConv2D  # channels and their multiples
        shaped = scale.reshape(kernel.shape[-2:]) if depthwise else scale
        weights = [kernel * shaped, bias * scale + offset]
    linear.set_weights(weights)
    if activation is activations.linear:
        return [linear]
    return [linear, layers.Activation(activation, name=free(f"{layer.name}_activation", taken))]


def free(name: str, taken: set[str]) -> str:
    """A name that is not among those that are taken, to which it is added."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _depthwise(layer, channels):
    """A depthwise convolution of one pixel that does what an affine layer does."""
    scale, offset = (np.broadcast_to(each, channels) for each in _AFFINE[type(layer)](layer))
    made = layers.DepthwiseConv2D(1, name=layer.name)
    made.build((None, None, None, channels))
    made.set_weights([scale.reshape(1, 1, -1, 1), offset])
    made.trainable = type(layer) is layers.BatchNormalization  # the others tell what data look like
    return made


def _normalised(norm):
    """(scale, offset) of each channel, of a BatchNorm in inference mode."""
    mean, variance = (ops.convert_to_numpy(v) for v in (norm.moving_mean, norm.moving_variance))
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * ops.convert_to_numpy(norm.gamma)
    offset = -mean * scale
    if norm.center:
        offset = offset + ops.convert_to_numpy(norm.beta)
    return scale.astype(np.float32), offset.astype(np.float32)


def rescaling(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset) of a `Rescaling` or a `Normalization`.

    Args:
        layer: a built one.

    Returns:
        Two arrays, [1] where they are of all channels or features, else one number for each.
    """
    if type(layer) is layers.Rescaling:
        return np.float32(layer.scale).reshape(-1), np.float32(layer.offset).reshape(-1)
    mean, std = layer.mean, ops.maximum(ops.sqrt(layer.variance), keras.config.epsilon())
    mean, std = (ops.convert_to_numpy(each).reshape(-1) for each in (mean, std))
    return (std, mean) if layer.invert else (1.0 / std, -mean / std)


# Layers that multiply and add, a number for each channel.
_AFFINE = {
    layers.BatchNormalization: _normalised,
    layers.Normalization: rescaling,
    layers.Rescaling: rescaling,
}


def preprocessing(model: keras.Model) -> tuple[np.ndarray, np.ndarray] | None:
    """(mean, deviation) of a table's features, where the first layer standardises them by these.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        Two arrays, [features]; None where it is no vectors' model, or has no such layer.
    """
    first = next(each for each in model.operations if not isinstance(each, layers.InputLayer))
    vectors = len(model.input_shape) == 2
    if not vectors or type(first) is not layers.Normalization or first.invert:
        return None
    mean, std = teachers.input_scale(model)
    size = model.input_shape[-1]
    return tuple(np.broadcast_to(np.float32(each), size) for each in (mean, std))


def without_preprocessing(model: keras.Model) -> keras.Model:
    """A model of the same layers that expects what `preprocessing` makes of a table's rows."""

    def call(layer, *args, **kwargs):
        if type(layer) is layers.Normalization:
            return (*args, *kwargs.values())[0]
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, model.input, lambda layer: layer, call)
