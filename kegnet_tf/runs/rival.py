"""The simpler thing to do without data: the teacher's own files, in the student's formats."""

import dataclasses
import hashlib
import json
import logging
import pathlib
from collections.abc import Sequence

import numpy as np

from kegnet_tf import compression, export, teachers
from kegnet_tf.export import ExportedFile, ExportRecord
from kegnet_tf.runs import calibration, export_folder, streams
from kegnet_tf.runs.workdir import whole

logger = logging.getLogger(__name__)


def exported(run) -> ExportRecord:
    """The teacher's files in `teacher/` of a run, with a card beside them; skipped where done.

    They are compared, and fitted where they are of int8, on the same artificial data as a
    student's. A teacher that cannot be saved has none, and a warning says why.

    Args:
        run: a `Run`, with its teacher at hand.

    Raises:
        OSError: if the folder cannot be written, or the process that converts was ended.
        ValueError: if the folder holds what no export wrote.
    """
    folder = run.paths["teacher"]
    export_folder.check_folder(folder, run.workdir)
    record = _record(run)
    if export_folder.stands(folder, record):
        logger.info("The teacher's files: %s stands finished.", folder)
        return ExportRecord.read(folder)
    with whole(folder) as partial:
        partial.mkdir()
        raw = calibration.raw_values(run, run.classifier)
        record = dataclasses.replace(record, exports=_converted(run, partial, record, raw))
        quantisation = integers(partial, record.exports)
        card = export.teacher_card(run.dataset_name, record, raw, quantisation)
        (partial / "README.md").write_text(card)
        names = "".join(f"{name}\n" for name in run.label_names)
        (partial / "labels.txt").write_text(names)
        record.write(partial)
        export_folder.retire(folder)
    return ExportRecord.read(folder)


def teacher_files(workdir: pathlib.Path) -> ExportRecord | None:
    """The record of the teacher's files of a finished run; None where they are not all there.

    Whoever made the folder, each LiteRT file of one example is tried in a process of its own first.
    """
    folder = workdir / "teacher"
    try:
        record = ExportRecord.read(folder)
        if len(record.intact(folder)) < len(record.files):
            raise ValueError("a file is not as it was written")
        if not record.exports:
            raise ValueError("the teacher could not be saved")
        for row in record.exports:
            if row.batch == 1 and row.bytes:
                export.predictor(folder / row.path)
    except (OSError, ValueError) as error:
        logger.info("Nothing is set beside the student's files: no whole %s (%s).", folder, error)
        return None
    return record


def answers(run, x: np.ndarray) -> np.ndarray | None:
    """The teacher's classes for what students are measured on, [size].

    Args:
        run: a `Run`; of one that was opened again only the teacher's own SavedModel answers, since
            a student stands for the teacher there.
        x: `run.unseen` as the teacher expects it, [size, ...].

    Returns:
        Integers; None where neither the teacher nor its files are at hand.
    """
    if not run.rivals:
        return None
    path = run.paths["teacher"] / "saved_model"
    if not path.is_dir():
        return run.unseen[1].argmax(axis=-1) if run.teacher_at_hand else None
    predict = export.predictor(path)
    rows = teachers.rows_at_once(x.shape[1:], 500)
    batches = (x[start : start + rows] for start in range(0, len(x), rows))
    return np.concatenate([predict(batch).argmax(axis=-1) for batch in batches])


def timed(run, folder: pathlib.Path, rows: Sequence[ExportedFile]) -> dict[str, list]:
    """A student's and the teacher's rows with their times, taken in turns, and who beats whom.

    Args:
        run: a `Run`.
        folder: of the student's files.
        rows: the student's.

    Returns:
        {"exports", "rivals"} of an `ExportRecord`.
    """
    theirs = run.rivals.exports if run.rivals else []
    places = [(run.paths["teacher"], row) for row in theirs] + [(folder, row) for row in rows]
    once = [place / row.path for place, row in places if row.batch == 1 and row.bytes]
    speeds = dict(zip(once, run.latencies(once), strict=True))
    measured = export.beaten([_at(row, speeds.get(place / row.path)) for place, row in places])
    return {"rivals": measured[: len(theirs)], "exports": measured[len(theirs) :]}


def _at(row, speed):
    """A row with the speed of its file; None where it was not timed."""
    fields = {each.name: None for each in dataclasses.fields(export.Speed)}
    return dataclasses.replace(row, **(dataclasses.asdict(speed) if speed else fields))


def fingerprint(run) -> str:
    """SHA-256 of the record of the teacher's files; "" without any."""
    if not run.rivals:
        return ""
    return export.fingerprint(run.paths["teacher"] / "export.json")["sha256"]


def integers(folder: pathlib.Path, rows: Sequence[ExportedFile]) -> dict[str, tuple]:
    """`quantisation` of a `ModelCard`, by path."""
    return {
        row.path: (*export.quantisation(folder / row.path), export.input_scale(folder / row.path))
        for row in rows
        if row.format == "litert_int8_integer_only" and row.bytes
    }


def _record(run):
    drawn = json.dumps(streams.drawn_of(run), sort_keys=True)
    settings, model = run.config.export, run.classifier
    return ExportRecord(
        student="",
        student_digest=run.teacher_digest,
        teacher=run.config.teacher,
        teacher_digest=run.teacher_digest,
        parameters=compression.trainable_parameters(model),
        formats=settings.formats,
        calibration=run.config.source,
        calibration_size=settings.calibration_size,
        headroom=settings.headroom,
        real_examples=len(run.real.raw_test[0]) if run.real.raw_test else 0,
        input_shape=model.input_shape[1:],
        num_classes=model.output_shape[-1],
        basis=hashlib.sha256(drawn.encode()).hexdigest(),
    )


def _converted(run, folder, record, raw):
    path = folder / "teacher.keras"
    try:
        run.classifier.save(path)
        return run.convert(
            path,
            dataclasses.replace(run.loading, output="logits"),
            teacher=True,
            folder=folder,
            x=calibration.expected(run, run.unseen[0]),
            calibration=calibration.examples(run, record, raw),
            formats=record.formats,
            test=run.real.raw_test,
            raw=raw,
        )
    except ChildProcessError as error:
        raise OSError(f"The teacher could not be exported: {error}") from error
    except ValueError as error:
        logger.warning("Warning: no files of the teacher: %s", error)
        return []
    finally:
        path.unlink(missing_ok=True)
