"""Students of several sizes, and the teacher's own files, by what they cost and what they keep."""

import dataclasses
import functools
import itertools
import logging
import os
import pathlib
from collections.abc import Sequence

import keras
import ml_collections

from kegnet_tf import export, runs
from kegnet_tf.experiments import panel
from kegnet_tf.experiments.executors import Executor
from kegnet_tf.experiments.reproduce import Reproduction, absolute

logger = logging.getLogger(__name__)
ABOUT = (
    "The files of several students, by the ratio of the teacher's parameters to theirs, and the "
    "teacher's own: one example at a time, milliseconds on one thread of this machine, all timed "
    "in turns; agreement with the teacher on synthetic data that no student learned from; accuracy "
    "on real test data where there were some. One file beats another if it is smaller, no slower "
    "and agrees as often."
)


def frontier(
    run: runs.Run, ratios: Sequence[float | str], *, executor: Executor | None = None
) -> Reproduction:
    """Trains and exports a student of each ratio, and sets all files beside the teacher's.

    A student and its files are kept as they are finished, in `students/` and `frontier/NAME/`, so
    that a second call goes on where the first was ended. Then come `results.json`, `results.md` and
    `results.png`.

    Args:
        run: what the students are made with; its own students are left out.
        ratios: trainable parameters of the teacher over those of a student, each 1 or more;
            numbers, or the text of some.
        executor: where students are trained and exported; None for this process.

    Raises:
        OSError: if a file cannot be written.
        ValueError: on bad input, before anything is written.
    """
    executor = executor or Executor()
    executor.check()
    run = _with_ratios(run, ratios)
    run.check()
    home = "" if executor.name == "local" else os.getcwd()
    with runs.held(run.workdir):
        run.claim()
        with executor.opened() as execute:
            for _ in execute(_shared, [(run, home)]):
                pass
            for name, record in execute(_cell, [(run, home, name) for name in run.initial]):
                logger.info("%s: %d parameters, exported.", name, record.parameters)
        made = _written(run)
        runs.manifest.seal(run.workdir)
    return made


def _with_ratios(run, ratios):
    """The run with a student for each ratio and one arm; its paths lead to the same elsewhere."""
    students = panel.policies("frontier", ratios)
    if run.given["student"] or run.chosen_students:
        raise ValueError("`frontier` must come without other students. Received: some.")
    config = ml_collections.ConfigDict(run.config.to_dict())
    config.students = students
    config.arms = config.arms[-1:]
    teacher = run.given["teacher"]
    if teacher and not isinstance(teacher, keras.Model):
        teacher = str(pathlib.Path(teacher).resolve())
    given = run.given | {"teacher": teacher, "data": absolute(run.given["data"])}
    return runs.Run(config, run.workdir.resolve(), **given)


def _shared(run, home):
    """The task that comes before all students: generators, and the teacher's files."""
    _allow(run, home)
    logger.info("%d generators take part.", len(run.generators))
    run.rivals


def _cell(run, home, name):
    _allow(run, home)
    return name, runs.deploy_student(run, name)


def _allow(run, home):
    """Lets models' files on a worker, where there is a `home`, do what they may do there."""
    if home:
        runs.flags.allow(run.loading.custom_objects, run.loading.safe_mode, home)


def _written(run):
    """Times all files in turns, and writes what came out."""
    names = sorted(run.initial, key=lambda name: run.config.students[name].target_ratio)
    records = {name: export.ExportRecord.read(runs.place_of_student(run, name)) for name in names}
    theirs = run.rivals.exports if run.rivals else []
    rows = [_placed("teacher", row) for row in theirs]
    for name, record in records.items():
        rows += [_placed(f"frontier/{name}", row) for row in record.exports]
    rows = [row for row in rows if row.batch == 1 and row.bytes]
    speeds = run.latencies([run.workdir / row.path for row in rows])
    rows = [
        dataclasses.replace(row, **dataclasses.asdict(speed))
        for row, speed in zip(rows, speeds, strict=True)
    ]
    rows = export.beaten(rows)
    chosen = export.recommend(rows, run.config.export.tolerance)
    content = {
        "versions": runs.versions(),
        "dataset": run.dataset_name,
        "parameters": {name: record.parameters for name, record in records.items()},
        "files": [dataclasses.asdict(row) for row in rows],
        "recommendation": chosen and dataclasses.asdict(chosen),
    }
    text = _markdown(run, records, rows, chosen)
    series = [
        (name, [*group]) for name, group in itertools.groupby(rows, lambda row: _series(row.path))
    ]
    picture = functools.partial(runs.frontier_chart, series, chosen and chosen.path)
    runs.manifest.keep(
        run.workdir,
        {
            "results.json": runs.manifest.text_of(content),
            "results.md": text,
            "results.png": picture,
        },
    )
    return Reproduction(content, f"Everything is in {run.workdir}.\n\n{text}")


def _placed(folder, row):
    """A row by its path in the run's folder."""
    return dataclasses.replace(row, path=f"{folder}/{row.path}")


def _series(path):
    """Whose a file is: "teacher", or the name of a student."""
    return path.split("/")[-2]


def _markdown(run, records, rows, chosen):
    parts = [f"# {run.dataset_name}: students of several sizes", ABOUT]
    for name, record in records.items():
        ratio = run.config.students[name].target_ratio
        parts.append(f"- `{name}`: a ratio of {ratio:g}, {record.parameters:,} parameters")
    parts = [*parts[:2], "\n".join(parts[2:]), export.choice_table(rows, chosen)]
    if chosen:
        parts.append(f"Recommended: {chosen.path} {chosen.sentence}")
    return "\n\n".join(parts) + "\n"
