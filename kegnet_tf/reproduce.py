"""Tables 2 and 3 of the paper: students x arms x seeds of each data set, ours beside theirs."""

import dataclasses
import pathlib

from kegnet_tf import cells, comparison, executors, paper, report, synthesis, teachers
from kegnet_tf.configs import fashion, letter, mnist, pendigits, shuttle, svhn
from kegnet_tf.workdir import read_json, whole, write_json

PRESETS = {
    "shuttle": shuttle,
    "pendigits": pendigits,
    "letter": letter,
    "mnist": mnist,
    "fashion": fashion,
    "svhn": svhn,
}
# By line of `ablation.md`: settings, and where students start (`compression.compress`). A line
# that changes nothing in a preset shares its cells.
LINES = {
    "preset": ({}, ""),
    "alpha 0": ({"extraction.alpha": 0.0}, ""),
    "beta 0": ({"extraction.beta": 0.0}, ""),
    "gamma 0": ({"extraction.gamma": 0.0}, ""),
    "1 generator": ({"num_generators": 1}, ""),
    "5 generators": ({"num_generators": 5}, ""),
    "one-hot labels": ({"synthesis.labels": "onehot"}, ""),
    "uniform labels": ({"synthesis.labels": "uniform"}, ""),
    "fixed set": ({"synthetic_size": 6400}, ""),
    "fresh stream": ({"synthetic_size": 0}, ""),
    "SVD-only start": ({}, "svd"),
    # The teacher's BatchNorm statistics would mean nothing to random kernels.
    "random start": ({"distillation.batch_norm": "training"}, "random"),
}


def run(
    workdir,
    *,
    table=0,
    dataset="",
    quick=False,
    recipe="plus",
    authors=False,
    overrides=(),
    students=(),
    arms=(),
    seeds=5,
    ablation=False,
    teacher="",
    executor="local",
    ray_address="",
    **data,
):
    """Trains the cells that are missing, and writes the tables of all that stand.

    Each data set gets a folder, with a file and a JSON for each generator and student: what is
    complete there is kept, so that a second call goes on where the first was ended. Then come
    `results.json`, `results.md` and `results.png`; with `ablation`, `ablation.json` and
    `ablation.md` instead.

    Args:
        workdir: the folder of all data sets; made where it is missing.
        table: 2 or 3; 0 to go by `dataset`.
        dataset: a preset of the tables; "" for all of `table` for which a teacher ships.
        quick: whether the presets are taken in their short form.
        recipe: "plus" for the presets' kegnet+, "paper" for the paper's losses and arms.
        authors: whether the budget is the paper's as well, see `paper.budget`.
        overrides: settings in place of the presets' own, by dotted key.
        students: names among the presets'; empty for all.
        arms: rows of the table; empty for the presets' own; in an ablation, for their last.
        seeds: students for each name and arm.
        ablation: whether `LINES` are compared in place of the arms.
        teacher: path of a `.keras` classifier for `dataset`; "" for the one that ships.
        executor: where the training runs, see `executors.opened`.
        ray_address: likewise.
        **data: `eval_data`, `download` and `source_dir` of `pipeline.run`.

    Returns:
        The content of `results.json`, or of `ablation.json`.

    Raises:
        ValueError: on bad input, before anything is trained.
    """
    executors.check(executor, ray_address)
    if authors and quick:
        raise ValueError("`paper` must come without `quick`. Received: both.")
    if not seeds > 0:
        raise ValueError(f"`seeds` must be above 0. Received: {seeds}.")
    if (teacher or data.get("eval_data")) and not dataset:
        given = "teacher" if teacher else "eval_data"
        raise ValueError(f"`{given}` must come with `dataset`. Received: none.")
    workdir = pathlib.Path(workdir).resolve()
    jobs = []
    for name in _datasets(table, dataset):
        config = _preset(name, quick, recipe, authors, overrides)
        config.arms = tuple(arms) or tuple(config.arms[-1:] if ablation else config.arms)
        if not (config.teacher or teacher):
            message = f"No teacher ships for {name!r}: --dataset={name} --teacher=FILE.keras "
            if dataset:
                raise ValueError(f"`teacher` must be given. {message}does. Received: ''.")
            print(f"{message}adds it to the table.")
            continue
        path = str(pathlib.Path(teacher).resolve()) if teacher else ""
        job = cells.Job(
            name,
            workdir / name,
            config,
            authors,
            path or teachers.pretrained(config.teacher),
            **{key: _absolute(value) for key, value in data.items()},
        )
        jobs += _lines(job) if ablation else [("", job)]
    own = list(dict.fromkeys(job for _, job in jobs))
    prepared = [(job, *cells.check(job, students)) for job in own]
    for job, identity, initial in prepared:
        cells.prepare(job, identity, initial)
    tasks = [
        (job, (name, arm, seed))
        for job, _, initial in prepared
        for name in initial
        for arm in job.config.arms
        for seed in range(seeds if arm in synthesis.SOURCES else 1)
    ]
    with executors.opened(executor, ray_address) as execute:
        for lines in (False, True):  # whose generators may be those of the preset
            for _ in execute(cells.extract, [(job,) for job in own if bool(job.origin) == lines]):
                pass
        for row in execute(cells.cell, tasks):
            print("{dataset}: {name}, {arm}, seed {seed}: {last:.2%}".format(**row), flush=True)
    if ablation:
        return _write_ablation(workdir, jobs, {key for _, key in tasks})
    return _write(workdir)


def _datasets(table, dataset):
    if table not in (0, *paper.TABLES):
        raise ValueError(f"`table` must be 2 or 3. Received: {table}.")
    if not (table or dataset):
        raise ValueError("`table` must be 2 or 3, or `dataset` be given. Received: neither.")
    known = [name for number in paper.TABLES for name in paper.TABLES[number]]
    known = paper.TABLES.get(table, known)
    if dataset and dataset not in known:
        raise ValueError(f"`dataset` must be among {', '.join(known)}. Received: {dataset!r}.")
    return [dataset] if dataset else known


def _preset(name, quick, recipe, authors, overrides):
    paper_recipe = authors or recipe == "paper"
    config = PRESETS[name].get_config(",".join(["quick"] * quick + ["paper"] * paper_recipe))
    config.lock()
    settings = (paper.budget(name) if authors else {}) | dict(overrides)
    try:
        config.update_from_flattened_dict(settings)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"`config` must be overridden by what {name!r} has. Received: {error}."
        ) from error
    return config


def _absolute(value):
    return str(pathlib.Path(value).resolve()) if value and isinstance(value, str) else value


def _lines(job):
    """(line, job) of an ablation; a line that changes nothing has the job of the preset."""
    jobs = []
    for line, (settings, start) in LINES.items():
        config = job.config.copy_and_resolve_references()
        config.update_from_flattened_dict(settings)
        if start:
            with config.students.unlocked():
                for student in config.students.values():
                    student.start = start
        folder = job.folder / "ablation" / line.replace(" ", "-")
        other = dataclasses.replace(job, config=config, folder=folder, origin=job.folder)
        jobs.append((line, job if config == job.config else other))
    return jobs


def _write(workdir):
    """Writes the tables and the picture of all that is complete below `workdir`."""
    datasets, rows = {}, []
    for name in paper.FIGURES:
        folder = workdir / name
        if (folder / "teacher.json").exists():
            finished = cells.finished(folder)
            rows += finished
            timed = finished + [read_json(path) for path in (folder / "generators").glob("?.json")]
            datasets[name] = {
                **read_json(folder / "teacher.json"),
                "paper": paper.FIGURES[name]["original"],
                "seconds": sum(row["seconds"] or 0.0 for row in timed),
            }
    content = {"versions": report.versions(), "datasets": datasets, "cells": rows}
    content["summary"] = comparison.summarise(rows)
    write_json(workdir / "results.json", content)
    text = comparison.markdown(content)
    with whole(workdir / "results.md") as partial:
        partial.write_text(text)
    comparison.draw(content["summary"], workdir / "results.png")
    print(f"\n{text}\nEverything is in {workdir}.")
    return content


def _write_ablation(workdir, jobs, keys):
    """Writes the table of the cells that were asked for; both jobs of a data set count."""
    rows = [
        {"line": line, **row}
        for line, job in jobs
        for row in cells.finished(job.folder)
        if (row["name"], row["arm"], row["seed"]) in keys
    ]
    content = {"versions": report.versions(), "cells": rows}
    content["summary"] = comparison.summarise(rows)
    write_json(workdir / "ablation.json", content)
    text = comparison.ablation(content["summary"])
    with whole(workdir / "ablation.md") as partial:
        partial.write_text(text)
    print(f"\n{text}\nEverything is in {workdir}.")
    return content
