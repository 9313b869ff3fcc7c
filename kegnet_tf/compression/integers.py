"""A model whose tensors pass through what int8 can hold, so that a device's answers can be trained.

Each tensor that an integer file keeps has one range of 256 numbers, each channel of a kernel 255
numbers around zero (the rules of LiteRT's own quantisation).
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import activations, layers, ops

from kegnet_tf import teachers
from kegnet_tf.compression.edges import GRAPHS, edges, nested
from kegnet_tf.compression.equalisation import equalise
from kegnet_tf.compression.folding import CHANNELS, FUSED, folded, free, preprocessing

# What gives out numbers that it takes in, or zeros: a device keeps them in the same range.
_SAME = (
    layers.Flatten,
    layers.Reshape,
    layers.Permute,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Identity,
)
# What else becomes operations of LiteRT's each of which has a `Range` behind it.
_KNOWN = (
    *CHANNELS,
    *_SAME,
    layers.InputLayer,
    layers.Activation,
    layers.ReLU,
    layers.ELU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.Softmax,
    layers.Add,
    layers.Multiply,
    layers.Concatenate,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.UpSampling2D,
)
_OPERATIONS = ("Add", "Multiply", "Concatenate", "Relu", "Relu6", "Reshape")


@keras.saving.register_keras_serializable("kegnet_tf")
class Range(layers.Layer):
    """Rounds numbers to the 256 that int8 has between `low` and `high`, and cuts what lies outside.

    Attributes:
        low: a variable, 0 at most.
        high: a variable, 0 at least.
        watch: None, or a function that is given each tensor and tells what is to pass on.
    """

    watch: Callable | None = None

    def build(self, input_shape):
        del input_shape
        self.low, self.high = (
            self.add_weight(shape=(), initializer=initial, trainable=False, name=name)
            for name, initial in (("low", "zeros"), ("high", "ones"))
        )

    def call(self, x):
        return self.rounded(x) if self.watch is None else self.watch(x)

    def rounded(self, x):
        """A tensor as int8 holds it."""
        return keras.quantizers.fake_quant_with_min_max_vars(x, self.low, self.high, num_bits=8)

    def set(self, low: float, high: float) -> None:
        """Fixes the range; it is widened to hold 0, as integers must."""
        low, high = min(float(low), 0.0), max(float(high), 0.0)
        self.low.assign(low)
        self.high.assign(high if high - low > 1e-6 else low + 1.0)  # of nothing but zeros


def rangeable(model: keras.Model) -> bool:
    """Whether all that `folded` leaves of a model is known, so that `ranged` misses no tensor.

    Args:
        model: a built Functional or Sequential model.
    """
    model = folded(model)
    start = {"Normalization"} if preprocessing(model) is not None else set()
    return all(
        (type(each) in _KNOWN or type(each).__name__ in start | {*_OPERATIONS})
        and getattr(each, "compute_dtype", "float32") == "float32"
        for each in _operations(model)
    )


def _operations(model):
    for each in model.operations:
        yield from _operations(each) if isinstance(each, GRAPHS) else [each]


def ranged(model: keras.Model) -> keras.Model:
    """`folded` of a model, equalised, with a `Range` wherever an integer file keeps a tensor.

    What is one operation on a device has one range: a layer and the ReLU behind it, and all that a
    concatenation takes together. A table's `Normalization` stays in floats, and the first range is
    that of what leaves it.

    Args:
        model: a built Functional or Sequential model.

    Returns:
        A Functional model with weights of its own; its ranges are to be fixed by `fit_ranges`.
    """
    model = folded(model)
    equalise(model)
    return _ranged(model, {}, outermost=True)


def _ranged(model, made, outermost=False):
    graph = edges(model)
    known = {each.name: each for each in model.operations}
    taken = set(known)

    def rounded(x, name):
        name = free(f"{name}_range", taken)
        return Range(name=name)(x)

    start = model.input
    if outermost and preprocessing(model) is None:
        start = rounded(start, "x")

    inner = nested(_ranged, made)

    def call(layer, *args, **kwargs):
        args, kwargs = keras.tree.map_structure(
            lambda each: start if each is model.input else each, (args, kwargs)
        )
        x = layer(*args, **kwargs)
        taker = known.get(graph.only_taker(layer.name)) if layer.name in known else None
        same = isinstance(layer, (*_SAME, *GRAPHS.__args__)) or _rounds_later(layer, taker)
        return x if same else rounded(x, layer.name)

    return keras.models.clone_model(model, model.input, inner, call)


def _rounds_later(layer, taker):
    """Whether what takes from a layer is what rounds its output."""
    if taker is None:
        return False
    if isinstance(taker, layers.Concatenate):
        return True
    sums = type(layer).__name__ == "Add"  # Keras' layer, or its operation on bare tensors
    linear = getattr(layer, "activation", activations.linear) is activations.linear
    return (type(layer) in CHANNELS or sums) and linear and _rectifies(taker)


def _rectifies(layer):
    """Whether LiteRT computes a layer as part of the one before it."""
    if type(layer) is layers.ReLU:
        plainly = not np.any(layer.threshold) and not np.any(layer.negative_slope)
        return plainly and layer.max_value in (None, 6)
    return type(layer) is layers.Activation and layer.activation in FUSED


def ranges(model: keras.Model) -> list[Range]:
    """The ranges of a model of `ranged`, nested ones too."""
    return [each for each in teachers.every_layer(model) if isinstance(each, Range)]


def fit_ranges(model: keras.Model, x: np.ndarray, rows: int = 100) -> None:
    """Fixes the ranges of a model of `ranged` to the least and the largest number on some data.

    Args:
        model: changed in place.
        x: [size, ...], as the model expects them.
        rows: how many are run at a time.
    """
    found = {each: [] for each in ranges(model)}

    def watched(seen):
        def watch(tensor):
            seen.append((float(ops.min(tensor)), float(ops.max(tensor))))
            return tensor

        return watch

    for each, seen in found.items():
        each.watch = watched(seen)
    try:
        for first in range(0, len(x), rows):
            model(x[first : first + rows], training=False)
    finally:
        for each in found:
            each.watch = None
    for each, seen in found.items():
        lows, highs = zip(*seen, strict=True)
        each.set(min(lows), max(highs))
