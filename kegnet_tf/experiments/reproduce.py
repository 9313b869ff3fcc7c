"""Tables 2 and 3 of the paper: students x arms x seeds of each data set, ours beside theirs."""

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Callable, Mapping

import ml_collections

from kegnet_tf import runs, synthesis
from kegnet_tf.configs import (
    cifar10,
    cifar10_mobilenet,
    fashion,
    letter,
    mnist,
    pendigits,
    shuttle,
    svhn,
)
from kegnet_tf.experiments import ablation, cells, panel, paper, paper_tables
from kegnet_tf.experiments.executors import Executor
from kegnet_tf.experiments.settings import ReproduceSettings

# What a folder of tables is known by; each data set in it has a configuration of its own.
_IDENTITY = {"config": {}, "tables": True}
logger = logging.getLogger(__name__)

PRESETS = {
    "shuttle": shuttle.get_config,
    "pendigits": pendigits.get_config,
    "letter": letter.get_config,
    "mnist": mnist.get_config,
    "fashion": fashion.get_config,
    "svhn": svhn.get_config,
    "cifar10": cifar10.get_config,
    "cifar10_mobilenet": cifar10_mobilenet.get_config,
}


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What came out of it.

    Attributes:
        content: of `results.json`, or of `ablation.json`.
        text: its tables in Markdown, and where everything is.
    """

    content: dict
    text: str


def reproduce(
    workdir: str | pathlib.Path,
    settings: ReproduceSettings,
    *,
    data: runs.DataOptions | None = None,
    executor: Executor | None = None,
    presets: Mapping[str, Callable[[str], ml_collections.ConfigDict]] = PRESETS,
    lines: Mapping[str, ablation.Line] = ablation.LINES,
) -> Reproduction:
    """Trains the cells that are missing, and writes the tables of all that stand.

    Each data set gets a folder, with a file and a JSON for each generator and student: what is
    complete there is kept, so that a second call goes on where the first was ended. Then come
    `results.json`, `results.md` and `results.png`; with `settings.ablation`, `ablation.json` and
    `ablation.md` instead, and with `settings.panel` `panel.json` and `panel.md`.

    Args:
        workdir: the folder of all data sets; made where it is missing.
        settings: which cells are made.
        data: where real data come from; None for the presets' where they are at hand.
        executor: where the training runs; None for this process.
        presets: `get_config` of a preset by the name of its data set.
        lines: what an ablation compares, "preset" among them.

    Raises:
        ValueError: on bad input, before anything is trained.
    """
    workdir, executor = pathlib.Path(workdir).resolve(), executor or Executor()
    executor.check()
    data = absolute(data or runs.DataOptions())
    settings.check(data)
    jobs = []
    for name in settings.datasets:
        config = settings.configured(name, presets[name])
        if not (config.teacher or settings.teacher or settings.panel):
            message = f"No teacher ships for {name!r}: --dataset={name} --teacher=FILE.keras "
            if settings.dataset:
                raise ValueError(f"`teacher` must be given. {message}does. Received: ''.")
            logger.warning("%sadds it to the table.", message)
            continue
        jobs += _jobs(workdir / name, config, settings, data, lines)
    own = list(dict.fromkeys(job for _, job in jobs))
    runs.claiming.check(workdir, _IDENTITY)
    for job in own:
        cells.check(job)
    with runs.held(workdir):
        runs.claiming.claim(workdir, _IDENTITY)
        keys = _train(own, settings.seeds, executor)
        for job in own:
            runs.manifest.seal(job.run.workdir)
        if settings.panel:
            return _write_panel(workdir, own, keys)
        return _write_ablation(workdir, jobs, keys) if settings.ablation else _write(workdir)


def absolute(data: runs.DataOptions) -> runs.DataOptions:
    """The same options for a worker in another folder."""
    paths = {
        name: str(pathlib.Path(path).resolve())
        for name in ("eval_data", "source_dir", "unlabeled")
        if (path := getattr(data, name))
    }
    return dataclasses.replace(data, **paths)


def _jobs(folder, config, settings, data, lines):
    """(line, job) of a data set; "" for the line where the arms are compared."""
    arms = config.arms
    known = tuple(arm for arm in arms if arm != cells.REAL)  # no run knows that one
    config.arms = known or ("tucker",)  # nor one with none; the job's own arms are made
    if settings.panel:
        config.students = panel.policies("ratios", settings.ratios)

    def opened(config, folder, teacher=settings.teacher):
        teacher = str(pathlib.Path(teacher).resolve()) if teacher else ""
        return runs.Run(
            config, folder, teacher=teacher, students=tuple(settings.students), data=data
        )

    job = cells.Job(folder.name, opened(config, folder), arms, settings.authors)
    if settings.panel:
        return [("", each) for each in panel.jobs(job, opened, settings.panel)]
    return ablation.jobs(job, opened, lines) if settings.ablation else [("", job)]


def _train(jobs, seeds, executor):
    """Makes what is missing of some jobs; (name, arm, seed) of all their cells."""
    tasks = [
        (job, (name, arm, seed))
        for job in jobs
        for name, arm in cells.prepare(job)
        for seed in range(seeds if arm in synthesis.SOURCES else 1)
    ]
    with executor.opened() as execute:
        for borrowing in (False, True):  # whose generators may be those of the preset
            group = [(job,) for job in jobs if bool(job.origin) == borrowing]
            for _ in execute(cells.extract, group):
                pass
        for row in execute(cells.cell, tasks):
            logger.info("{dataset}: {name}, {arm}, seed {seed}: {last:.2%}".format(**row))
    return {key for _, key in tasks}


def _write(workdir):
    """Writes the tables and the picture of all that is complete below `workdir`."""
    datasets, rows = {}, []
    for name, printed in paper.PRINTED.items():
        folder = workdir / name
        teacher = runs.records.read(folder / "teacher.json")
        if teacher:
            finished = cells.finished(folder)
            rows += finished
            files = (folder / "generators").glob("?.json")
            timed = finished + [runs.read_json(path) for path in files]
            datasets[name] = {
                **teacher,
                "paper": printed["original"],
                "seconds": sum(row["seconds"] or 0.0 for row in timed),
            }
    content = {"versions": runs.versions(), "datasets": datasets, "cells": rows}
    content["summary"] = paper_tables.summarise(rows)
    picture = functools.partial(runs.comparison, paper_tables.panels(content["summary"]))
    text = paper_tables.markdown(content)
    return _written(workdir, "results", content, text, {"results.png": picture})


def _write_ablation(workdir, jobs, keys):
    """Writes the table of the cells that were asked for; both jobs of a data set count."""
    rows = [
        {"line": line, **row}
        for line, job in jobs
        for row in cells.finished(job.run.workdir)
        if (row["name"], row["arm"], row["seed"]) in keys
    ]
    content = {"versions": runs.versions(), "cells": rows}
    content["summary"] = paper_tables.summarise(rows)
    return _written(workdir, "ablation", content, ablation.markdown(content["summary"]))


def _write_panel(workdir, jobs, keys):
    """Writes the tables of the cells that were asked for, of all teachers."""
    rows, teachers = [], {}
    for job in jobs:
        teachers[job.dataset] = runs.records.read(job.run.workdir / "teacher.json")["accuracy"]
        found = cells.finished(job.run.workdir)
        rows += [row for row in found if (row["name"], row["arm"], row["seed"]) in keys]
    summary, means = panel.summarise(rows, teachers)
    content = {"versions": runs.versions(), "teachers": teachers, "cells": rows}
    content |= {"summary": summary, "means": means}
    name = jobs[0].run.workdir.parent.parent.name
    return _written(workdir, "panel", content, panel.markdown(name, summary, means))


def _written(workdir, name, content, text, pictures=()):
    files = {f"{name}.json": runs.manifest.text_of(content), f"{name}.md": text, **dict(pictures)}
    runs.manifest.keep(workdir, files)
    return Reproduction(content, f"{text}\nEverything is in {workdir}.")
