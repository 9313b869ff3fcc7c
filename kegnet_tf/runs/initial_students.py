"""The stage of compression: a run's students before distillation, made or found finished."""

import dataclasses
import logging
import pathlib

import keras

from kegnet_tf import compression
from kegnet_tf.runs import checks, manifest, progress, records

logger = logging.getLogger(__name__)


@progress.stage("Students before distillation")
def compressed(run) -> dict[str, keras.Model]:
    """The students before distillation by name, read where they stand; nothing is written.

    Args:
        run: a `Run`.

    Raises:
        ValueError: if a name is not known, or what the preset asks for cannot be done.
    """
    if run.given_student:
        checks.check_student(run.given_student, run.classifier)
        return {"student": run.given_student}
    students = {}
    for name in checks.chosen(run.chosen_students, run.config.students):
        path, made = record(run, name)
        students[name] = (
            compression.compress(run.classifier, **made["settings"])
            if records.read(path, made) is None
            else compression.load_student(path.with_suffix(".keras"), run.loading)
        )
    return students


def record(run, name: str) -> tuple[pathlib.Path, dict]:
    """Where the record of a student before distillation stands, and what that one is made of.

    Args:
        run: a `Run`.
        name: among the run's students.
    """
    settings = {"seed": run.seed("start"), **run.config.students[name].to_dict()}
    made = {"teacher": run.teacher_digest, "settings": settings}
    return run.paths["initial"] / f"{name}.json", made


def keep_compressed(run) -> None:
    """Writes the students before distillation, and `compression.json`: what became of each layer.

    Args:
        run: a `Run`.
    """
    layers = {}
    for name, student in run.initial.items():
        if run.given_student:
            continue
        path, made = record(run, name)
        kept = records.read(path, made)
        if kept is None:
            report = compression.layer_report(run.classifier, student)
            kept = {"layers": [dataclasses.asdict(row) for row in report]}
            records.write(path, kept, made, {f"{name}.keras": student.save})
        layers[name] = kept["layers"]
        table = compression.layer_table([compression.LayerReport(**row) for row in layers[name]])
        logger.info("%s\n%s\n", name, table)
    manifest.keep(run.workdir, {"compression.json": manifest.text_of(layers)})
