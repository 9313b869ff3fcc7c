"""A student of Keras' own layers only: where it runs, nothing more than Keras is needed."""

import keras
from keras import ops

from kegnet_tf import teachers
from kegnet_tf.compression.edges import edges, nested
from kegnet_tf.compression.tucker import TUCKER


def plain(student: keras.Model) -> keras.Model:
    """A copy of a student in which every Tucker layer is the two or three layers that it holds.

    Two dense layers in a row, or two convolutions of one pixel, with nothing between them, become
    one where that one is smaller: so do an expand and the squeeze of the layer behind it.

    Args:
        student: a built Functional or Sequential model, with Tucker layers or without.

    Returns:
        A Functional model of the same function. `keras.models.load_model` reads its file without
        this package, unless it holds layers of the user's own.
    """
    copy, _ = teachers.rebuilt(student, lambda layer: None)
    return _expanded(copy, {})


def _expanded(model, made):
    """A model of the same layers with the parts of Tucker layers in their place."""
    inner = nested(_expanded, made)

    def call(layer, *args, **kwargs):
        if type(layer) in TUCKER.values():
            x = (*args, *kwargs.values())[0]
            if layer not in made:
                made[layer] = [_renamed(part, f"{layer.name}_{part.name}") for part in layer.parts]
            for part in made[layer]:
                x = part(x)
            return x
        if isinstance(layer, teachers.TwoClasses | teachers.LogProbabilities):
            return layer.call(*args, **kwargs)  # as operations of Keras
        return layer(*args, **kwargs)

    model = keras.models.clone_model(model, model.input, inner, call)
    while pair := _mergeable(model):
        model = _merged(model, *pair)
    return model


def _renamed(layer, name):
    """A copy of a built layer under another name, with its weights."""
    copy = type(layer).from_config({**layer.get_config(), "name": name})
    copy.build_from_config(layer.get_build_config())
    copy.set_weights(layer.get_weights())
    return copy


def _mergeable(model):
    """Two layers, one behind the other, that are smaller as one; None where there are none."""
    graph = edges(model)
    known = {each.name: each for each in model.operations}
    for name in graph.sources:
        source = graph.only_source(name)
        if source and graph.only_taker(source) and _smaller_as_one(known[source], known[name]):
            return known[source], known[name]
    return None


def _smaller_as_one(first, second):
    """Whether two layers are matrices in a row, whose product is smaller than both."""
    if type(first) is not type(second) or first.activation is not keras.activations.linear:
        return False
    if type(first) is keras.layers.Conv2D:  # a derived layer may do something else
        windows = [*first.kernel_size, *second.kernel_size, *first.strides]
        if {*windows} != {1} or first.groups * second.groups != 1:
            return False
    elif type(first) is not keras.layers.Dense:
        return False
    size_in, middle = first.kernel.shape[-2:]
    size_out = second.kernel.shape[-1]
    return size_in * size_out < middle * (size_in + size_out)


def _merged(model, first, second):
    """A model in which the second layer does the first one's work as well."""
    use_bias = first.use_bias or second.use_bias
    config = {**second.get_config(), "name": f"{first.name}_{second.name}", "use_bias": use_bias}
    one = type(second).from_config(config)
    one.build_from_config(first.get_build_config())
    weights = [first.kernel @ second.kernel]
    if use_bias:
        bias = second.bias if second.use_bias else ops.zeros(one.kernel.shape[-1])
        if first.use_bias:
            bias = bias + ops.reshape(first.bias[None] @ _matrix(second), [-1])
        weights.append(bias)
    one.set_weights([ops.convert_to_numpy(weight) for weight in weights])

    def call(layer, *args, **kwargs):
        if layer is first:
            return (*args, *kwargs.values())[0]
        return (one if layer is second else layer)(*args, **kwargs)

    return keras.models.clone_model(model, model.input, lambda layer: layer, call)


def _matrix(layer):
    return ops.reshape(layer.kernel, layer.kernel.shape[-2:])
