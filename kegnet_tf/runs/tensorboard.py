"""What a run shows in TensorBoard, under tags that stay: pictures, hyperparameters, results.

Losses and metrics of every stage come from Keras' own callback, as `epoch_loss` and the like.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from kegnet_tf import distillation, extraction
from kegnet_tf.runs import pictures

MEASURES = ("accuracy", "agreement")
# What tells a student from others; the last two are what pilots settled.
STUDENT = ("arm", "name", "seed", "loss", "batch_norm", "features")
# What of a preset's settings is recorded beside each student.
SETTINGS = (
    "seed",
    "num_generators",
    "batch_size",
    "synthetic_size",
    "extraction",
    "synthesis",
    "distillation",
)


def tensorboard(log_dir: str | os.PathLike) -> keras.callbacks.TensorBoard:
    """Keras' callback for the losses and metrics of one stage, a point an epoch."""
    return keras.callbacks.TensorBoard(str(log_dir), write_graph=False)


class GeneratorImages(keras.callbacks.Callback):
    """Draws a generator while `extraction.KegNet` trains it, to `log_dir`/images.

    Tag `generated` has a column a class and a row a random z, the same ones in every picture. It
    comes after each epoch in which training passed a multiple of `interval` steps, and at the end.
    Tags `latent_walk` and `label_walk` come at the end, with a row a class: z moves from one random
    latent to another, or y, at z = 0, from the class to the next. The steps are the optimiser's.
    Training that goes on from an earlier state adds points; from step 0 it replaces them.

    Args:
        log_dir: path of the generator's folder.
        seed: integer of the random z.
        interval: steps between pictures.
        rows: random z in a picture.

    Raises:
        ValueError: if `interval` or `rows` is not positive; when training begins, if what the
            generator makes are no images of 1 or 3 channels.
    """

    def __init__(
        self, log_dir: str | os.PathLike, seed: int, interval: int = 500, rows: int = 4
    ) -> None:
        super().__init__()
        for name, value in (("interval", interval), ("rows", rows)):
            if not value > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {value}.")
        self.folder = pathlib.Path(log_dir) / "images"
        self.seed, self.interval, self.rows = seed, interval, rows

    def on_train_begin(self, logs=None):
        self.drawn = self._step()
        pictures.tile(self._generated())  # raises now, not at the first multiple
        self.writer = _writer(self.folder, anew=self.drawn == 0)

    # Not after a batch: by now `extract` has taken back an epoch that ruined the weights.
    def on_epoch_end(self, epoch, logs=None):
        step = self._step()
        if step // self.interval > self.drawn // self.interval:
            self._draw(step, generated=self._generated())

    def on_train_end(self, logs=None):
        generator, step = self.model.generator, self._step()
        classes = range(generator.num_classes)
        walks = [
            pictures.label_walk(generator, label, (label + 1) % len(classes)) for label in classes
        ]
        if step != self.drawn:
            self._draw(step, generated=self._generated())
        self._draw(
            step,
            latent_walk=pictures.latent_walk(generator, self.seed),
            label_walk=np.concatenate(walks),
        )
        self.writer.close()

    def _step(self):
        return int(self.model.optimizer.iterations.numpy())

    def _generated(self):
        generator = self.model.generator
        shape = self.rows, generator.num_classes, generator.latent_dim
        _, z = extraction.sample(self.seed, 0, *shape, "onehot")
        return pictures.class_images(generator, z)

    def _draw(self, step, **images_by_tag):
        with self.writer.as_default(step):
            for tag, images in images_by_tag.items():
                tf.summary.image(tag, pictures.tile(images)[None])
        self.writer.flush()
        self.drawn = step


def summarise(
    log_dir: str | os.PathLike,
    row: distillation.StudentResult,
    settings: Mapping,
    counts: np.ndarray | None = None,
    label_names: Sequence[str] = (),
) -> None:
    """Writes one student's results to `log_dir`/evaluation, in place of what stood there.

    Scalars `accuracy` and `agreement`; the image `confusion_matrix`; and for the HPARAMS tab, which
    lists the scalars beside them, `arm`, `name` and `seed` of the student, `loss`, `batch_norm` and
    `features` where pilots settled them, and the `SETTINGS`, such as `setting.extraction.beta`.

    Args:
        log_dir: path of the student's folder.
        row: the student; what is None is left out.
        settings: nested dictionaries, such as a preset's `to_dict()`.
        counts: [labels, answers] of real test data, or None.
        label_names: one for each class; empty for the numbers.
    """
    # The tab sorts by name and shows the first five: the row's come before `setting`.
    record = {name: value for name in STUDENT if (value := getattr(row, name)) is not None}
    record["setting"] = {name: settings[name] for name in SETTINGS if name in settings}
    writer = _writer(pathlib.Path(log_dir) / "evaluation", anew=True)
    with writer.as_default(step=0):
        hp.hparams(dict(_leaves(record)))
        for measure in MEASURES:
            if (value := getattr(row, measure)) is not None:
                tf.summary.scalar(measure, value)
        if counts is not None:
            names = label_names or [*map(str, range(len(counts)))]
            picture = pictures.confusion_matrix(counts, names)
            tf.summary.image("confusion_matrix", picture[None])
    writer.close()


def _writer(folder, anew):
    for events in folder.glob("events.out.tfevents.*") if anew else ():
        events.unlink()
    return tf.summary.create_file_writer(str(folder))


def _leaves(tree, prefix=""):
    """(dotted name, value) of nested dictionaries' leaves, those that are no scalar as strings."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, (bool, int, float, str)) else str(value)
