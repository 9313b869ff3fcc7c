"""Where what students learn from comes from: generators, noise, images of nothing, a mixture."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import extraction, teachers
from kegnet_tf.synthesis import mixtures, procedural

LARGEST = 64  # pixels a side, of pictures that are drawn by a batch of every generator at once
CANDIDATES = 4  # rows drawn for each that balance keeps; ours, see docs/method.md


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Artificial data with the teacher's answers to them.

    Attributes:
        teacher: classifier from x to logits.
        name: "kegnet" for the generators, all in equal shares, "uniform" for U(-1, 1), "gaussian"
            for N(0, 1), "heavy_tailed" for Student's t with 3 degrees of freedom, scaled to
            variance 1, "procedural" for `procedural.images`, "unlabeled" for rows of that array, or
            "kegnet+" for a mixture of these.
        generators: models from (y, z) to x, for "kegnet" and mixtures that hold it; what follows is
            for these, too.
        labels: law of y: "uniform" (elementwise, the paper's) or "onehot".
        class_prior: how often each class is asked for, in any unit, see `extraction.sample`; empty
            for all alike.
        batch_statistics: whether the generators' BatchNorm layers normalise by the batch, as in
            training, in place of moving statistics, which belong to the labels of training and not
            to those asked for here.
        balanced: whether rows are chosen among `CANDIDATES` times as many, so that the teacher
            answers with each class in proportion to the root of its share among them: rare classes
            more often than they come, and frequent ones more often than those. Tables only: images
            are left alone.
        mixture: for "kegnet+" only: share of each source, in any unit. For a table the share of
            "procedural" goes to "heavy_tailed". The share of "unlabeled" counts where there are
            such, and is then 1 unless it is given.
        pixels: for "procedural" only: what is known of real images, and their standardisation.
        unlabeled: real data of any kind, float32, [size, ...], standardised, for "unlabeled" and
            mixtures; None for none, and only then is all of this free of data.

    Raises:
        ValueError: as from `check_source` and `shares_of`, or if the generators are missing.
    """

    teacher: keras.Model
    name: str
    generators: Sequence[keras.Model] = ()
    labels: str = "uniform"
    class_prior: Sequence[float] = ()
    batch_statistics: bool = False
    balanced: bool = False
    mixture: Mapping[str, float] | None = None
    pixels: teachers.Pixels = dataclasses.field(default_factory=teachers.Pixels)
    unlabeled: np.ndarray | None = None

    def __post_init__(self):
        mixtures.check_source(
            self.labels, self.class_prior, self.batch_statistics, self.balanced, self.mixture
        )
        if self.unlabeled is not None:
            mixtures.check_unlabeled(self.unlabeled, self._shape)
        if "kegnet" in self.shares and not self.generators:
            raise ValueError(
                "`generators` must hold at least one for source 'kegnet'. Received: none."
            )

    @property
    def shares(self) -> dict[str, float]:
        """Fraction of each source that is drawn from, in all 1."""
        images = len(self.teacher.input_shape) == 4
        return mixtures.shares_of(self.name, self.mixture, images, self.unlabeled is not None)

    def stream(self, batch_size: int, seed: int, size: int = 0, start: int = 0) -> tf.data.Dataset:
        """Endless stream of artificial data with the teacher's answers.

        Args:
            batch_size: rows of a batch.
            seed: integer.
            size: 0 for fresh data in every batch, or the size of a fixed set that is drawn once and
                shuffled anew in each pass.
            start: the first batch's place in the stream; above 0 to go on where an earlier one was
                left.

        Returns:
            Batches of (x, p), float32: data, [batch, ...], standardised, and the teacher's
            probabilities, [batch, num_classes]. Keras' `fit` takes it as it is.
        """
        if size:
            fixed = tf.data.Dataset.from_tensor_slices(self.sample(size, seed))
            return fixed.shuffle(size, seed).repeat().batch(batch_size).skip(start).prefetch(2)
        shares = self.shares
        draws = {name: getattr(self, f"_{name}") for name in shares if name != "unlabeled"}
        if "unlabeled" in shares:
            with tf.device("CPU"):  # a tensor, so that no copy of it gets into the stream's graph
                draws["unlabeled"] = functools.partial(_rows_of, tf.constant(self.unlabeled))
        # Each draw is a batch of every generator, of all of them where pictures are large; a
        # mixture's rows are then shuffled.
        small = len(self._shape) == 1 or max(self._shape[:2]) <= LARGEST
        together = "kegnet" in shares and small
        total = batch_size * (len(self.generators) if together else 1)
        drawn = total * (CANDIDATES if self._chooses else 1)
        ends = np.round(drawn * np.cumsum([0.0, *shares.values()])).astype(int)
        rows = dict(zip(shares, np.diff(ends).tolist(), strict=True))

        def answered(step):
            parts = [draws[name](seed, step, count) for name, count in rows.items() if count]
            x = parts[0] if len(parts) == 1 else _shuffled(tf.concat(parts, axis=0), seed, step)
            p = tf.nn.softmax(self.teacher(x, training=False))
            return _balanced(x, p, total, seed, step) if self._chooses else (x, p)

        draws_before, batches = divmod(start, total // batch_size)
        steps = tf.data.Dataset.range(draws_before, tf.int64.max)
        drawn = steps.map(answered).rebatch(batch_size, drop_remainder=True)
        return drawn.skip(batches).prefetch(2)

    def sample(self, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """A fixed set of artificial data with the teacher's answers.

        Args:
            size: how many examples.
            seed: integer.

        Returns:
            (x, p): float32 arrays, [size, ...], standardised, and [size, num_classes];
            `numpy.savez(path, x=x, p=p)` keeps them.
        """
        batch_size = min(size, teachers.rows_at_once(self._shape, 256))
        drawn = size * (CANDIDATES if self._chooses else 1)
        unbalanced = dataclasses.replace(self, balanced=False)
        batches = unbalanced.stream(batch_size, seed).take(-(-drawn // batch_size))
        x, p = map(np.concatenate, zip(*batches.as_numpy_iterator(), strict=True))
        if self._chooses:  # over all at once, for classes that a batch seldom holds
            x, p = (part.numpy() for part in _balanced(x, p, size, seed, 0))
        return x[:size], p[:size]

    @property
    def _chooses(self):
        return self.balanced and len(self._shape) == 1

    @property
    def _shape(self):
        return self.teacher.input_shape[1:]

    def _kegnet(self, seed, step, rows):
        drawn = []
        for index, generator in enumerate(self.generators):
            own = extraction.derive_seed(seed, "synthesis", index)
            sizes = -(-rows // len(self.generators)), generator.num_classes, generator.latent_dim
            asked = extraction.sample(own, step, *sizes, self.labels, self.class_prior)
            with keras.StatelessScope():  # moving statistics stay those of training
                drawn.append(generator(asked, training=self.batch_statistics))
        # The generators take turns, so that any run of rows holds them in equal shares.
        return tf.reshape(tf.stack(drawn, axis=1), (-1, *self._shape))[:rows]

    def _uniform(self, seed, step, rows):
        return tf.random.stateless_uniform((rows, *self._shape), [seed, step], -1.0, 1.0)

    def _gaussian(self, seed, step, rows):
        return tf.random.stateless_normal((rows, *self._shape), [seed, step])

    def _heavy_tailed(self, seed, step, rows):
        """Student's t with 3 degrees of freedom, over its deviation: a normal over three's norm."""
        place = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
        own, others = tf.unstack(tf.random.split(place, 2))
        normal = tf.random.stateless_normal((rows, *self._shape), own)
        return normal / tf.norm(tf.random.stateless_normal((3, rows, *self._shape), others), axis=0)

    def _procedural(self, seed, step, rows):
        known = self.pixels
        mean, std = (np.asarray(part, np.float32) for part in (known.input_mean, known.input_std))
        images = procedural.images(seed, step, rows, self._shape, known.mean, known.std)
        return (images - mean) / std


def _rows_of(x, seed, step, rows):
    """Rows of an array, drawn with replacement."""
    own = tf.constant(extraction.derive_seed(seed, "unlabeled"), tf.int64)
    place = tf.stack([own, tf.cast(step, tf.int64)])
    chosen = tf.random.stateless_uniform((rows,), place, 0, x.shape[0], tf.int64)
    return tf.gather(x, chosen)


def _balanced(x, p, rows, seed, step):
    """Rows drawn, with replacement, so that a class is as likely as the root of its share."""
    labels = tf.argmax(p, axis=-1)
    counts = tf.reduce_sum(tf.one_hot(labels, p.shape[-1]), axis=0)
    odds = -0.5 * tf.math.log(tf.gather(counts, labels))[None]
    place = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    chosen = tf.random.stateless_categorical(odds, rows, place)[0]
    return tf.gather(x, chosen), tf.gather(p, chosen)


def _shuffled(x, seed, step):
    seed = tf.stack([tf.cast(seed, tf.int64), tf.cast(step, tf.int64)])
    return tf.random.experimental.stateless_shuffle(x, seed)
