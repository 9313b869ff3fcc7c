"""What generators draw, as arrays: of every class, at chosen z, and on the way from one to another.

A `generator` is a model from (y, z) to images with `num_classes` and `latent_dim`; `seed` is an
integer.
"""

import itertools
import math

import keras
import numpy as np

from kegnet_tf import extraction

BATCH = 512  # images asked of a generator at once


def class_images(generator: keras.Model, z: np.ndarray) -> np.ndarray:
    """Images of every one-hot class at each z, [rows, latent_dim].

    Returns:
        [rows, num_classes, height, width, channels].
    """
    classes = generator.num_classes
    y = np.tile(np.eye(classes, dtype=np.float32), (len(z), 1))
    x = _generate(generator, y, np.repeat(z, classes, axis=0))
    return x.reshape(len(z), classes, *x.shape[1:])


def mean_images(generator: keras.Model, seed: int, size: int = 500) -> np.ndarray:
    """Images of every class, averaged over `size` random z (KegNet, Figure 2c).

    Returns:
        [1, num_classes, height, width, channels].
    """
    parts = np.array_split(latents(generator, seed, size), math.ceil(size / 50))
    return sum(class_images(generator, part).sum(0, keepdims=True) for part in parts) / size


def label_walk(generator: keras.Model, start: int, end: int, steps: int = 10) -> np.ndarray:
    """Images at z = 0 while y moves from one-hot `start` to one-hot `end` (KegNet, Figure 2d).

    Returns:
        [1, steps, height, width, channels].
    """
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    first, last = np.eye(generator.num_classes, dtype=np.float32)[[start, end]]
    z = np.zeros((steps, generator.latent_dim), np.float32)
    return _generate(generator, (1 - share) * first + share * last, z)[None]


def latent_walk(generator: keras.Model, seed: int, steps: int = 10) -> np.ndarray:
    """Images of every class while z moves straight from one random latent to another.

    Returns:
        [num_classes, steps, height, width, channels].
    """
    first, last = latents(generator, seed, 2)
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return class_images(generator, (1 - share) * first + share * last).swapaxes(0, 1)


def latents(generator: keras.Model, seed: int, size: int) -> np.ndarray:
    """Random z, [size, latent_dim]."""
    classes, latent_dim = generator.num_classes, generator.latent_dim
    return np.asarray(extraction.sample(seed, 0, size, classes, latent_dim, "onehot")[1])


def _generate(generator, y, z):
    parts = [slice(start, start + BATCH) for start in range(0, len(y), BATCH)]
    x = [np.asarray(generator((y[part], z[part]), training=False)) for part in parts]
    return np.concatenate(x).astype(np.float32)


def variety(images: np.ndarray) -> tuple[float, float]:
    """Mean absolute difference of a value between images, two by two.

    Args:
        images: [rows, num_classes, ...] of random z, two rows or more.

    Returns:
        (within, between): of two z of the same class, and of the same z of two classes.
    """
    found = []
    for each in (np.asarray(images), np.swapaxes(images, 0, 1)):
        pairs = itertools.combinations(range(len(each)), 2)
        found.append(float(np.mean([np.abs(each[a] - each[b]).mean() for a, b in pairs])))
    return tuple(found)
