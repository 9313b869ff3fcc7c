"""One run in one folder: the order of its stages stands here, and nowhere else."""

import functools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import keras
import ml_collections
import numpy as np

from kegnet_tf import compression, distillation, export, extraction, synthesis, teachers
from kegnet_tf.runs import (
    checks,
    claiming,
    curves,
    export_folder,
    exporting,
    generators,
    initial_students,
    lock,
    manifest,
    measuring,
    reopening,
    rival,
    samples,
    students,
    tensorboard,
)
from kegnet_tf.runs.real_data import DataOptions
from kegnet_tf.runs.report import REPORTS, Report
from kegnet_tf.runs.setup import Setup


class Run(Setup):
    """From a teacher to exported students, each stage whole or not at all.

    A stage is a property, computed when it is first asked for, or read where it stands finished in
    the folder. So a second run in the same folder goes on where the first was ended, inside a
    generator's training too. `report` asks for all stages in their order. A pickled run holds what
    it was made of, and none of its stages.

    Args:
        config: a preset, as in `Setup`.
        workdir: the run's folder; made where it is missing, once all is checked.
        students: names among the preset's; empty for all.
        **given: `teacher`, `student`, `data` and `loading` of `Setup`.

    Attributes:
        also: more that the results depend on, by name; a folder of others is refused.
        convert: function that exports a model's file, in a process of its own.
        latencies: `export.latencies`.
        log_curves: function from a folder, and what to draw there or None, to the Keras callback
            that writes curves there, see `tensorboard.Curves`.
        recognition: `extraction.recognition`.
    """

    convert = staticmethod(exporting.convert_apart)
    latencies = staticmethod(export.latencies)
    log_curves = staticmethod(tensorboard.Curves)
    recognition = staticmethod(extraction.recognition)

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        workdir: str | os.PathLike,
        *,
        students: Sequence[str] = (),
        **given,
    ):
        super().__init__(config, **given)
        self.workdir, self.chosen_students = pathlib.Path(workdir), tuple(students)
        self.also = {}

    def __reduce__(self):
        own = {"students": self.chosen_students, **self.given}
        return functools.partial(type(self), self.config, self.workdir, **own), ()

    @classmethod
    def open(
        cls,
        workdir: str | os.PathLike,
        *,
        overrides: Mapping[str, object] | None = None,
        data: DataOptions | None = None,
        loading: teachers.Loading | None = None,
    ) -> "Run":
        """A finished run, to export its students again; a student of it stands for its teacher.

        Args:
            workdir: the run's folder.
            overrides: settings in place of the run's own, by "export.KEY".
            data: of `Setup`, and so is `loading`.
            loading: same as above.

        Raises:
            ValueError: if there is no finished run, or a setting is not known.
        """
        return reopening.opened(cls, pathlib.Path(workdir), overrides or {}, data, loading)

    @functools.cached_property
    def report(self) -> Report:
        """All stages in their order, and `report.json` and `report.md` of what came out.

        Raises:
            OSError: if a file cannot be written.
            ValueError: on bad input, before anything is written; if no generator is recognised.
        """
        self.check()
        with lock.held(self.workdir):
            self.claim()
            self.generators
            initial_students.keep_searched(self)
            samples.draw(self)
            samples.keep_synthetic(self)
            report = exporting.completed(self, self.exports)
            report.write(self.workdir)
            manifest.seal(self.workdir)
        return report

    def check(self) -> None:
        """Refuses by a ValueError what cannot be done, before anything is written."""
        self.check_preset()
        claiming.check(self.workdir, self.identity)
        export_folder.check_own(self.workdir)
        self.early
        self.real.raw_test, self.real.unlabeled

    def check_preset(self) -> None:
        """Refuses by a ValueError a preset that does not fit its teacher."""
        sizes = self.real.dataset.input_shape, len(self.real.dataset.label_names)
        checks.check_preset(self.config, self.classifier, *sizes, self.real.options.unlabeled)

    @property
    def identity(self) -> dict:
        """What the folder is known by: the configuration, and digests of the models."""
        identity = {"config": json.loads(self.config.to_json()), "teacher": self.teacher_digest}
        if self.given_student:
            identity["student"] = teachers.digest(self.given_student)
        return identity | self.also

    def claim(self) -> None:
        """Makes the folder the run's own, with its students before distillation in it."""
        claiming.claim(self.workdir, self.identity)
        initial_students.keep_compressed(self, self.early)

    @functools.cached_property
    def curve(self) -> curves.Curve:
        """What the teacher keeps at one ratio after another, before any training."""
        return curves.curve(self)

    def draw_curve(self) -> curves.Curve:
        """`curve.json` and `figures/curve.png`, and no other stage; raises as `report`."""
        return curves.drawn(self)

    @functools.cached_property
    def initial(self) -> dict[str, keras.Model]:
        """The students before distillation, by name; with their own preprocessing."""
        return self.early | initial_students.searched(self)

    @functools.cached_property
    def early(self) -> dict[str, keras.Model]:
        """Those of `initial` that need no generators."""
        return initial_students.compressed(self)

    @functools.cached_property
    def all_generators(self) -> tuple[list[keras.Model], list[extraction.GeneratorResult]]:
        """Every generator that was trained, and what is known of each."""
        return generators.trained(self)

    @functools.cached_property
    def generators(self) -> list[keras.Model]:
        """The generators that take part in synthesis."""
        return generators.recognised(*self.all_generators, self.config.keep_unrecognised)

    def source(self, arm: str = "") -> synthesis.Source:
        """`source_of` the run's generators."""
        return self.source_of(self.generators, arm)

    @functools.cached_property
    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, p) of synthetic data on which agreement is measured while students learn."""
        return self.source().sample(self.config.held_out, self.seed("selection"))

    @functools.cached_property
    def unseen(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, p) of synthetic data that no student was trained or chosen on."""
        return self.source().sample(self.config.held_out, self.seed("evaluation"))

    def train_student(
        self, name: str, arm: str, seed: int, **choices
    ) -> tuple[keras.Model, distillation.StudentResult]:
        """One student, distilled or found finished; `choices` as in `students.trained`."""
        return students.trained(self, (name, arm, seed), **choices)

    def kept_student(self, name: str, arm: str, seed: int, settings=None) -> dict | None:
        """The record of a student trained just so; `settings` as in `students.trained`."""
        return students.kept_student(self, (name, arm, seed), settings)

    @functools.cached_property
    def measured(self) -> Report:
        """Teacher, students and generators; files are exported after it."""
        return measuring.report(self, students.results(self))

    students = property(lambda self: self.measured.students)

    @property
    def teacher_at_hand(self) -> bool:
        """Whether the teacher is there; a student stands for it where a run was opened again."""
        return teachers.digest(self.classifier) == self.teacher_digest

    @functools.cached_property
    def rivals(self) -> export.ExportRecord | None:
        """The teacher's own files, in `teacher/`; None where a run was opened without them."""
        return rival.exported(self)

    @functools.cached_property
    def exports(self) -> list[export.ExportedFile]:
        """The files of the student that agrees best with its teacher, in `export/`."""
        best = exporting.choose(self.students)
        return exporting.deployed(self, self.measured, best, self.workdir / "export")

    def export(
        self, student: str = "", output: str | os.PathLike = "", calibration: str = "", **more
    ) -> list[export.ExportedFile]:
        """Exports a student again; raises as `report`.

        Args:
            student: as `name` in `exporting.choose`.
            output: the new folder; "" for the run's own `export/`, and its report is written anew.
            calibration: as `name` in `calibration.calibration`.
            **more: `formats` of `exporting.again`.
        """
        return exporting.again(self, student, output, calibration, **more)

    def load_student(self, name: str = "") -> keras.Model:
        """A trained student, with its own preprocessing; `name` as in `exporting.choose`."""
        chosen = exporting.choose(self.students, name)
        return compression.load_student(self.student_path(chosen), self.loading)

    def student_path(self, student: distillation.StudentResult) -> pathlib.Path:
        """The file of a student."""
        return self.paths["students"] / f"{student.stem}.keras"

    @property
    def paths(self) -> dict[str, pathlib.Path]:
        """Folders and files of the run by what they hold."""
        names = ("generators", "figures", "tensorboard", "initial", "students", "integers")
        return {name: self.workdir / name for name in (*names, "export", "teacher", *REPORTS)}
