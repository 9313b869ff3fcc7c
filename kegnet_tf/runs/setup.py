"""What a run is made with: a preset, a teacher, real data to measure with."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence

import keras
import ml_collections
import numpy as np

from kegnet_tf import distillation, extraction, synthesis, teachers
from kegnet_tf.runs.real_data import DataOptions, RealData
from kegnet_tf.runs.settings import check_settings


class Setup:
    """A preset with the models and the real data that it speaks of, read when asked for.

    Args:
        config: a preset, as from `kegnet_tf.configs`; `base` for a teacher that no preset knows.
        teacher: a classifier, or the path of its `.keras` file; "" for the one that ships for the
            preset.
        student: path of a `.keras` classifier of any architecture, distilled from its own weights
            in place of the preset's students; "" for those.
        data: where real data come from, which measure the students.
        loading: how the files of models are read.

    Raises:
        ValueError: if a setting is not known, of another kind or outside its range; by a property:
            if a model or the data are not what they should be.
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        *,
        teacher: str | os.PathLike | keras.Model = "",
        student: str = "",
        data: DataOptions | None = None,
        loading: teachers.Loading | None = None,
    ):
        check_settings(config)
        self.config, self.devices = config, extraction.Devices(**config.devices)
        self.given = {"teacher": teacher, "student": student}
        self.given |= {"data": data or DataOptions(), "loading": loading or teachers.Loading()}

    @property
    def loading(self) -> teachers.Loading:
        """How the files of models are read."""
        return self.given["loading"]

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """The teacher with its own preprocessing, answering in logits."""
        return self.loading.load(self.given["teacher"] or teachers.pretrained(self.config.teacher))

    @functools.cached_property
    def teacher(self) -> keras.Model:
        """The teacher that all learn from: it expects standardised data."""
        return teachers.standardised(self.classifier)

    @functools.cached_property
    def teacher_digest(self) -> str:
        """SHA-256 of the teacher's weights."""
        return teachers.digest(self.classifier)

    @functools.cached_property
    def given_student(self) -> keras.Model | None:
        """The student of another architecture, before its training; None without one."""
        path = self.given["student"]
        loading = dataclasses.replace(self.loading, output="", argument="student")
        return loading.load(path) if path else None

    @functools.cached_property
    def real(self) -> RealData:
        """Real data, which measure and never teach, but for a user's `unlabeled`."""
        return RealData(self.config, self.given["data"], self.classifier)

    @property
    def dataset_name(self) -> str:
        """The preset's name of its data, or the name of the teacher."""
        teacher = self.given["teacher"]
        own = teacher.name if isinstance(teacher, keras.Model) else pathlib.Path(teacher).stem
        return self.config.data.name or own

    @property
    def label_names(self) -> tuple[str, ...]:
        """One for each class, numbers where nothing names them."""
        return self.real.label_names or tuple(map(str, range(self.classifier.output_shape[-1])))

    @functools.cached_property
    def pixels(self) -> teachers.Pixels:
        """What is known of real images: the preset's numbers, or what the teacher tells."""
        if self.config.data.get("mean"):
            known = tuple(self.config.data.mean), tuple(self.config.data.std)
            return teachers.Pixels(*known, *known)
        return teachers.pixels(self.classifier)

    @property
    def pixels_known(self) -> dict:
        """What procedural images depend on, as JSON holds it, under "pixels"; {} for tables."""
        if len(self.classifier.input_shape) != 4:
            return {}
        pixels = dataclasses.asdict(self.pixels)
        return {"pixels": {name: np.asarray(number).tolist() for name, number in pixels.items()}}

    @property
    def distillation_settings(self) -> distillation.DistillationSettings:
        """How the preset's students are trained."""
        return distillation.DistillationSettings(**self.config.distillation)

    def seed(self, stage: str, *indices: int) -> int:
        """Seed of one stream of a run, see `extraction.derive_seed`."""
        return extraction.derive_seed(self.config.seed, stage, *indices)

    def source_of(self, generators: Sequence[keras.Model], arm: str = "") -> synthesis.Source:
        """What students of an arm learn from, by some generators.

        Args:
            generators: models from (y, z) to x.
            arm: one of `synthesis.SOURCES`; "" for the preset's `source`, which measures and so
                holds nothing of a user's `unlabeled`.
        """
        settings = dict(self.config.synthesis)
        if arm:
            settings["unlabeled"] = self.real.unlabeled
        if len(self.classifier.input_shape) == 4:
            settings["pixels"] = self.pixels
        name = arm or self.config.source
        return synthesis.Source(self.teacher, name, tuple(generators), **settings)

    def build_generator(self, seed: int) -> keras.Model:
        """The preset's generator, untrained: of images or of feature vectors, as the teacher."""
        shape, num_classes = self.teacher.input_shape[1:], self.teacher.output_shape[-1]
        if len(shape) == 1:
            settings = self.config.dense_generator
            return extraction.DenseGenerator(shape[0], num_classes, seed=seed, **settings)
        return extraction.ImageGenerator(shape, num_classes, seed=seed, **self.config.generator)

    def build_decoder(self, seed: int) -> keras.Model:
        """The preset's decoder, untrained."""
        shape, config = self.teacher.input_shape[1:], self.config
        generator = config.generator if len(shape) == 3 else config.dense_generator
        return extraction.Decoder(shape, generator.latent_dim, seed=seed, **config.decoder)
