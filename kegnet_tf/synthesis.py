import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import latents, procedural

SOURCES = ("uniform", "gaussian", "procedural", "kegnet", "kegnet+")


def stream(
    teacher,
    source,
    *,
    batch_size,
    seed,
    size=0,
    generators=(),
    labels="uniform",
    class_prior=(),
    batch_statistics=False,
    mixture=None,
    pixels=(0.5, 0.25),
    scale=(0.5, 0.25),
):
    """Endless stream of artificial data with the teacher's answers.

    Args:
        teacher: classifier from x to logits.
        source: "kegnet" for the generators, all in equal shares, "uniform" for U(-1, 1),
            "gaussian" for N(0, 1), "procedural" for `procedural.images`, or "kegnet+" for a
            mixture of these.
        batch_size: rows of a batch.
        seed: integer.
        size: 0 for fresh data in every batch, or the size of a fixed set that is drawn once and
            shuffled anew in each pass.
        generators: models from (y, z) to x, for "kegnet" only, as what follows, in a mixture too.
        labels: law of y: "uniform" (elementwise, the paper's) or "onehot".
        class_prior: how often each class is asked for above the others, see
            `latents.sample`; empty for all alike.
        batch_statistics: whether the generators' BatchNorm layers normalise by
            the batch, as in training, in place of moving statistics, which belong to the labels
            of training and not to those asked for here.
        mixture: for "kegnet+" only: share of each source, in any unit. For a table the share of
            "procedural" goes to "gaussian".
        pixels: for "procedural" only: mean and deviation of real images in [0, 1].
        scale: for "procedural" only: what an image in [0, 1] is standardised by, a mean and a
            deviation; each a number or one for each channel, as those of `pixels`.

    Returns:
        A `tf.data.Dataset` of (x, p), float32: data, [batch, ...], and the teacher's
        probabilities, [batch, num_classes]. Any Keras `fit` can eat it.

    Raises:
        ValueError: if `source` is unknown or lacks its generators.
    """
    shares = shares_of(source, mixture, len(teacher.input_shape) == 4)
    if "kegnet" in shares and not generators:
        raise ValueError("`generators` must hold at least one for source 'kegnet'. Received: none.")
    if size:
        artificial = {"generators": generators, "labels": labels, "class_prior": class_prior}
        artificial |= {"batch_statistics": batch_statistics, "mixture": mixture}
        artificial |= {"pixels": pixels, "scale": scale}
        x, p = synthesise(teacher, source, size, seed=seed, **artificial)
        fixed = tf.data.Dataset.from_tensor_slices((x, p)).shuffle(size, seed)
        return fixed.repeat().batch(batch_size).prefetch(2)
    shape = teacher.input_shape[1:]

    def generated(step, rows):
        drawn = []
        for index, generator in enumerate(generators):
            own = latents.derive_seed(seed, "synthesis", index)
            sizes = -(-rows // len(generators)), generator.num_classes, generator.latent_dim
            asked = latents.sample(own, step, *sizes, labels, class_prior)
            with keras.StatelessScope():  # moving statistics stay those of training
                drawn.append(generator(asked, training=batch_statistics))
        # The generators take turns, so that any run of rows holds them in equal shares.
        return tf.reshape(tf.stack(drawn, axis=1), (-1, *shape))[:rows]

    def pictured(step, rows):
        middle, spread = (np.asarray(part, np.float32) for part in scale)
        return (procedural.images(seed, step, rows, shape, *pixels) - middle) / spread

    draw = {
        "kegnet": generated,
        "uniform": lambda step, rows: tf.random.stateless_uniform(
            (rows, *shape), [seed, step], -1.0, 1.0
        ),
        "gaussian": lambda step, rows: tf.random.stateless_normal((rows, *shape), [seed, step]),
        "procedural": pictured,
    }
    # Each draw is a batch of every generator; a mixture's rows are then shuffled.
    total = batch_size * (len(generators) if "kegnet" in shares else 1)

    def answered(step):
        ends = np.round(total * np.cumsum([0.0, *shares.values()])).astype(int)
        parts = [
            draw[part](step, int(rows))
            for part, rows in zip(shares, np.diff(ends), strict=True)
            if rows
        ]
        x = parts[0] if len(parts) == 1 else _shuffled(tf.concat(parts, axis=0), seed, step)
        return x, tf.nn.softmax(teacher(x, training=False))

    steps = tf.data.Dataset.counter()
    return steps.map(answered).rebatch(batch_size, drop_remainder=True).prefetch(2)


def synthesise(teacher, source, size, *, seed, **artificial):
    """A fixed set of artificial data with the teacher's answers.

    Args:
        teacher: classifier from x to logits.
        source: as in `stream`.
        size: how many examples.
        seed: integer.
        **artificial: `generators` and all that follows it in `stream`.

    Returns:
        (x, p): float32 arrays, [size, ...] and [size, num_classes]; `numpy.savez(path, x=x, p=p)`
        keeps them.
    """
    batch_size = min(size, 256)
    batches = stream(teacher, source, batch_size=batch_size, seed=seed, **artificial)
    batches = batches.take(-(-size // batch_size))
    x, p = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(x)[:size], np.concatenate(p)[:size]


def shares_of(source, mixture, images):
    """Share of each source that is drawn from.

    Args:
        source: as in `stream`.
        mixture: likewise.
        images: whether the teacher eats images.

    Returns:
        Fractions by source, in all 1.

    Raises:
        ValueError: if `source` or one in `mixture` is unknown, or no share is above 0.
    """
    if source not in SOURCES:
        raise ValueError(f"`source` must be one of {', '.join(SOURCES)}. Received: {source!r}.")
    shares = {source: 1.0}
    if source == "kegnet+":
        known = [name for name in SOURCES if name != "kegnet+"]
        shares = {name: share for name, share in (mixture or {}).items() if share}
        if not images and "procedural" in shares:
            shares["gaussian"] = shares.get("gaussian", 0.0) + shares.pop("procedural")
        if not shares or not shares.keys() <= {*known} or not min(shares.values()) > 0:
            raise ValueError(
                f"`mixture` must give shares, 0 or more, not all 0, of {', '.join(known)}. "
                f"Received: {mixture}."
            )
        shares = {name: share / sum(shares.values()) for name, share in shares.items()}
    if "procedural" in shares and not images:
        raise ValueError(f"`source` must stay away from images for a table. Received: {source!r}.")
    return shares


def _shuffled(x, seed, step):
    seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.experimental.stateless_shuffle(x, seed)
