"""What exported files cost, teacher and student in one run: time, memory, size, arithmetic."""

import dataclasses
import pathlib
import statistics
import tempfile

import numpy as np

from kegnet_tf import compression, export, runs, teachers
from kegnet_tf.experiments import timing


def export_costs(
    folder: str | pathlib.Path,
    *,
    teacher: str | pathlib.Path = "",
    steps: int,
    repeats: int,
    loading: teachers.Loading | None = None,
) -> list[dict]:
    """Measures the LiteRT files of one example at a time, and the teacher's beside them.

    The teacher's are those of the run, in its `teacher/`. Where there are none, it is
    converted in the formats that need no data. All files are timed in turns, so that a drift of the
    machine meets them alike, through LiteRT's interpreter with XNNPACK, its default.

    Args:
        folder: an export, such as a run's `export/` or `frontier/NAME/`.
        teacher: path of the run's teacher; "" for the one that ships for the run's preset. Not
            asked for where the run kept the teacher's files.
        steps: examples in one timed call.
        repeats: timed calls of each file, after one that does not count.
        loading: how the teacher is loaded.

    Returns:
        A list of {"name", "format", "path", "bytes", "parameters", "multiply_adds", "arena_bytes",
        "agreement", "teacher_agreement", "accuracy", "milliseconds", "ratio", "spread", "threads",
        "milliseconds_all_threads", "beaten_by", "cores", "versions"}, the teacher's in the order of
        the formats, then the student's. `parameters` are the Keras model's trainable ones; of
        arithmetic and memory see `export.multiply_adds` and `export.arena`; agreement (with the
        Keras model, and with the teacher) and accuracy are `export.json`'s. Times are medians for
        one example, with one thread and with `threads`; `ratio` is the one-thread time over that of
        the first file, and `spread` the least and the largest of it in a turn. `beaten_by` is as in
        `export.beaten`, by these times.

    Raises:
        ValueError: if the folder holds no export, or the teacher is not the run's.
    """
    folder = pathlib.Path(folder)
    try:
        record = export.ExportRecord.read(folder)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`exports` must be an export folder of kegnet. Received: {folder} ({error})."
        ) from error
    with tempfile.TemporaryDirectory() as scratch:
        theirs = _kept(folder, record, teacher, loading)
        theirs = theirs or _converted(record, teacher, loading, pathlib.Path(scratch))
        files = [(folder / file.path, file, record.parameters) for file in _once(record)]
        files = [*theirs, *files]
        rows = [_costs(*each) for each in files]
        times = _times([path for path, _, _ in files], steps, repeats)
    own = [file for _, file, _ in files]
    taken = [
        dataclasses.replace(file, milliseconds=time["milliseconds"])
        for file, time in zip(own, times, strict=True)
    ]
    return [
        row | time | {"beaten_by": file.beaten_by} | timing.machine()
        for row, time, file in zip(rows, times, export.beaten(taken), strict=True)
    ]


def _once(record):
    """The files that take one example at a time."""
    return [file for file in record.exports if file.batch == 1 and file.bytes]


def _kept(folder, record, teacher, loading):
    """(path, row, parameters) of the files that the run kept of its teacher; [] without."""
    if teacher:
        _load(teacher, record, loading)
    run = folder.resolve().parent
    run = run.parent if run.name == runs.export_folder.SEVERAL else run
    kept = runs.teacher_files(run)
    if not kept or kept.teacher_digest != record.teacher_digest:
        return []
    place = run / "teacher"
    return [(place / file.path, file, kept.parameters) for file in _once(kept)]


def _converted(record, teacher, loading, scratch):
    """The same of a teacher that is converted here, by what needs no data."""
    model = _load(teacher or teachers.pretrained(record.teacher), record, loading)
    export.save(model, scratch / "saved_model", batch=1)
    files, parameters = [], compression.trainable_parameters(model)
    for form in ("litert_float32", "litert_float16", "litert_dynamic_range"):
        if form in ("litert_float32", *record.formats):
            path = scratch / f"{form.replace('litert', 'teacher')}_batch1.tflite"
            path.write_bytes(export.convert(scratch / "saved_model", form, None))
            file = export.ExportedFile(form, 1, path.name, path.stat().st_size, model="teacher")
            files.append((path, file, parameters))
    return files


def _load(path, record, loading):
    model = (loading or teachers.Loading()).load(path)
    if teachers.digest(model) != record.teacher_digest:
        raise ValueError(f"`teacher` must be the one of the run. Received: {path}.")
    return model


def _costs(path, file, parameters):
    return {
        "name": file.model,
        "format": file.format,
        "path": file.path,
        "bytes": file.bytes,
        "parameters": parameters,
        "multiply_adds": export.multiply_adds(path),
        "arena_bytes": export.arena(path),
        "agreement": file.agreement,
        "teacher_agreement": file.teacher_agreement,
        "accuracy": file.accuracy,
    }


def _times(paths, steps, repeats):
    """What a row says of time, for each file; the first is what the others are compared with."""
    threads = timing.cores()
    calls = [export.invocations(path, count, steps) for count in (1, threads) for path in paths]
    with runs.progress.stage("Files, timed in turns", repeats + 1) as stage:
        taken = timing.turns(calls, repeats, told=stage.tell)
    seconds = np.array(taken).reshape(repeats, 2, len(paths)) / steps
    ratios = seconds[:, 0] / seconds[:, 0, :1]
    medians = 1e3 * np.median(seconds, axis=0)
    return [
        {
            "milliseconds": float(medians[0, index]),
            "ratio": statistics.median(ratios[:, index].tolist()),
            "spread": [float(ratios[:, index].min()), float(ratios[:, index].max())],
            "threads": threads,
            "milliseconds_all_threads": float(medians[1, index]),
        }
        for index in range(len(paths))
    ]
