"""Images of nothing: shapes and strokes at several scales, as bright and as varied as real ones."""

import numpy as np
import tensorflow as tf

from kegnet_tf import extraction
from kegnet_tf.synthesis.dead_leaves import dead_leaves
from kegnet_tf.synthesis.draws import Draws

RESOLUTION = 64  # ours, as of generators
SCALES = (2, 3, 4, 6, 9, 14)


def images(seed, step, batch_size, image_shape, mean=0.5, std=0.25):
    """Draws one batch of images: the same one for the same seed and step.

    A field is smooth noise: a sum over `SCALES` of random values on so many points each way,
    weighted at random. The points where it is highest make a blob, those where it is nearest to 0
    make strokes; about the mean's share of the image is covered. Two more fields texture figure
    and ground, and the colours of both are random. In colour, the second half of the batch are
    `dead_leaves.dead_leaves`. Each image then gets the known mean and deviation, but for a random
    part of its own, and is clipped to the pixels' range. Fields have `RESOLUTION` points on the
    longer side at most; what they make is enlarged.

    Args:
        seed: integer.
        step: integer or scalar tensor; the batch's place in its stream.
        batch_size: rows.
        image_shape: (height, width, channels).
        mean: of each channel of real images in [0, 1]; one number does for all.
        std: their deviation, likewise, above 0.

    Returns:
        Images in [0, 1], float32, [batch, height, width, channels].
    """
    *size, channels = image_shape
    height, width = extraction.drawn_shape(image_shape, RESOLUTION)
    mean, std = (np.broadcast_to(part, (channels,)).astype(np.float32) for part in (mean, std))
    leaves = batch_size // 2 if channels > 1 else 0
    draw = Draws(seed, step, batch_size - leaves)
    x = _shapes(draw, height, width, channels, cover=float(np.clip(mean.mean(), 0.1, 0.9)))
    if leaves:
        hidden = dead_leaves(draw.of(leaves), height, width, channels)
        x = tf.concat([x, _standardised(hidden, (1, 2, 3))], axis=0)
    if [height, width] != size:
        x = _standardised(tf.image.resize(x, size, "bilinear"), (1, 2, 3))
    return _as_bright_as(draw.of(batch_size), x, mean, std)


def _shapes(draw, height, width, channels, cover):
    """Figures on a ground, [batch, height, width, channels], before their mean and deviation."""
    figure = _figure(draw, height, width, cover)
    texture, ground = (_field(draw, height, width) * draw.uniform(0.0, 0.4, 1, 1) for _ in range(2))
    light = figure * (1.0 + texture) + (1.0 - figure) * ground * draw.coin()
    # One light, and a colour of figure against ground that differs by channel.
    tint = 1.0 + 0.5 * draw.normal(1, 1, channels) if channels > 1 else 1.0
    return _standardised(light)[..., None] * tint


def _as_bright_as(draw, x, mean, std):
    """Images of mean 0 and deviation 1, brought near those of real ones, in [0, 1]."""
    # Of images that are nearly black and white, as digits on paper, the deviation is within each
    # image; of others, much of it is between them.
    extreme = np.maximum(mean * (1.0 - mean), 1e-6)  # variance of black and white alone
    between = np.sqrt(1.0 - np.minimum(std**2 / extreme, 1.0))
    shade = draw.normal(1, 1, 1) + 0.3 * draw.normal(1, 1, len(mean))
    contrast = np.sqrt(1.0 - between**2) * draw.uniform(0.5, 1.5, 1, 1, 1)
    return tf.clip_by_value(mean + std * (contrast * x + between * shade), 0.0, 1.0)


def _figure(draw, height, width, cover):
    """What is covered by a blob or by strokes: [batch, height, width], from 0 to 1."""
    shape = _field(draw, height, width)
    shape = _standardised(shape + draw.coin() * shape[:, :, ::-1])  # one in two is mirrored
    shape = tf.where(draw.coin() > 0.5, shape, -tf.abs(shape))
    # One in two keeps to a place near the middle.
    y, x = (tf.linspace(-1.0, 1.0, side) - draw.uniform(-0.3, 0.3, 1) for side in (height, width))
    distance = tf.square(y)[:, :, None] + tf.square(x)[:, None, :]
    shape -= draw.coin() * draw.uniform(0.0, 4.0, 1, 1) * distance
    points = height * width
    highest = tf.sort(tf.reshape(shape, (-1, points)), direction="DESCENDING")
    covered = cover * draw.uniform(0.3, 1.7) * (points - 1)
    level = tf.gather(highest, tf.cast(tf.minimum(covered, points - 1), tf.int32), batch_dims=1)
    return tf.sigmoid((shape - level[:, None, None]) / draw.uniform(0.02, 0.3, 1, 1))


def _field(draw, height, width):
    """Smooth noise of mean 0 and deviation 1 in each image, [batch, height, width]."""
    weights = tf.nn.softmax(4.0 * draw.normal(len(SCALES)))
    total = 0.0
    for index, points in enumerate(SCALES):
        noise = tf.image.resize(draw.normal(points, points, 1), (height, width), "bicubic")
        total += weights[:, index, None, None] * noise[..., 0]
    return _standardised(total)


def _standardised(x, axes=(1, 2)):
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-6)
