"""The stage of distillation: a run's students, trained or found finished, and measured."""

import dataclasses
import functools
import glob
import hashlib
import json
import logging
import pathlib
import time

import keras

from kegnet_tf import compression, distillation, synthesis, teachers
from kegnet_tf.distillation import StudentResult
from kegnet_tf.runs import (
    initial_students,
    measuring,
    progress,
    records,
    streams,
    tensorboard,
)

logger = logging.getLogger(__name__)
# What of a result is known when a student is trained, before it is measured.
_CHOSEN = ("loss", "batch_norm", "features")
_TRAINED = ("name", "arm", "seed", "selection", "seconds", *_CHOSEN)


def record_path(run, key) -> pathlib.Path:
    """The record of a trained student, beside its file.

    Args:
        run: a `Run`.
        key: (name, arm, seed).
    """
    return run.paths["students"] / f"{'-'.join(map(str, key))}.json"


def kept_student(run, key, settings=None) -> dict | None:
    """The record of a student that was trained just so; None where there is none.

    Args:
        run: a `Run`.
        key: (name, arm, seed).
        settings: as in `trained`.
    """
    return records.read(record_path(run, key), made_of(run, key, settings))


def made_of(run, key, settings=None) -> dict:
    """What a student depends on.

    Args:
        run: a `Run`.
        key: (name, arm, seed).
        settings: as in `trained`.
    """
    name, arm, seed = key
    made = {"teacher": run.teacher_digest, "arm": arm, "seed": [run.config.seed, seed]}
    if run.given_student:
        made["settings"] = {"student": teachers.digest(run.given_student)}
    else:
        made |= initial_students.record(run, name)[1]
    if arm == "tucker":
        return made
    settings = settings or run.distillation_settings
    return made | streams.drawn_of(run) | {"distillation": dataclasses.asdict(settings)}


def trained(run, key, callbacks=(), data=None, settings=None) -> tuple[keras.Model, StudentResult]:
    """Distillation of one student: `students/NAME-ARM-SEED.keras`, with a record beside it.

    Args:
        run: a `Run`.
        key: (name, arm, seed); the arm "tucker" stays as it starts.
        callbacks: Keras callbacks, beside TensorBoard's.
        data: a stream of (x, p) in place of the arm's own.
        settings: of distillation, in place of the preset's.

    Returns:
        (student, result): the model, standardised, and what is known of it before it is measured.
    """
    name, arm, seed = key
    result = StudentResult(name=name, arm=arm, seed=seed)
    path, made = record_path(run, key), made_of(run, key, settings)
    kept = records.read(path, made)
    if kept is None:
        start = teachers.load(run.initial[name], output="logits")  # a copy
        student = teachers.standardised(start)
        if arm != "tucker":
            settings = settings or run.distillation_settings
            started = time.perf_counter()
            steps = settings.epochs * settings.steps_per_epoch
            own = f", seed {seed}" if run.config.num_seeds > 1 else ""
            with progress.stage(f"{name}, {arm}{own}", steps) as stage:
                distilled = distillation.distil(
                    student,
                    data or functools.partial(streams.stream, run, arm, seed),
                    run.held_out,
                    settings,
                    teacher=run.teacher,
                    devices=run.devices,
                    backup=_backup(path, made),
                    callbacks=[run.log_curves(_curves(run, key), None), *callbacks],
                    told=stage.tell,
                    verbose=0,
                )
            result = dataclasses.replace(
                result,
                selection=settings.selection,
                seconds=time.perf_counter() - started,
                **dataclasses.asdict(distilled.choice),
            )
        kept = {each: getattr(result, each) for each in _TRAINED}
        save = teachers.unstandardised(student).save
        records.write(path, kept, made, {f"{path.stem}.keras": save})
        for backup in _backups(path):  # those of other settings too, which nothing goes on from
            distillation.remove_backup(backup)
    how = {"argument": "workdir", "safe_mode": run.loading.safe_mode}
    model = teachers.read_model(path.with_suffix(".keras"), **how)
    found = StudentResult(**{each: kept[each] for each in _TRAINED})
    return teachers.standardised(model), found


def _curves(run, key):
    return run.workdir / "tensorboard" / tensorboard.run_name(*key)


def _backup(path, made):
    """Where the state of a student in training is kept: of these settings, and of no others."""
    settings = json.dumps(records.plain(made), sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()
    return path.with_name(f"{path.stem}.{digest[:16]}.backup.npz")


def _backups(path):
    """All that are left of a student's trainings, and of their pilots."""
    name = f"{glob.escape(path.stem)}.{'[0-9a-f]' * 16}.backup*.npz"
    return sorted(path.parent.glob(name))


@progress.stage("Students", heading="they learn to answer as the teacher, and are measured")
def results(run) -> list[StudentResult]:
    """All students of a run, trained or found finished, and measured.

    Args:
        run: a `Run`.
    """
    own = keys(run)
    finished = [key for key in own if kept_student(run, key) is not None]
    if finished:
        logger.info("Students: %d of %d stand finished.", len(finished), len(own))
    return [result(run, key) for key in own]


def result(run, key) -> StudentResult:
    """Trains one student, or finds it, and measures it; TensorBoard gets a line of it.

    Args:
        run: a `Run`.
        key: (name, arm, seed).
    """
    student, found = trained(run, key)
    fields, counts = measuring.measured(run, student)
    found = dataclasses.replace(found, **fields)
    given = run.config.to_dict(), counts, run.real.label_names, compression.int8_bytes(student)
    tensorboard.summarise(_curves(run, key), found, *given)
    return found


def keys(run) -> list[tuple[str, str, int]]:
    """(name, arm, seed) of every student of a run, in the order of its report.

    Args:
        run: a `Run`.
    """
    return [
        (name, arm, seed)
        for name in run.initial
        for arm in run.config.arms
        for seed in range(run.config.num_seeds if arm in synthesis.SOURCES else 1)
    ]
