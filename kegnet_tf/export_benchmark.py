"""What exported files cost, teacher and student in one run: time, memory, size, arithmetic."""

import os
import pathlib
import statistics
import tempfile
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kegnet_tf import conversion, evaluation, graphs, report, teachers
from kegnet_tf.workdir import read_json


def exports(folder, *, teacher="", steps, repeats, **loading):
    """Measures the LiteRT files of one example at a time, and the teacher as one beside them.

    The teacher is converted to float32 in the same way. All files are timed in turns, so that a
    drift of the machine meets them alike, through LiteRT's interpreter with XNNPACK, its default.

    Args:
        folder: what `kegnet_tf.deployment.deploy` wrote.
        teacher: path of the run's teacher; "" for the one that ships for the run's preset.
        steps: examples in one timed call.
        repeats: timed calls of each file, after one that does not count.
        **loading: of `kegnet_tf.teachers.load`, for the teacher.

    Returns:
        A list of {"name", "format", "path", "bytes", "parameters", "multiply_adds", "arena_bytes",
        "agreement", "accuracy", "milliseconds", "ratio", "spread", "threads",
        "milliseconds_all_threads", "cores", "versions"}, the teacher first. `parameters` are the
        Keras model's trainable ones; of arithmetic and memory see `kegnet_tf.graphs`; agreement
        (with the Keras student) and accuracy are `export.json`'s. Times are medians for one
        example, with one thread and with `threads`; `ratio` is the one-thread time over the
        teacher's, and `spread` the least and the largest of it in a turn.

    Raises:
        ValueError: if the folder holds no export, or the teacher is not the run's.
    """
    folder = pathlib.Path(folder)
    try:
        made = read_json(folder / "export.json")
        files = [row for row in made["exports"] if row["batch"] == 1 and row["bytes"]]
        digest = made["teacher_digest"]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"`exports` must be an export folder of kegnet. Received: {folder} ({error})."
        ) from error
    path = teacher or teachers.pretrained(made["teacher"])
    source = teachers.load(path, **loading)
    if teachers.digest(source) != digest:
        raise ValueError(f"`teacher` must be the one of the run. Received: {path}.")
    with tempfile.TemporaryDirectory() as scratch:
        conversion.save(source, f"{scratch}/saved_model", batch=1)
        lite = pathlib.Path(scratch) / "teacher_float32_batch1.tflite"
        lite.write_bytes(conversion.convert(f"{scratch}/saved_model", "litert_float32", None))
        size = evaluation.trainable_parameters(source)
        row = {"format": "litert_float32", "path": lite.name, "bytes": lite.stat().st_size}
        rows = [_costs("teacher", lite, row, size)]
        rows += [_costs("student", folder / row["path"], row, made["parameters"]) for row in files]
        threads = len(os.sched_getaffinity(0))
        paths = [lite, *(folder / row["path"] for row in files)]
        calls = [_call(each, count) for count in (1, threads) for each in paths]
        seconds = np.array(_seconds(calls, steps, repeats)).reshape(repeats, 2, len(paths))
    ratios = seconds[:, 0] / seconds[:, 0, :1]
    medians = 1e3 * np.median(seconds, axis=0)
    for index, row in enumerate(rows):
        row |= {
            "milliseconds": float(medians[0, index]),
            "ratio": statistics.median(ratios[:, index].tolist()),
            "spread": [float(ratios[:, index].min()), float(ratios[:, index].max())],
            "threads": threads,
            "milliseconds_all_threads": float(medians[1, index]),
            "cores": threads,
            "versions": report.versions(),
        }
    return rows


def _costs(name, path, row, parameters):
    return {
        "name": name,
        **{key: row[key] for key in ("format", "path", "bytes")},
        "parameters": parameters,
        "multiply_adds": graphs.multiply_adds(path),
        "arena_bytes": graphs.arena(path),
        **{key: row.get(key) for key in ("agreement", "accuracy")},
    }


def _call(path, threads):
    """One run of a file's interpreter on zeros, which cost what any numbers cost."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter.invoke


def _seconds(calls, steps, repeats):
    """Seconds of one step, [repeat][call], each call in turn."""
    seconds = []
    for _ in range(repeats + 1):
        turn = []
        for call in calls:
            started = time.perf_counter()
            for _ in range(steps):
                call()
            turn.append((time.perf_counter() - started) / steps)
        seconds.append(turn)
    return seconds[1:]
