"""The same students of several teachers of one data set, and what a recipe gains over them all.

One teacher flatters a recipe, or wrongs it: how it was trained decides what can be learned from it.
"""

import contextlib
import dataclasses
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence

import ml_collections

from kegnet_tf import runs
from kegnet_tf.experiments import paper_tables
from kegnet_tf.experiments.cells import REAL, Job
from kegnet_tf.teachers import rules

SHIPPED = "shipped"  # in the place of a teacher's path
ABOUT = (
    "Real test accuracy in percent after the last step, mean ± sample deviation over `n` students; "
    "no real data in training or selection. The arm `real` learns the teacher's answers to the "
    "real training images: a ceiling, not data-free. `way`: how much of what lies between `tucker` "
    "and `real` an arm covers, in percent."
)
_COLUMNS = (
    ("teacher", "dataset", "{}"),
    ("its accuracy", "teacher", "{:.2f}"),
    ("student", "name", "{}"),
    ("ratio", "compression_ratio", "{:.2f}"),
    ("arm", "arm", "{}"),
    ("n", "count", "{}"),
    ("last", "last", "{}"),
    ("way", "way", "{:.0f}"),
)
_MEANS = (
    ("student", "name", "{}"),
    ("arm", "arm", "{}"),
    ("teachers", "count", "{}"),
    ("last", "last", "{:.2f}"),
    ("under the teacher", "loss", "{:.2f}"),
    ("way", "way", "{:.0f}"),
)


def policies(argument: str, ratios: Sequence[float | str]) -> ml_collections.ConfigDict:
    """Students of any classifier, one for each ratio of its parameters to theirs.

    Args:
        argument: what they were given as.
        ratios: 1 or more each, in any order.

    Raises:
        ValueError: if they are something else, or none.
    """
    rules.entries(argument, ratios, 1, 100)
    numbers = sorted({_ratio(argument, ratio) for ratio in ratios})
    given = {f"ratio{each:g}".replace(".", "_"): {"target_ratio": each} for each in numbers}
    return ml_collections.ConfigDict(given)


def jobs(
    job: Job,
    opened: Callable[[ml_collections.ConfigDict, pathlib.Path, str], runs.Run],
    teachers: Sequence[str],
) -> list[Job]:
    """The job of each teacher, in a folder named as its file.

    Args:
        job: of the data set, whose run gives settings and the folder above.
        opened: function of (config, folder, teacher) to a run.
        teachers: paths of `.keras` files; "shipped" for the one that ships.

    Raises:
        ValueError: if two of them have one name.
    """
    run, found = job.run, {}
    for path in teachers:
        name = pathlib.Path(path).stem
        if name in found:
            raise ValueError(
                f"`panel` must hold files of different names. Received: {name!r} twice."
            )
        config = run.config.copy_and_resolve_references()
        own = opened(config, run.workdir / "panel" / name, path if name != SHIPPED else "")
        found[name] = dataclasses.replace(job, dataset=name, run=own)
    return [*found.values()]


def summarise(cells: Sequence[Mapping], teachers: Mapping[str, float]) -> tuple[list, list]:
    """What came out of each teacher, and of all of them.

    Args:
        cells: rows of `cells.cell`, whose "dataset" is the teacher's name.
        teachers: their accuracies by name, fractions.

    Returns:
        (rows, means): `paper_tables.summarise`'s rows, each with "teacher", in percent, and "way",
        None where there is no ceiling; and for each student and arm of all teachers {"name", "arm",
        "count", "last", "loss", "way"}, means over the teachers.
    """
    rows = paper_tables.summarise(cells)
    reached = {(row["dataset"], row["name"], row["arm"]): row["last"][0] for row in rows}
    for row in rows:
        ends = [reached.get((row["dataset"], row["name"], arm)) for arm in ("tucker", REAL)]
        row["teacher"] = 100 * teachers[row["dataset"]]
        row["way"] = _way(row["last"][0], *ends)
    groups = {}
    for row in rows:
        groups.setdefault((row["name"], row["arm"]), []).append(row)
    means = [
        {
            "name": name,
            "arm": arm,
            "count": len(group),
            "last": statistics.mean(row["last"][0] for row in group),
            "loss": statistics.mean(row["teacher"] - row["last"][0] for row in group),
            "way": _mean([row["way"] for row in group]),
        }
        for (name, arm), group in groups.items()
        if len(group) == len(teachers)
    ]
    return rows, sorted(means, key=lambda row: (row["name"], paper_tables.ARMS.index(row["arm"])))


def markdown(dataset: str, rows: Sequence[Mapping], means: Sequence[Mapping]) -> str:
    """The tables of a panel.

    Args:
        dataset: its name.
        rows: see `summarise`, as is `means`.
        means: over the panel.
    """
    parts = [f"# A panel of teachers: {dataset}", ABOUT, paper_tables.table(rows, _COLUMNS)]
    return "\n\n".join([*parts, "## Mean over the panel", paper_tables.table(means, _MEANS)]) + "\n"


def _ratio(argument, value):
    with contextlib.suppress(TypeError, ValueError):
        value = float(value)
    rules.number(argument, value, 1, 1e6)
    return value


def _way(reached, start, end):
    """Percent of the way between two accuracies; None where an end is missing or they meet."""
    if start is None or end is None or end <= start:
        return None
    return 100 * (reached - start) / (end - start)


def _mean(values):
    return None if None in values else statistics.mean(values)
