"""Preprocessing that a model contains, and the way around it.

Learning, and what it learns from, is standardised: each channel has mean 0 and deviation 1. A
teacher that holds its own preprocessing expects something else; `standardised` puts the way there
in front of it, and `unstandardised` takes it away again.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from kegnet_tf.teachers import batch_norm

Numbers = float | tuple[float, ...]


def input_scale(model: keras.Model) -> tuple[Numbers, Numbers]:
    """What turns standardised data into what a model expects: times `std`, plus `mean`.

    The first layer tells. `Normalization`: its own numbers, over all positions of a channel.
    `Rescaling`: what leaves it is assumed to be an image in [0, 1], of mean 0.5 and deviation 0.25,
    where the offset is 0; an image in [-1, 1], of mean 0 and deviation 0.5, where it is -1; and
    standardised where it is anything else.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        (mean, std): tuples of floats, as long as the channels or the features, or 1; (0.0, 1.0)
        where the first layer is neither.
    """
    first = _first(model)
    if isinstance(first, keras.layers.Normalization) and not first.invert:
        mean, variance = (
            array.reshape(-1, array.shape[-1])
            for array in map(ops.convert_to_numpy, (first.mean, first.variance))
        )
        variance = np.mean(variance, axis=0) + np.var(mean, axis=0)
        mean, std = np.mean(mean, axis=0), np.maximum(np.sqrt(variance), keras.config.epsilon())
    elif isinstance(first, keras.layers.Rescaling) and first.name != "destandardise":
        scale, offset = np.ravel(first.scale), np.ravel(first.offset)
        after = {0.0: (0.5, 0.25), -1.0: (0.0, 0.5)}
        middle, spread = after.get(offset[0], (0.0, 1.0)) if len({*offset}) == 1 else (0.0, 1.0)
        mean, std = (middle - offset) / scale, spread / np.abs(scale)
    else:
        return 0.0, 1.0
    return tuple(mean.tolist()), tuple(std.tolist())


def image_scale(model: keras.Model) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What standardises an image in [0, 1] for a model: less `mean`, over `std`.

    A `Normalization` tells them, in units where white is 1 if its means m are 1 at most. If not,
    white is m + s^2 / m or more, as nothing between 0 and less has mean m and deviation s: 255 if
    that is between 16 and 255, else the next power of 2. For any other first layer they are 0.5
    and 0.25, as in `input_scale`.

    Args:
        model: a Functional or built Sequential model of images.

    Returns:
        (mean, std): tuples of floats, as long as the channels, or 1.
    """
    if not isinstance(_first(model), keras.layers.Normalization):
        return (0.5,), (0.25,)
    mean, std = map(np.asarray, input_scale(model))
    white = 1.0
    if np.max(mean) > 1:
        least = np.max(mean + std**2 / np.maximum(mean, 1))
        white = 255.0 if 16 < least <= 255 else 2.0 ** np.ceil(np.log2(least))
    return tuple((mean / white).tolist()), tuple((std / white).tolist())


@dataclasses.dataclass(frozen=True)
class Pixels:
    """What a teacher's images are like, in [0, 1].

    Attributes:
        mean: of the images that it learned from; a number, or one for each channel.
        std: their deviation.
        input_mean: what standardises an image for it: less this,
        input_std: over this.
    """

    mean: Numbers = 0.5
    std: Numbers = 0.25
    input_mean: Numbers = 0.5
    input_std: Numbers = 0.25


def pixels(model: keras.Model) -> Pixels:
    """What the images are like that a model learned from, as far as it tells.

    Where no `Normalization` tells their mean and deviation, a BatchNorm behind the first
    convolution may, see `input_moments`, within [0.02, 0.98]; else they are those of `image_scale`.

    Args:
        model: a Functional or built Sequential model of images.
    """
    return Pixels(*_image_moments(model), *image_scale(model))


def _image_moments(model):
    first = _first(model)
    moments = batch_norm.input_moments(model)
    if isinstance(first, keras.layers.Normalization) or moments is None:
        return image_scale(model)
    mean, std = moments
    if isinstance(first, keras.layers.Rescaling):
        mean, std = (mean - first.offset) / first.scale, std / np.abs(first.scale)
    middle, spread = map(np.asarray, input_scale(model))
    mean, std = 0.5 + 0.25 * (mean - middle) / spread, 0.25 * std / spread
    return tuple(tuple(np.clip(np.ravel(part), 0.02, 0.98).tolist()) for part in (mean, std))


def standardise(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Data that the model expects, as `standardised(model)` expects them.

    Args:
        model: a Functional or built Sequential model.
        x: float32 array, [batch, ...].
    """
    mean, std = (np.asarray(part, np.float32) for part in input_scale(model))
    return (x - mean) / std


def standardised(model: keras.Model, like: keras.Model | None = None) -> keras.Model:
    """The model behind a `Rescaling`, named "destandardise", that applies its `input_scale`.

    Args:
        model: a Functional or built Sequential model.
        like: the model whose `input_scale` counts, where this one was made from it and its first
            layer tells no more; None for itself.

    Returns:
        A Functional model of the same layers that expects standardised data; the model itself
        where it does so already.
    """
    mean, std = input_scale(like or model)
    if not np.any(mean) and np.all(np.equal(std, 1)):
        return model
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype)
    x = keras.layers.Rescaling(std, mean, name="destandardise", dtype="float32")(inputs)
    return keras.Model(inputs, model(x), name=model.name)


def unstandardised(student: keras.Model) -> keras.Model:
    """The model that `standardised` was given, or what a copy or a compression has made of it.

    Args:
        student: a model; one that `standardised` has not changed comes back itself.
    """
    names = [layer.name for layer in student.layers]
    return student.layers[-1] if "destandardise" in names else student


def _first(model):
    """The first layer that is no input."""
    operations = getattr(model, "operations", model.layers)
    return next(each for each in operations if not isinstance(each, keras.layers.InputLayer))
