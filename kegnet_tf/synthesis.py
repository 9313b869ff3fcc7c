import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import latents

SOURCES = ("kegnet", "uniform", "gaussian")


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
):
    """Endless stream of artificial data with the teacher's answers.

    Args:
        teacher: classifier from x to logits.
        source: "kegnet" for the generators, all in equal shares, "uniform" for U(-1, 1), or
            "gaussian" for N(0, 1).
        batch_size: rows of a batch.
        seed: integer.
        size: 0 for fresh data in every batch, or the size of a fixed set that is drawn once and
            shuffled anew in each pass.
        generators: models from (y, z) to x, for "kegnet" only.
        labels: law of y, for "kegnet" only: "uniform" (elementwise, the paper's) or "onehot".
        class_prior: for "kegnet" only: how often each class is asked for above the others, see
            `latents.sample`; empty for all alike.
        batch_statistics: for "kegnet" only: whether the generators' BatchNorm layers normalise by
            the batch, as in training, in place of moving statistics, which belong to the labels
            of training and not to those asked for here.

    Returns:
        A `tf.data.Dataset` of (x, p), float32: data, [batch, ...], and the teacher's
        probabilities, [batch, num_classes]. Any Keras `fit` can eat it.

    Raises:
        ValueError: if `source` is unknown or lacks its generators.
    """
    if source not in SOURCES:
        raise ValueError(f"`source` must be one of {', '.join(SOURCES)}. Received: {source!r}.")
    if source == "kegnet" and not generators:
        raise ValueError("`generators` must hold at least one for source 'kegnet'. Received: none.")
    if size:
        artificial = {"generators": generators, "labels": labels, "class_prior": class_prior}
        artificial["batch_statistics"] = batch_statistics
        x, p = synthesise(teacher, source, size, seed=seed, **artificial)
        fixed = tf.data.Dataset.from_tensor_slices((x, p)).shuffle(size, seed)
        return fixed.repeat().batch(batch_size).prefetch(2)
    shape = (batch_size, *teacher.input_shape[1:])

    def generated(step):
        drawn = []
        for index, generator in enumerate(generators):
            own = latents.derive_seed(seed, "synthesis", index)
            sizes = batch_size, generator.num_classes, generator.latent_dim
            asked = latents.sample(own, step, *sizes, labels, class_prior)
            with keras.StatelessScope():  # moving statistics stay those of training
                drawn.append(generator(asked, training=batch_statistics))
        # The generators take turns, so that any run of rows holds them in equal shares.
        return tf.reshape(tf.stack(drawn, axis=1), (len(drawn) * batch_size, *shape[1:]))

    draw = {
        "kegnet": generated,
        "uniform": lambda step: tf.random.stateless_uniform(shape, [seed, step], -1.0, 1.0),
        "gaussian": lambda step: tf.random.stateless_normal(shape, [seed, step]),
    }[source]

    def answered(step):
        x = draw(step)
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
        **artificial: `generators`, `labels`, `class_prior` and `batch_statistics`, as in `stream`.

    Returns:
        (x, p): float32 arrays, [size, ...] and [size, num_classes]; `numpy.savez(path, x=x, p=p)`
        keeps them.
    """
    batch_size = min(size, 256)
    batches = stream(teacher, source, batch_size=batch_size, seed=seed, **artificial)
    batches = batches.take(-(-size // batch_size))
    x, p = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(x)[:size], np.concatenate(p)[:size]
