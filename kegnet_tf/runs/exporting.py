"""The stage of export: one student of a run, exported whole or not at all."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Sequence

import keras

from kegnet_tf import compression, export, synthesis, teachers
from kegnet_tf.distillation import StudentResult
from kegnet_tf.export import ExportedFile, ExportRecord, ModelCard
from kegnet_tf.runs import (
    calibration,
    export_folder,
    integers,
    lock,
    manifest,
    processes,
    progress,
    rival,
    settings,
    unlabeled,
)
from kegnet_tf.runs.calibration import Calibration
from kegnet_tf.runs.report import Report
from kegnet_tf.runs.workdir import read_json, whole

logger = logging.getLogger(__name__)


def choose(students: Sequence[StudentResult], name: str = "") -> StudentResult:
    """The student to export: the one that agrees best with its teacher on synthetic data.

    Distilled ones come before those that were decomposed only.

    Args:
        students: of a run.
        name: "" for any of them, or a student's ("student2"), or one arm and seed of it
            ("student2-kegnet-0").

    Raises:
        ValueError: if there is no such student.
    """
    found = [student for student in students if name in ("", student.name, student.stem)]
    if not found:
        names = (each for student in students for each in (student.name, student.stem))
        known = ", ".join(dict.fromkeys(names))
        raise ValueError(f"`student` must be among {known}. Received: {name!r}.")
    return max(found, key=lambda each: (each.arm in synthesis.SOURCES, each.agreement))


@progress.stage("Files", heading="for a device, each compared with its model and timed")
def deployed(
    run,
    report: Report,
    student: StudentResult,
    folder: pathlib.Path,
    fitted: Calibration | None = None,
) -> list[ExportedFile]:
    """Exports one student, with a model card beside it; skipped where that is done.

    The folder gets what `export.export_model` writes, `README.md`, `labels.txt` and `export.json`.
    Files of one example are timed in turns with the teacher's, `run.rivals`. One warning is
    logged of all files that lose too much or could not be made, `export.warning`.

    Args:
        run: a `Run`. The `export` of its preset holds `formats`, `calibration_size`, `headroom`:
            artificial data are multiplied by it before they fix ranges, as they move a network less
            than real data do, and what lies outside of a range is cut. Pixels, where the preset
            tells which there are, go beyond theirs by no more than that; `tolerance`, see
            `export.recommend`; and what `integers.fitted` trains by: `qat`, "on", "off", or "auto"
            where rounding costs agreement and training heals some of it, `qat_steps` and
            `qat_learning_rate` (a tenth of it for a student with BatchNorm).
        report: the run's, its exports apart.
        student: which one.
        folder: the new folder; it takes the place of an older one.
        fitted: what int8 is fitted to; None for the run's own artificial data.

    Raises:
        OSError: if the folder cannot be written, or the process that converts was ended.
        ValueError: if a format is unknown, or the folder is not one of `check_folder`.
    """
    fitted = fitted or Calibration()
    export_folder.check_folder(folder, run.workdir)
    model = compression.load_student(run.student_path(student), run.loading)
    record = _record(run, student, model, fitted)
    if export_folder.stands(folder, record):
        logger.info("Export: %s stands finished.", folder)
    else:
        with whole(folder) as partial:
            partial.mkdir()  # raises where nothing may be written, before any work
            raw = calibration.raw_values(run, model)
            data = fitted.data
            data = calibration.examples(run, record, raw) if data is None else data
            data = data[: record.calibration_size]
            record = dataclasses.replace(
                record,
                integers=integers.fitted(run, student, model, record, data),
                lean=integers.lean(run, student, model, record),
            )
            rows = _converted(run, partial, student, record, raw, data)
            record = dataclasses.replace(record, **rival.timed(run, partial, rows))
            _describe(run, partial, report, student, record, raw)
            export_folder.retire(folder)
    rows = ExportRecord.read(folder).exports
    if warning := export.warning(rows):
        logger.warning("Warning: %s", warning)
    return rows


def again(
    run,
    student: str,
    output: str | os.PathLike,
    calibration_name: str,
    formats: Sequence[str] = (),
):
    """Exports a student of a finished run again; arguments as those of `Run.export`.

    And in more `formats`, besides the run's own.
    """
    run.config.export.formats = (*dict.fromkeys((*run.config.export.formats, *formats)),)
    settings.check_export(**run.config.export)
    row = choose(run.students, student)
    folder = pathlib.Path(output or run.paths["export"])
    export_folder.check_folder(folder, run.workdir)
    fitted = calibration.calibration(run, calibration_name)
    with lock.held(run.workdir, [folder.parent.resolve()]):
        rows = deployed(run, run.measured, row, folder, fitted)
        if not output:
            completed(run, rows).write(run.workdir)
            manifest.seal(run.workdir)
    return rows


def completed(run, rows: Sequence[ExportedFile]) -> Report:
    """A run's report with the rows of its `export/`, and what was measured beside them."""
    record = ExportRecord.read(run.paths["export"])
    advice = record.recommendation
    known = {"exports": list(rows), "rivals": record.rivals, "recommendation": advice}
    return dataclasses.replace(run.measured, **known)


def convert_apart(path, loading: teachers.Loading, **arguments) -> list[ExportedFile]:
    """`convert_here` in a process of its own.

    Names inside a SavedModel count what a process did before, and a run that was resumed must give
    the same files.
    """
    return processes.apart(_convert_apart, path, loading, **arguments)


def convert_here(
    path, loading: teachers.Loading, *, teacher: bool = False, **arguments
) -> list[ExportedFile]:
    """`export.export_model` of a student's file, with these arguments but for the model.

    Where it is the file of a `teacher`, `export.export_teacher`. `calibration` may name files of
    models in place of these.
    """
    how = {"argument": "workdir", "safe_mode": loading.safe_mode}
    if isinstance(files := arguments.get("calibration"), dict):
        models = {bits: teachers.read_model(file, **how) for bits, file in files.items()}
        arguments["calibration"] = models
    if teacher:
        return export.export_teacher(loading.load(path), **arguments)
    return export.export_model(compression.load_student(path, loading), **arguments)


def _convert_apart(path, loading, **arguments):
    if not loading.safe_mode:
        keras.config.enable_unsafe_deserialization()  # of this process alone
    return convert_here(path, loading, **arguments)


def _converted(run, folder, student, record, raw, data):
    path = run.student_path(student)
    x = calibration.expected(run, run.unseen[0])
    kept = ((8, record.integers), (4, record.lean))
    models = {bits: integers.path(run, student, bits) for bits, found in kept if found}
    try:
        return run.convert(
            path,
            run.loading,
            folder=folder,
            x=x,
            calibration=models or data,
            formats=record.formats,
            test=run.real.raw_test,
            raw=raw,
            answers=rival.answers(run, x),
        )
    except ChildProcessError as error:
        raise OSError(f"{path} could not be exported: {error}") from error


def _record(run, student, model, fitted):
    given, size = fitted.data is not None, run.config.export.calibration_size
    return ExportRecord(
        student=str(run.student_path(student).relative_to(run.workdir)),
        student_digest=teachers.digest(model),
        teacher=run.config.teacher,
        teacher_digest=run.teacher_digest,
        parameters=student.parameters,
        formats=run.config.export.formats,
        calibration=fitted.name or run.config.source,
        calibration_size=min(size, len(fitted.data)) if given else size,
        headroom=1.0 if given else run.config.export.headroom,
        real_examples=len(run.real.raw_test[0]) if run.real.raw_test else 0,
        input_shape=model.input_shape[1:],
        num_classes=model.output_shape[-1],
        basis=rival.fingerprint(run),
        tolerance=run.config.export.tolerance,
        qat=integers.settings(run),
    )


def _describe(run, folder, report, student, record, raw):
    """Writes what stands beside the files: labels, model card and record."""
    names = run.real.label_names or range(record.num_classes)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    layers = read_json(run.workdir / "compression.json").get(student.name, [])
    layers = layers["layers"] if isinstance(layers, dict) else layers  # rows alone, before
    mixture = run.config.synthesis.get("mixture", {})
    distilled = run.config.distillation
    learners = unlabeled.learners(run.config, record.input_shape) if report.unlabeled else ()
    mixed = {"kegnet"} if report.unlabeled else {"kegnet", "unlabeled"}
    card = ModelCard(
        dataset=report.dataset,
        version=report.versions["kegnet-tf"],
        student=student,
        teacher=report.teacher,
        steps=distilled.epochs * distilled.steps_per_epoch,
        num_generators=len(report.generators),
        mixture=tuple(name for name, share in mixture.items() if share and name not in mixed),
        layers=[compression.LayerReport(**row) for row in layers],
        record=record,
        raw=raw,
        quantisation=rival.integers(folder, record.exports),
        unlabeled=report.unlabeled if student.arm in learners else "",
    )
    (folder / "README.md").write_text(card.markdown())
    record.write(folder)
