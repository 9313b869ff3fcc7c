"""The stages of compression and distillation: a run's students, made or found finished."""

import dataclasses
import logging
import time

import keras
import numpy as np
import tensorflow as tf

from kegnet_tf import compression, distillation, synthesis, teachers
from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.runs import checks, tensorboard
from kegnet_tf.runs.workdir import read_json, whole, write_json

logger = logging.getLogger(__name__)


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
        path = _initial_path(run, name)
        settings = {"seed": run.seed("start"), **run.config.students[name].to_dict()}
        students[name] = (
            compression.load_student(path, run.loading)
            if path.exists()
            else compression.compress(run.classifier, **settings)
        )
    return students


def _initial_path(run, name):
    return run.paths["initial"] / f"{name}.keras"


def keep_compressed(run) -> None:
    """Writes the students before distillation, and `compression.json`: what became of each layer.

    Args:
        run: a `Run`.
    """
    path = run.workdir / "compression.json"
    rows = read_json(path) if path.exists() else {}
    for name, student in run.initial.items():
        if run.given_student:
            continue
        if name not in rows:
            rows[name] = [
                dataclasses.asdict(row) for row in compression.layer_report(run.classifier, student)
            ]
        table = compression.layer_table([compression.LayerReport(**row) for row in rows[name]])
        logger.info("%s\n%s\n", name, table)
        if not _initial_path(run, name).exists():
            with whole(_initial_path(run, name)) as partial:
                student.save(partial)
    write_json(path, rows)


def trained(run, key, callbacks=(), data=None, settings=None) -> tuple[keras.Model, StudentResult]:
    """Distillation of one student: `students/NAME-ARM-SEED.keras`.

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
    path = run.student_path(result)
    if not path.exists():
        start = teachers.load(run.initial[name], output="logits")  # a copy
        student = teachers.standardised(start)
        if arm != "tucker":
            logger.info("%s, %s, seed %d", name, arm, seed)
            settings = settings or run.distillation_settings
            started = time.perf_counter()
            distilled = distillation.distil(
                student,
                data or stream(run, arm, seed),
                run.held_out,
                settings,
                devices=run.devices,
                callbacks=[run.log_curves(run.workdir / "tensorboard" / path.stem), *callbacks],
            )
            result = dataclasses.replace(
                result,
                selection=settings.selection,
                seconds=time.perf_counter() - started,
                loss=distilled.choice.loss,
                batch_norm=distilled.choice.batch_norm,
            )
        known = ("name", "arm", "seed", "selection", "seconds", "loss", "batch_norm")
        write_json(path.with_suffix(".json"), {each: getattr(result, each) for each in known})
        with whole(path) as partial:
            teachers.unstandardised(student).save(partial)
    student = teachers.standardised(keras.saving.load_model(path, compile=False))
    kept = read_json(path.with_suffix(".json"))
    fields = {field.name for field in dataclasses.fields(StudentResult)}
    return student, StudentResult(**{key: kept[key] for key in kept if key in fields})


def stream(run, arm: str, seed: int) -> tf.data.Dataset:
    """An arm's artificial data: fresh ones, or a fixed set of the preset's size a generator.

    Args:
        run: a `Run`.
        arm: one of `synthesis.SOURCES`.
        seed: of the student.
    """
    source = run.source(arm)
    each = len(source.generators) if arm in ("kegnet", "kegnet+") else 1
    return source.stream(
        run.config.batch_size,
        run.seed("distillation", seed),
        size=run.config.synthetic_size * each,
    )


def measured(run, model: keras.Model) -> tuple[dict, np.ndarray | None]:
    """What a model is measured by.

    Args:
        run: a `Run`.
        model: the teacher or a student, standardised.

    Returns:
        (fields, counts): of `StudentResult`, by name; and confusion counts, None without real data.
    """
    predict, test = model.predict_on_batch, run.real.test
    counts = test and distillation.confusion(predict, *test, model.output_shape[-1])
    return {
        "parameters": compression.trainable_parameters(model),
        **dataclasses.asdict(distillation.measures(counts)),
        "agreement": distillation.agreement(predict, *run.unseen),
        "compression_ratio": compression.compression_ratio(run.teacher, model),
    }, counts


def result(run, key) -> StudentResult:
    """Trains one student, or finds it, and measures it; TensorBoard gets a line of it.

    Args:
        run: a `Run`.
        key: (name, arm, seed).
    """
    student, found = trained(run, key)
    fields, counts = measured(run, student)
    found = dataclasses.replace(found, **fields)
    folder = run.workdir / "tensorboard" / found.stem
    tensorboard.summarise(folder, found, run.config.to_dict(), counts, run.real.label_names)
    return found


def teacher_result(run) -> TeacherResult:
    """The teacher as its students are measured.

    Args:
        run: a `Run`.
    """
    fields, _ = measured(run, run.teacher)
    return TeacherResult(
        **{each.name: fields[each.name] for each in dataclasses.fields(TeacherResult)}
    )


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
