"""What exported files cost, teacher and student in one run: time, memory, size, arithmetic."""

import pathlib
import statistics
import tempfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf import compression, export, teachers
from kegnet_tf.experiments import timing


def export_costs(
    folder: str | pathlib.Path,
    *,
    teacher: str | pathlib.Path = "",
    steps: int,
    repeats: int,
    loading: teachers.Loading | None = None,
) -> list[dict]:
    """Measures the LiteRT files of one example at a time, and the teacher as one beside them.

    The teacher is converted to float32 in the same way. All files are timed in turns, so that a
    drift of the machine meets them alike, through LiteRT's interpreter with XNNPACK, its default.

    Args:
        folder: an export, such as a run's `export/`.
        teacher: path of the run's teacher; "" for the one that ships for the run's preset.
        steps: examples in one timed call.
        repeats: timed calls of each file, after one that does not count.
        loading: how the teacher is loaded.

    Returns:
        A list of {"name", "format", "path", "bytes", "parameters", "multiply_adds", "arena_bytes",
        "agreement", "accuracy", "milliseconds", "ratio", "spread", "threads",
        "milliseconds_all_threads", "cores", "versions"}, the teacher first. `parameters` are the
        Keras model's trainable ones; of arithmetic and memory see `export.multiply_adds` and
        `export.arena`; agreement (with the Keras student) and accuracy are `export.json`'s. Times
        are medians for one example, with one thread and with `threads`; `ratio` is the one-thread
        time over the teacher's, and `spread` the least and the largest of it in a turn.

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
    path = teacher or teachers.pretrained(record.teacher)
    model = (loading or teachers.Loading()).load(path)
    if teachers.digest(model) != record.teacher_digest:
        raise ValueError(f"`teacher` must be the one of the run. Received: {path}.")
    files = [file for file in record.exports if file.batch == 1 and file.bytes]
    with tempfile.TemporaryDirectory() as scratch:
        lite = _converted(model, pathlib.Path(scratch))
        original = export.ExportedFile("litert_float32", 1, lite.name, lite.stat().st_size)
        rows = [_costs("teacher", lite, original, compression.trainable_parameters(model))]
        rows += [_costs("student", folder / file.path, file, record.parameters) for file in files]
        times = _times([lite, *(folder / file.path for file in files)], steps, repeats)
    return [row | time | timing.machine() for row, time in zip(rows, times, strict=True)]


def _converted(model, scratch):
    """The teacher as a LiteRT file of one example."""
    path = scratch / "teacher_float32_batch1.tflite"
    export.save(model, scratch / "saved_model", batch=1)
    path.write_bytes(export.convert(scratch / "saved_model", "litert_float32", None))
    return path


def _costs(name, path, file, parameters):
    return {
        "name": name,
        "format": file.format,
        "path": file.path,
        "bytes": file.bytes,
        "parameters": parameters,
        "multiply_adds": export.multiply_adds(path),
        "arena_bytes": export.arena(path),
        "agreement": file.agreement,
        "accuracy": file.accuracy,
    }


def _times(paths, steps, repeats):
    """What a row says of time, for each file; the first is what the others are compared with."""
    threads = timing.cores()
    calls = [_examples(path, count, steps) for count in (1, threads) for path in paths]
    seconds = np.array(timing.turns(calls, repeats)).reshape(repeats, 2, len(paths)) / steps
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


def _examples(path, threads, steps):
    """Function that runs a file on `steps` examples of zeros, which cost what any numbers cost."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()

    def call():
        for _ in range(steps):
            interpreter.invoke()

    return call
