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

from kegnet_tf.runs.pictures import look
from kegnet_tf.runs.pictures.draws import class_images, label_walk, latents, mean_images, variety

DPI = 128  # a power of two, so that pixels to inches and back is exact
SIDE = 64  # pixels of the PNG that the longer side of an image has at least
MARGIN = 8  # pixels of the PNG around what is drawn


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


@look.own
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
    generators: Sequence[keras.Model],
    path: str | os.PathLike,
    label_names: Sequence[str],
    seed: int,
) -> None:
    """Writes images at z = 0 and `mean_images` below (KegNet, Figure 2a to c), a column a class."""
    rows, names = [], []
    for index, each in enumerate(generators):
        rows += [class_images(each, np.zeros((1, each.latent_dim), np.float32))]
        rows += [mean_images(each, seed)]
        names += [f"generator {index}, z = 0", "mean over z"]
    image_grid(np.concatenate(rows), path, names, label_names, "what generators draw of each class")


def mean_grid(
    generators: Sequence[keras.Model],
    path: str | os.PathLike,
    label_names: Sequence[str],
    seed: int,
) -> None:
    """Writes `mean_images`, a row a generator, a column a class (KegNet, Figure 2c)."""
    rows = [mean_images(generator, seed) for generator in generators]
    names = [f"generator {index}" for index in range(len(rows))]
    image_grid(np.concatenate(rows), path, names, label_names, "mean over z, of each class")


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
    title = "z = 0, on the way from one class to another"
    image_grid(np.concatenate(rows), path, names, shares, title)


def generated_grid(
    generator: keras.Model,
    path: str | os.PathLike,
    label_names: Sequence[str],
    seed: int,
    rows: int = 8,
    index: int = 0,
) -> None:
    """Writes one generator's images: a column a class, z = 0 on top, random z below.

    Above them it says how much those of random z differ, by `variety`.
    """
    z = latents(generator, seed, rows) * (np.arange(rows) > 0)[:, None]
    names = ["z = 0", *["random z"] * (rows - 1)]
    x = class_images(generator, z)
    title = f"generator {index}"
    if rows > 2:
        within, between = variety(x[1:])
        title += "; mean difference of a pixel, in standard deviations of real ones:\n"
        title += f"{within:.2f} between two z of a class, {between:.2f} between two classes"
    image_grid(x, path, names, label_names, title)


@look.own
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
