"""Random tensors of one batch, each with a seed of its own."""

import copy

import tensorflow as tf


class Draws:
    """Random tensors, [batch, *shape]: the same ones in the same order for the same seed and step.

    Args:
        seed: integer.
        step: integer or scalar tensor; the batch's place in its stream.
        batch_size: rows.
    """

    def __init__(self, seed, step, batch_size):
        place = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        self.seeds = iter(tf.unstack(tf.random.split(place, 64)))
        self.batch_size = batch_size

    def normal(self, *shape):
        """From N(0, 1)."""
        return tf.random.stateless_normal((self.batch_size, *shape), next(self.seeds))

    def uniform(self, low, high, *shape):
        """From U(low, high)."""
        return tf.random.stateless_uniform((self.batch_size, *shape), next(self.seeds), low, high)

    def coin(self):
        """0 or 1, [batch, 1, 1]."""
        return tf.round(self.uniform(0.0, 1.0, 1, 1))

    def of(self, batch_size):
        """The same draws from here on, for another number of rows."""
        other = copy.copy(self)
        other.batch_size = batch_size
        return other
