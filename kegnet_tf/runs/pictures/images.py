"""Figure 2 of the paper, and other pictures of a run.

A `generator` is a model from (y, z) to images with `num_classes` and `latent_dim`; `label_names`
are one for each class; `seed` is an integer; `path` is of the PNG that a function writes.
"""

import math
import os
from collections.abc import Sequence

import keras
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, Bbox

from kegnet_tf import extraction

DPI = 128  # a power of two, so that pixels to inches and back is exact
SIDE = 64  # pixels of the PNG that the longer side of an image has at least
MARGIN = 8  # pixels of the PNG around what is drawn
BATCH = 512  # images asked of a generator at once


def drawable(shape: Sequence[int]) -> bool:
    """Whether data of this shape, without the batch, are grey or colour images."""
    return len(shape) == 3 and shape[-1] in (1, 3)


def tile(images: np.ndarray, gap: int = 1) -> np.ndarray:
    """Lays images out as one, each linearly on its own scale: least value black, greatest white.

    Args:
        images: [rows, columns, height, width, channels]; one channel is grey, three are colour.
            An image of one value, or with a NaN, turns black.
        gap: white pixels between neighbours.

    Returns:
        uint8, [rows * (height + gap) - gap, columns * (width + gap) - gap, channels].

    Raises:
        ValueError: if `images` has another rank or number of channels, or is empty.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 5 or not drawable(images.shape[2:]) or not images.size:
        raise ValueError(
            "`images` must be [rows, columns, height, width, channels] with 1 or 3 channels. "
            f"Received: {images.shape}."
        )
    rows, columns, height, width, channels = images.shape
    low = images.min((2, 3, 4), keepdims=True)
    spread = images.max((2, 3, 4), keepdims=True) - low
    scaled = np.nan_to_num((images - low) / np.maximum(spread, np.finfo(np.float32).tiny))
    canvas = np.full((rows, height + gap, columns, width + gap, channels), 255, np.uint8)
    canvas[:, :height, :, :width] = np.rint(255 * scaled).transpose(0, 2, 1, 3, 4)
    canvas = canvas.reshape(rows * (height + gap), columns * (width + gap), channels)
    return canvas[: len(canvas) - gap, : canvas.shape[1] - gap]


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
    parts = np.array_split(_latents(generator, seed, size), math.ceil(size / 50))
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
    first, last = _latents(generator, seed, 2)
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return class_images(generator, (1 - share) * first + share * last).swapaxes(0, 1)


def _latents(generator, seed, size):
    classes, latent_dim = generator.num_classes, generator.latent_dim
    return np.asarray(extraction.sample(seed, 0, size, classes, latent_dim, "onehot")[1])


def _generate(generator, y, z):
    parts = [slice(start, start + BATCH) for start in range(0, len(y), BATCH)]
    x = [np.asarray(generator((y[part], z[part]), training=False)) for part in parts]
    return np.concatenate(x).astype(np.float32)


def image_grid(
    images: np.ndarray,
    path: str | os.PathLike,
    row_names: Sequence[str] | None = None,
    column_names: Sequence[str] | None = None,
    title: str | None = None,
) -> None:
    """Writes images as in `tile`, every pixel drawn as an exact square of the PNG's pixels.

    Raises:
        ValueError: as in `tile`, or if there are too few or too many names.
    """
    canvas = _enlarged(images)
    rows, columns = np.shape(images)[:2]
    row_names, column_names = _checked(row_names, rows), _checked(column_names, columns)
    _draw(canvas, path, row_names, column_names, title)


def class_grid(
    generators: Sequence[keras.Model], path: str | os.PathLike, label_names: Sequence[str]
) -> None:
    """Writes images at z = 0, a row a generator, a column a class (KegNet, Figure 2a and b)."""
    rows = [class_images(each, np.zeros((1, each.latent_dim), np.float32)) for each in generators]
    _generator_grid(rows, path, label_names, "z = 0")


def mean_grid(
    generators: Sequence[keras.Model],
    path: str | os.PathLike,
    label_names: Sequence[str],
    seed: int,
) -> None:
    """Writes `mean_images`, a row a generator, a column a class (KegNet, Figure 2c)."""
    rows = [mean_images(generator, seed) for generator in generators]
    _generator_grid(rows, path, label_names, "mean over z")


def _generator_grid(rows, path, label_names, title):
    names = [f"generator {index}" for index in range(len(rows))]
    image_grid(np.concatenate(rows), path, names, label_names, title)


def walk_grid(
    generators: Sequence[keras.Model],
    path: str | os.PathLike,
    label_names: Sequence[str],
    pairs: Sequence[tuple[int, int]] | None = None,
) -> None:
    """Writes a `label_walk` for each generator and (start, end) of `pairs` (KegNet, Figure 2d).

    By default the first three labels each walk to the one that is half the classes further on.
    """
    half = len(label_names) // 2
    pairs = pairs or [(label, label + half) for label in range(min(half, 3))]
    rows, names = [], []
    for start, end in pairs:
        for index, generator in enumerate(generators):
            rows.append(label_walk(generator, start, end))
            names.append(f"{label_names[start]} → {label_names[end]}\ngenerator {index}")
    shares = [f"{share:.0%}" for share in np.linspace(0, 1, rows[0].shape[1])]
    image_grid(np.concatenate(rows), path, names, shares)


def generated_grid(
    generator: keras.Model,
    path: str | os.PathLike,
    label_names: Sequence[str],
    seed: int,
    rows: int = 8,
) -> None:
    """Writes one generator's images: a column a class, z = 0 on top, random z below."""
    z = _latents(generator, seed, rows) * (np.arange(rows) > 0)[:, None]
    names = ["z = 0", *[""] * (rows - 1)]
    image_grid(class_images(generator, z), path, names, label_names)


def real_beside_generated(
    real: np.ndarray, generated: np.ndarray, path: str | os.PathLike, label_names: Sequence[str]
) -> None:
    """Writes a row for each class: real images on the left, generated ones on the right.

    Both are [num_classes, n, height, width, channels], drawn as in `image_grid`.
    """
    left, right = _enlarged(real), _enlarged(generated)
    canvas = np.concatenate([left, np.full_like(left[:, : SIDE // 2], 255), right], axis=1)
    _draw(canvas, path, _checked(label_names, len(real)), ["real", "generated"])


def _checked(names, count):
    names = names or [""] * count
    if len(names) != count:
        raise ValueError(f"Names must be {count}, or none. Received: {names}.")
    return names


def _enlarged(images):
    canvas, scale = tile(images), math.ceil(SIDE / max(np.shape(images)[2:4]))
    return canvas.repeat(scale, 0).repeat(scale, 1)


def _draw(canvas, path, row_names, column_names, title=None):
    """Writes a canvas pixel by pixel, names spread evenly along its left side and its top."""
    (height, width, _), rows, columns = canvas.shape, len(row_names), len(column_names)
    # Texts stand around a canvas at the origin. Once they are measured, all is shifted.
    figure, shift = Figure(dpi=DPI), Affine2D()
    renderer = FigureCanvasAgg(figure).get_renderer()

    def text(x, y, name, ha="center", va="bottom"):
        how = {"size": 8, "ha": ha, "va": va, "parse_math": False}
        return figure.text(x, y, name, transform=shift, **how)

    def extent():
        boxes = [artist.get_window_extent(renderer) for artist in figure.texts]
        return Bbox.union([Bbox.from_bounds(0, 0, width, height), *boxes])

    above = [
        text(width * (column + 0.5) / columns, height + MARGIN, name)
        for column, name in enumerate(column_names)
    ]
    if max(artist.get_window_extent(renderer).width for artist in above) > width / columns:
        for artist in above:
            artist.set(rotation=45, rotation_mode="anchor", ha="left")
    for row, name in enumerate(row_names):
        text(-MARGIN, height * (1 - (row + 0.5) / rows), name, "right", "center")
    if title:
        text(width / 2, extent().y1 + MARGIN, title)
    left, bottom, right, top = np.rint(extent().padded(MARGIN).extents).astype(int)
    shift.translate(-left, -bottom)
    figure.set_size_inches((right - left) / DPI, (top - bottom) / DPI)
    figure.figimage(np.broadcast_to(canvas, (height, width, 3)), -left, -bottom)
    figure.savefig(path, format="png", dpi=DPI)
