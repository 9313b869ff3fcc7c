import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kegnet_tf.teachers import rules

LABELS = ("onehot", "uniform")


def derive_seed(seed: int, stage: str, *indices: int) -> int:
    """Seed of one stream of a run: another integer for each stage and index.

    Args:
        seed: the run's integer seed.
        stage: name of the stage, such as "extraction".
        *indices: non-negative integers, such as a generator's.

    Returns:
        An integer in [0, 2^31).
    """
    words = np.random.SeedSequence([seed, zlib.crc32(stage.encode())], spawn_key=indices)
    return int(words.generate_state(1)[0] >> 1)


def check_labels(labels: str, class_prior: Sequence[float] = (), num_classes: int = 0) -> None:
    """Refuses what is no law of y.

    Args:
        labels: as in `sample`.
        class_prior: same as above.
        num_classes: length of y; 0 where it is not known.

    Raises:
        ValueError: if `labels` is neither, or `class_prior` no law of that many classes.
    """
    rules.choice("labels", labels, LABELS)
    rules.entries("class_prior", class_prior)
    shares = all(rules.is_number(share) and 0 <= share <= rules.MOST for share in class_prior)
    many = num_classes or len(class_prior)
    known = shares and len(class_prior) == many and np.any(np.asarray(class_prior, np.float32))
    if len(class_prior) and not known:
        rule = f"hold {many} shares, 0 or more, not all 0"
        raise rules.refusal("class_prior", rule, class_prior)


def sample(
    seed: int,
    step: int | tf.Tensor,
    batch_size: int,
    num_classes: int,
    latent_dim: int,
    labels: str,
    class_prior: Sequence[float] = (),
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws one batch of (y, z): the same one for the same seed and step.

    Args:
        seed: integer.
        step: integer or scalar tensor; the batch's place in its stream.
        batch_size: rows.
        num_classes: length of y.
        latent_dim: length of z.
        labels: "onehot" for one class a row, or "uniform" for elementwise U(0, 1), not normalised.
        class_prior: how often each class is the largest entry of y, in any unit; empty for all
            alike. Under "uniform", entry k is then U(0, 1) to the power of 1 / (num_classes p_k)
            (weighted sampling of Efraimidis and Spirakis, 2006), which leaves equal shares as
            they are.

    Returns:
        (y, z), float32: label vectors, [batch, num_classes], and latents from N(0, I),
        [batch, latent_dim].

    Raises:
        ValueError: as from `check_labels`.
    """
    check_labels(labels, class_prior, num_classes)
    prior = np.asarray(class_prior, np.float32)
    if len(prior):
        prior /= prior.sum()
    place = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    seed_y, seed_z = tf.unstack(tf.random.split(place, 2))
    if labels == "onehot":
        if len(class_prior):
            odds = tf.math.log(prior)[None]
            (label,) = tf.random.stateless_categorical(odds, batch_size, seed_y)
        else:
            label = tf.random.stateless_uniform([batch_size], seed_y, 0, num_classes, tf.int32)
        y = tf.one_hot(label, num_classes)
    else:
        y = tf.random.stateless_uniform([batch_size, num_classes], seed_y)
        if len(class_prior):
            y **= tf.math.reciprocal(num_classes * prior)  # infinite at 0, which leaves 0
    return y, tf.random.stateless_normal([batch_size, latent_dim], seed_z)


def stream(
    seed: int,
    batch_size: int,
    num_classes: int,
    latent_dim: int,
    labels: str = "onehot",
    start: int = 0,
) -> tf.data.Dataset:
    """Endless stream of `sample`'s batches.

    Args:
        seed: integer.
        batch_size: rows of a batch.
        num_classes: length of y.
        latent_dim: length of z.
        labels: as in `sample`. The default is the paper's law for training a generator.
        start: the first batch's place; above 0 to go on where an earlier stream was left.

    Returns:
        A `tf.data.Dataset` of (y, z).
    """
    return (
        tf.data.Dataset.range(start, tf.int64.max)
        .map(lambda step: sample(seed, step, batch_size, num_classes, latent_dim, labels))
        .prefetch(2)
    )


def stream_together(
    seeds: Sequence[int], batch_size: int, num_classes: int, latent_dim: int, start: int = 0
) -> tf.data.Dataset:
    """Endless streams of latents and labels, one for each seed, stacked.

    Args:
        seeds: k integers.
        batch_size: rows of a batch of each.
        num_classes: length of y.
        latent_dim: length of z.
        start: the first batch's place.

    Returns:
        A `tf.data.Dataset` of (y, z), [k, batch, num_classes] and [k, batch, latent_dim]; row by
        row what `stream` gives that seed.
    """
    shape = batch_size, num_classes, latent_dim
    streams = [stream(seed, *shape, start=start) for seed in seeds]
    return tf.data.Dataset.zip(*streams).map(
        lambda *pairs: tuple(map(tf.stack, zip(*pairs, strict=True)))
    )
