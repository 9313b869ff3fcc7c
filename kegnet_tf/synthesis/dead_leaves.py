"""Dead leaves: many shapes that hide one another, as things in photographs do.

Radii follow a power law and textures one over the frequency, as in the images of Baradad et al.
("Learning to see by looking at noise", NeurIPS 2021).
"""

import math

import numpy as np
import tensorflow as tf

from kegnet_tf.synthesis.draws import Draws

LEAVES = 16  # ours: with more, large images are mostly small ones
SMALLEST = 0.1  # radius of a leaf, half a side being 1; ours, three pixels of 32
TEXTURES = 3  # of an image, which its leaves share; ours


def dead_leaves(draw: Draws, height: int, width: int, channels: int) -> tf.Tensor:
    """Draws images of leaves on a textured ground.

    A leaf is an ellipse or a rectangle, turned, with an edge that is sharp or soft, a colour, a
    texture and a slope of light of its own. The density of its radius r is proportional to r^-3;
    in half of the images large leaves lie below small ones, in the others as it comes.

    Args:
        draw: random tensors of the batch.
        height: of an image.
        width: same as above.
        channels: same as above.

    Returns:
        float32, [batch, height, width, channels], in no unit: the caller sets mean and deviation.
    """
    textures = [power_law(draw, height, width) for _ in range(TEXTURES)]
    tint = 1.0 + (channels > 1) * 0.3 * draw.normal(LEAVES, channels)
    colour = draw.normal(LEAVES, 1) + (channels > 1) * 0.5 * draw.normal(LEAVES, channels)
    texture = 0.8 * tf.square(draw.uniform(0.0, 1.0, LEAVES))
    slope = draw.uniform(-0.4, 0.4, LEAVES)
    radius = _radii(draw)
    aspect = tf.exp(0.5 * draw.normal(LEAVES))
    turn = draw.uniform(0.0, math.pi, LEAVES)
    y, x = draw.uniform(-1.0, 1.0, LEAVES), draw.uniform(-1.0, 1.0, LEAVES)
    rectangle = draw.uniform(0.0, 1.0, LEAVES)
    softness = draw.uniform(0.02, 0.25, LEAVES)
    ground = draw.normal(1) + (channels > 1) * 0.5 * draw.normal(channels)

    def spread(values):
        return values[:, None, None]

    image = ground[:, None, None] + (draw.uniform(0.0, 1.0, 1, 1) * textures[0])[..., None]
    rows, columns = (np.linspace(-1.0, 1.0, side, dtype=np.float32) for side in (height, width))
    for leaf in range(LEAVES):
        down = rows[None, :, None] - spread(y[:, leaf])
        right = columns[None, None, :] - spread(x[:, leaf])
        cosine, sine = spread(tf.cos(turn[:, leaf])), spread(tf.sin(turn[:, leaf]))
        along = (cosine * right + sine * down) / spread(radius[:, leaf] * aspect[:, leaf])
        across = (cosine * down - sine * right) / spread(radius[:, leaf] / aspect[:, leaf])
        distance = tf.where(
            spread(rectangle[:, leaf]) > 0.5,
            tf.maximum(tf.abs(along), tf.abs(across)),
            tf.sqrt(tf.square(along) + tf.square(across)),
        )
        covered = tf.sigmoid((1.0 - distance) / spread(softness[:, leaf]))[..., None]
        light = spread(texture[:, leaf]) * textures[leaf % TEXTURES]
        light += spread(slope[:, leaf]) * along
        own = colour[:, None, None, leaf] + light[..., None] * tint[:, None, None, leaf]
        image += covered * (own - image)
    return image


def power_law(draw: Draws, height: int, width: int) -> tf.Tensor:
    """Noise whose power falls with the frequency f as 1 / f^a, a drawn from U(0.5, 3.5).

    Args:
        draw: random tensors of the batch.
        height: of an image.
        width: same as above.

    Returns:
        float32, [batch, height, width], with mean 0 and deviation 1 in each image.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    exponent = draw.uniform(0.5, 3.5, 1, 1)
    gain = tf.exp(-0.5 * exponent * np.log(frequency).astype(np.float32))
    spectrum = tf.signal.rfft2d(draw.normal(height, width)) * tf.cast(gain, tf.complex64)
    noise = tf.signal.irfft2d(spectrum, [height, width])
    mean, variance = tf.nn.moments(noise, (1, 2), keepdims=True)
    return (noise - mean) * tf.math.rsqrt(variance + 1e-6)


def _radii(draw):
    """By the inverse of the distribution whose density is r^-3 between `SMALLEST` and 1."""
    most = SMALLEST**-2
    radii = tf.math.rsqrt(most + draw.uniform(0.0, 1.0, LEAVES) * (1.0 - most))
    return tf.where(draw.uniform(0.0, 1.0, 1) > 0.5, tf.sort(radii, direction="DESCENDING"), radii)
