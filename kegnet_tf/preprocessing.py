"""Preprocessing that a model contains, and the way around it.

Learning, and what it learns from, is standardised: each channel has mean 0 and deviation 1. A
teacher that holds its own preprocessing eats something else; `standardised` puts the way there in
front of it, and `unstandardised` takes it away again.
"""

import keras
import numpy as np
from keras import ops

from kegnet_tf import batch_statistics


def input_scale(model):
    """What turns standardised data into what a model eats: times `std`, plus `mean`.

    Told by the first layer. `Normalization`: its own numbers, over all positions of a channel.
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


def image_scale(model):
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


def pixels(model):
    """Mean and deviation of the images in [0, 1] that a model learned from, as far as it tells.

    Where no `Normalization` does, a BatchNorm behind the first convolution may, see
    `batch_statistics.input_moments`; else they are those of `image_scale`.

    Args:
        model: a Functional or built Sequential model of images.

    Returns:
        (mean, std): as from `image_scale`, each within [0.02, 0.98].
    """
    first = _first(model)
    moments = batch_statistics.input_moments(model)
    if isinstance(first, keras.layers.Normalization) or moments is None:
        return image_scale(model)
    mean, std = moments
    if isinstance(first, keras.layers.Rescaling):
        mean, std = (mean - first.offset) / first.scale, std / np.abs(first.scale)
    middle, spread = map(np.asarray, input_scale(model))
    mean, std = 0.5 + 0.25 * (mean - middle) / spread, 0.25 * std / spread
    return tuple(tuple(np.clip(np.ravel(part), 0.02, 0.98).tolist()) for part in (mean, std))


def standardise(model, x):
    """Data as the model eats them, as `standardised(model)` eats them.

    Args:
        model: a Functional or built Sequential model.
        x: float32 array, [batch, ...].
    """
    mean, std = (np.asarray(part, np.float32) for part in input_scale(model))
    return (x - mean) / std


def standardised(model):
    """The model behind a `Rescaling`, named "destandardise", that applies its `input_scale`.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        A Functional model of the same layers that eats standardised data; the model itself where
        it does so already.
    """
    mean, std = input_scale(model)
    if not np.any(mean) and np.all(np.equal(std, 1)):
        return model
    inputs = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype)
    x = keras.layers.Rescaling(std, mean, name="destandardise", dtype="float32")(inputs)
    return keras.Model(inputs, model(x), name=model.name)


def unstandardised(student):
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
