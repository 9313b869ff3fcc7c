"""What a run shows in TensorBoard: curves of each training, pictures, hyperparameters, results.

A training is one run there, called after what was trained: `generator-0`, `student1/kegnet+`. Tags
are grouped: `loss/...`, `teacher/...` (what the teacher makes of generated data), `agreement/...`,
`pictures/...` and `result/...`. Steps are the optimiser's.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from kegnet_tf import distillation, extraction
from kegnet_tf.runs import pictures

# By tag under `result/`, what the HPARAMS tab calls it.
MEASURES = {
    "accuracy": "accuracy on real test data",
    "agreement": "agreement with the teacher on artificial data",
    "parameters": "trainable parameters",
    "compression_ratio": "ratio to the teacher's parameters",
    "multiply_adds": "multiply-adds of an example",
    "int8_bytes": "bytes of an int8 file",
}
# What tells a student from others; the last three are what it learned with, as pilots found.
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
_TAGS = {  # of what a training measures; a loss of another name is loss/NAME
    "loss": "loss/all",
    "val_loss": "loss/held_out",
    "accuracy": "teacher/recognised",
    "confidence": "teacher/confidence",
    "class_balance": "teacher/class_balance",
    "agreement": "agreement/training",
    "val_agreement": "agreement/held_out",
}


def run_name(name: str, arm: str, seed: int) -> str:
    """What a student's training is called: `student1/kegnet+`, of further seeds with the seed."""
    return f"{name}/{arm}" + f"-{seed}" * bool(seed)


@dataclasses.dataclass(frozen=True)
class Drawings:
    """The pictures of a generator while it learns.

    `generated` has a column a class and a row a random z, the same ones in every picture: at the
    start, after each epoch in which training passed a multiple of `interval` steps, and at the end.
    `z_walk` and `class_walk` come at the end, with a row a class: z moves from one random latent to
    another, or y, at z = 0, from the class to the next.

    Attributes:
        seed: integer of the random z.
        interval: steps between pictures.
        rows: random z in a picture.

    Raises:
        ValueError: if `interval` or `rows` is not positive; when training begins, if what the
            generator makes are no images of 1 or 3 channels.
    """

    seed: int
    interval: int = 500
    rows: int = 4

    def __post_init__(self):
        for name in ("interval", "rows"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {getattr(self, name)}.")

    def generated(self, generator: keras.Model) -> dict[str, np.ndarray]:
        """Pictures by tag, [rows, columns, height, width, channels]."""
        shape = self.rows, generator.num_classes, generator.latent_dim
        _, z = extraction.sample(self.seed, 0, *shape, "onehot")
        return {"generated": pictures.class_images(generator, z)}

    def walks(self, generator: keras.Model) -> dict[str, np.ndarray]:
        """Same as `generated`, of a generator that has learned."""
        classes = range(generator.num_classes)
        walks = [
            pictures.label_walk(generator, label, (label + 1) % len(classes)) for label in classes
        ]
        z_walk = pictures.latent_walk(generator, self.seed)
        return {"z_walk": z_walk, "class_walk": np.concatenate(walks)}


class Curves(keras.callbacks.Callback):
    """Writes losses and metrics of one training to `log_dir`, a point an epoch, and pictures.

    Training that goes on from an earlier state adds points; from step 0 it replaces them.

    Args:
        log_dir: path of the training's folder.
        drawings: of the generator that `extraction.KegNet` trains; None for none.
    """

    def __init__(self, log_dir: str | os.PathLike, drawings: Drawings | None = None) -> None:
        super().__init__()
        self.folder, self.drawings = pathlib.Path(log_dir), drawings

    def on_train_begin(self, logs=None):
        self.drawn = self._step()
        first = self.drawings and self.drawings.generated(self.model.generator)
        if first:
            pictures.tile(*first.values())  # raises now, before anything is written
        self.writer = _writer(self.folder, ["events.out.tfevents.*"] * (self.drawn == 0))
        if first and self.drawn == 0:
            self._draw(first)

    # Not after a batch: by now `extract` has taken back an epoch that ruined the weights.
    def on_epoch_end(self, epoch, logs=None):
        step = self._step()
        with self.writer.as_default(step):
            for name, value in (logs or {}).items():
                of_loss = f"loss/{name.removesuffix('_loss')}"
                tag = of_loss if name.endswith("_loss") else f"other/{name}"
                tf.summary.scalar(_TAGS.get(name, tag), value)
        interval = self.drawings and self.drawings.interval
        if interval and step // interval > self.drawn // interval:
            self._draw(self.drawings.generated(self.model.generator))
        self.writer.flush()

    def on_train_end(self, logs=None):
        if self.drawings:
            generator = self.model.generator
            if self._step() != self.drawn:
                self._draw(self.drawings.generated(generator))
            self._draw(self.drawings.walks(generator))
        self.writer.close()

    def _step(self):
        return int(self.model.optimizer.iterations.numpy())

    def _draw(self, images_by_tag):
        self.drawn = self._step()
        with self.writer.as_default(self.drawn):
            for tag, images in images_by_tag.items():
                tf.summary.image(f"pictures/{tag}", pictures.tile(images)[None])


def summarise(
    log_dir: str | os.PathLike,
    row: distillation.StudentResult,
    settings: Mapping,
    counts: np.ndarray | None = None,
    label_names: Sequence[str] = (),
    int8_bytes: int | None = None,
) -> None:
    """Writes one student's results beside its curves, in place of those of before.

    Scalars `result/...` of `MEASURES`; the image `result/confusion_matrix`; and for the HPARAMS
    tab, which lists the scalars beside them, what tells the student from others, and `SETTINGS`,
    such as `setting.extraction.beta`.

    Args:
        log_dir: path of the student's folder.
        row: the student; what is None is left out.
        settings: nested dictionaries, such as a preset's `to_dict()`.
        counts: [labels, answers] of real test data, or None.
        label_names: one for each class; empty for the numbers.
        int8_bytes: of the student's parameters and what describes them, or None.
    """
    # The tab sorts by name and shows the first five: the row's come before `setting`.
    record = {name: value for name in STUDENT if (value := getattr(row, name)) is not None}
    record["made by"] = record.pop("arm")
    record["setting"] = {name: settings[name] for name in SETTINGS if name in settings}
    hyperparameters = dict(_leaves(record))
    # The tab takes these names from any one student: all, also those that this one has none of.
    names = dict.fromkeys(["made by", *STUDENT[1:], *hyperparameters])
    found = {name: getattr(row, name, int8_bytes) for name in MEASURES}
    ending = ".result"
    writer = _writer(pathlib.Path(log_dir), [f"events.out.tfevents.*{ending}"], ending)
    with writer.as_default(step=0):
        hp.hparams_config(
            hparams=[hp.HParam(name) for name in names],
            metrics=[
                hp.Metric(f"result/{name}", display_name=said) for name, said in MEASURES.items()
            ],
        )
        hp.hparams(hyperparameters)
        for measure, value in found.items():
            if value is not None:
                tf.summary.scalar(f"result/{measure}", value)
        if counts is not None:
            names = label_names or [*map(str, range(len(counts)))]
            picture = pictures.confusion_matrix(counts, names)
            tf.summary.image("result/confusion_matrix", picture[None])
    writer.close()


def _writer(folder, replaced, ending=""):
    for pattern in replaced:
        for events in folder.glob(pattern):
            events.unlink()
    return tf.summary.create_file_writer(str(folder), filename_suffix=ending)


def _leaves(tree, prefix=""):
    """(dotted name, value) of nested dictionaries' leaves, those that are no scalar as strings."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, (bool, int, float, str)) else str(value)
