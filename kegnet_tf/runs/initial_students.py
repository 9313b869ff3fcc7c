"""The stage of compression: a run's students before distillation, made or found finished."""

import dataclasses
import logging
import pathlib
from collections.abc import Mapping

import keras

from kegnet_tf import compression
from kegnet_tf.runs import checks, curves, manifest, progress, records, searching

logger = logging.getLogger(__name__)


@progress.stage("Students before distillation")
def compressed(run) -> dict[str, keras.Model]:
    """The students before distillation by name, read where they stand; nothing is written.

    Those with `max_loss`, whose size artificial data have to tell, are left to `searched`.

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
        settings = _given(run, name)
        if settings.pop("max_loss", None) is None:
            students[name] = _made(run, name)
        else:
            compression.largest_ratio(run.classifier, **settings)  # refuses what never could be
    return students


def foreseen(run) -> dict[str, keras.Model]:
    """All students by name before there are generators: for those to be searched, the teacher.

    Args:
        run: a `Run`.
    """
    if run.given_student:
        return run.early
    names = checks.chosen(run.chosen_students, run.config.students)
    return {name: run.early.get(name, run.classifier) for name in names}


def searched(run) -> dict[str, keras.Model]:
    """The others, for which there are generators by now.

    Args:
        run: a `Run`.
    """
    if run.given_student:
        return {}
    names = checks.chosen(run.chosen_students, run.config.students)
    return {name: _made(run, name) for name in names if name not in run.early}


def keep_searched(run) -> None:
    """`keep_compressed` of all students, where some were searched for.

    Args:
        run: a `Run`.
    """
    if len(run.initial) > len(run.early):
        keep_compressed(run, run.initial)


def _made(run, name):
    path, made = record(run, name)
    if records.read(path, made) is not None:
        return compression.load_student(path.with_suffix(".keras"), run.loading)
    return compression.compress(run.classifier, **made["settings"])


def record(run, name: str) -> tuple[pathlib.Path, dict]:
    """Where the record of a student before distillation stands, and what that one is made of.

    Args:
        run: a `Run`.
        name: among the run's students.
    """
    settings = {"seed": run.seed("start"), **asked(run, name)}
    made = {"teacher": run.teacher_digest, "settings": settings}
    return run.paths["initial"] / f"{name}.json", made


def asked(run, name: str) -> dict:
    """The settings of a student for `compress`.

    One that names neither size nor layers gets the curve's ratio, one with `max_loss` that of a
    search, for which there must be generators.

    Args:
        run: a `Run`.
        name: among the run's students.
    """
    settings = _given(run, name)
    if settings.pop("max_loss", None) is not None:
        settings["target_ratio"] = searching.ratio(run, name)
    elif is_chosen(settings):
        settings["target_ratio"] = run.curve.chosen
    return settings


def _given(run, name):
    settings = run.config.students[name].to_dict()
    return {key: value for key, value in settings.items() if value is not None}


def is_chosen(settings: Mapping) -> bool:
    """Whether a student's ratio is left to the curve: nothing names a size, or layers."""
    return not settings.keys() & {"ranks", "energy", "layers", "skip", *compression.TARGETS}


def keep_compressed(run, students: Mapping[str, keras.Model]) -> None:
    """Writes the students before distillation, and `compression.json`: what became of each layer.

    So it does with the curve, where that chose one.

    Args:
        run: a `Run`.
        students: the run's, or those that there are so far.
    """
    found = {}
    for name, student in students.items():
        if run.given_student:
            continue
        path, made = record(run, name)
        kept = records.read(path, made)
        if kept is None:
            report = compression.layer_report(run.classifier, student)
            kept = {"layers": [dataclasses.asdict(row) for row in report]}
            records.write(path, kept, made, {f"{name}.keras": student.save})
            logger.info("%s", _told(name, run.classifier, student, report))
        found[name] = _totals(run.classifier, student) | kept
    if "curve" in vars(run):
        curves.keep(run)
    manifest.keep(run.workdir, {"compression.json": manifest.text_of(found)})


def _told(name, teacher, student, layers):
    """What a student costs, and how its layers were split, in one line."""
    before, after = (compression.trainable_parameters(each) for each in (teacher, student))
    split = [f"{row.name} {row.ranks}" for row in layers if row.ranks]
    ranks = f"; ranks: {', '.join(split)}" if split else ""
    ratio = f"a ratio of {before / after:.2f}"
    return f"{name}: {after:,} parameters of {before:,}, {ratio}{ranks}"


def _totals(teacher, student):
    """What a student costs in all, (before, after), and the layers that are no candidates."""
    both = teacher, student
    candidates = {row.name for row in compression.layer_report(teacher, student)}
    others = compression.multiply_adds_by_layer(student).items()
    return {
        "parameters": [compression.trainable_parameters(each) for each in both],
        "multiply_adds": [compression.multiply_adds(each) for each in both],
        "int8_bytes": [compression.int8_bytes(each) for each in both],
        "other_multiply_adds": {path: each for path, each in others if path not in candidates},
    }
