"""One cell of a table: a student's name, an arm and a seed, trained and measured.

Real data are seen here, to measure each student after each epoch, and feed nothing back: what a
cell trains and keeps is the same without them. The one exception says so in its name: the arm
"real" learns the teacher's answers to the real training images, as a ceiling for all the others.
"""

import dataclasses
import hashlib
import logging
import pathlib

import numpy as np

from kegnet_tf import compression, distillation, runs
from kegnet_tf.distillation import DistillationSettings
from kegnet_tf.experiments import paper
from kegnet_tf.experiments.accuracy_curves import AccuracyCurves, figures

logger = logging.getLogger(__name__)

REAL = "real"
# What a row takes over of a `StudentResult`.
_TRAINED = ("name", "arm", "seed", "selection", "seconds", "loss", "batch_norm", "features")


@dataclasses.dataclass(frozen=True)
class Job:
    """One data set under one configuration, in a folder of its own.

    Attributes:
        dataset: the preset's name.
        run: the run whose students are the cells; its cells share what it holds.
        arms: rows of the table, those of the run and `REAL`.
        authors: whether students get the authors' budget, arm by arm.
        origin: the run whose generators are taken where they would come out the same, and whose
            real data are the same; None for a job on its own.
    """

    dataset: str
    run: runs.Run
    arms: tuple[str, ...] = ()
    authors: bool = False
    origin: runs.Run | None = None

    @property
    def real(self) -> "runs.RealData":
        """Real data, read once for a run and all that take its generators."""
        return (self.origin or self.run).real


def check(job: Job) -> None:
    """Refuses a job that cannot be done; nothing is written.

    Raises:
        ValueError: if so.
    """
    if job.origin:
        job.run.real = job.origin.real  # the same data, read once
    digests = {"test": _digest(job.real.test), "valid": _digest(job.real.valid)}
    job.run.also = {"authors": job.authors, **digests}
    job.run.check()
    if job.real.test is None:
        raise ValueError(
            f"`eval_data` must be given where no test data of {job.dataset!r} are at hand "
            "(TFDS_DATA_DIR, --download). Received: ''."
        )


def prepare(job: Job) -> list[tuple[str, str]]:
    """Makes the folder of a job its own, and writes its students before distillation.

    Args:
        job: that `check` did not refuse.

    Returns:
        (name, arm) of its cells.

    Raises:
        ValueError: if the folder is another configuration's, teacher's or data's.
    """
    job.run.claim()
    return [(name, arm) for name in job.run.initial for arm in job.arms]


def extract(job: Job) -> None:
    """The task of one job that comes before its cells: its generators, and the teacher's measure.

    Args:
        job: that is prepared, after `extract` of the job of its `origin`.
    """
    run = job.run
    if job.origin:
        runs.borrow_generators(run, job.origin)
    logger.info("%s: %d generators take part.", job.dataset, len(run.generators))
    path = run.workdir / "teacher.json"
    made = {"teacher": run.teacher_digest, "test": _digest(job.real.test)}
    if runs.records.read(path, made) is None:
        measured = {
            "accuracy": distillation.accuracy(run.teacher.predict_on_batch, *job.real.test),
            "parameters": compression.trainable_parameters(run.teacher),
        }
        runs.records.write(path, measured, made, {})


def cell(job: Job, key: tuple[str, str, int]) -> dict:
    """The task of one cell: `students/NAME-ARM-SEED.keras`, and a JSON that says it is complete.

    It depends on `job`, `key` and the files of `extract`, not on what ran before it.

    Args:
        job: after `extract`.
        key: (name, arm, seed).

    Returns:
        The JSON: of `distillation.StudentResult` how it was trained and its size; "dataset", the
        three `accuracy_curves.Figures`, and "curves" as in `AccuracyCurves`.
    """
    run = job.run
    path = run.workdir / "students" / f"{'-'.join(map(str, key))}.json"
    settings = _settings(job, key)
    row = run.kept_student(*key, settings)
    if row is not None:
        if "last" in row:
            return row
        runs.records.remove(path)  # ended between student and measures
    curves = AccuracyCurves(job.real.test, job.real.valid)
    student, result = run.train_student(
        *key, callbacks=[curves], data=_real_stream(job, key), settings=settings
    )
    if not curves.test:  # an arm that does not learn
        curves.measure(student.predict_on_batch)
    found = figures(curves.test, curves.valid, curves.agreement)
    # The student may have been left as it began, see `DistillationSettings.selection`.
    last = distillation.accuracy(student.predict_on_batch, *job.real.test)
    row = {
        **{field: getattr(result, field) for field in _TRAINED},
        "dataset": job.dataset,
        "parameters": compression.trainable_parameters(student),
        "compression_ratio": compression.compression_ratio(run.teacher, student),
        **dataclasses.asdict(dataclasses.replace(found, last=last)),
        "curves": {
            "test": curves.test,
            "valid": curves.valid,
            "agreement": curves.agreement,
        },
    }
    runs.records.amend(path, row)
    return row


def finished(folder: pathlib.Path) -> list[dict]:
    """The complete cells in the folder of a job: the rows of `cell`, without curves.

    Args:
        folder: the work directory of the job's run.
    """
    rows = map(runs.records.read, sorted((folder / "students").glob("*.json")))
    return [
        {key: value for key, value in row.items() if key != "curves"}
        for row in rows
        if row and "last" in row
    ]


def _settings(job, key):
    """The authors' settings of a cell; None for the preset's."""
    if not job.authors:
        return None
    config = job.run.config.copy_and_resolve_references()
    config.update_from_flattened_dict(paper.arm_budget(job.dataset, key[1]))
    return DistillationSettings(**config.distillation)


def _real_stream(job, key):
    """What the arm `REAL` learns from; None for the others."""
    _, arm, seed = key
    if arm != REAL:
        return None
    batch_size = job.run.config.batch_size
    return job.real.training_stream(job.run.teacher, batch_size, seed)


def _digest(data):
    """Of the arrays of a split; None where there is none."""
    if data is None:
        return None
    sha = hashlib.sha256()
    for array in data:
        sha.update(np.ascontiguousarray(array))
    return sha.hexdigest()
