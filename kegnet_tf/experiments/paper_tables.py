"""The cells of a reproduction, summed up beside what the paper prints."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

import tabulate

from kegnet_tf import synthesis
from kegnet_tf.experiments import paper

# Accuracy on real data by the epoch of a student that it is of, see `accuracy_curves.Figures`; and
# how a table heads each.
FIGURES = {
    "last": "last",
    "agreement": "by agreement",
    "oracle": "oracle, not data-free",
}
ARMS = ("tucker", *synthesis.SOURCES, "real")
ABOUT = (
    "Real test accuracy in percent, mean ± sample deviation over `n` students. `last`: after the "
    "last step. `by agreement`: of the epoch that agrees best with the teacher on synthetic data "
    "held out. `oracle, not data-free`: of the epoch that is best on the real validation split, "
    "the rule of the paper's authors and so the like of `paper`; empty where that split was not at "
    "hand. The arm `real` learns from the real training data: a ceiling, not data-free. The "
    "differences are in points."
)
# Heading, key of a row of `summarise`, and how `str.format` writes what stands there.
_COLUMNS = (
    ("student", "name", "{}"),
    ("arm", "arm", "{}"),
    ("n", "count", "{}"),
    ("ratio", "compression_ratio", "{:.2f}"),
    ("paper ratio", "paper_ratio", "{:.2f}"),
    *((heading, figure, "{}") for figure, heading in FIGURES.items()),
    ("paper", "paper", "{}"),
    ("last less paper", "last_difference", "{:+.2f}"),
    ("oracle less paper", "oracle_difference", "{:+.2f}"),
)


def summarise(cells: Iterable[Mapping]) -> list[dict]:
    """One row for the students of each data set, name and arm.

    Args:
        cells: dictionaries with "dataset", "name", "arm", "compression_ratio" and a fraction or
            None for each of `FIGURES`; with "line" in an ablation.

    Returns:
        A list of {"dataset", "name", "arm", "line", "count", "compression_ratio", "paper",
        "paper_ratio", "last_difference", "oracle_difference"} and `FIGURES`: all but the counts and
        ratios in percent, means and deviations as pairs, None where unknown. A difference is ours
        less the paper's. Data sets and lines come in the order of the cells, arms in that of
        `ARMS`.
    """
    groups = {}
    for cell in cells:
        key = cell["dataset"], cell.get("line"), cell["name"], cell["arm"]
        groups.setdefault(key, []).append(cell)
    rows = [_row(*key, group) for key, group in groups.items()]
    datasets, lines = (list(dict.fromkeys(row[key] for row in rows)) for key in ("dataset", "line"))

    def place(row):
        dataset, line = datasets.index(row["dataset"]), lines.index(row["line"])
        return dataset, row["name"], line, ARMS.index(row["arm"])

    return sorted(rows, key=place)


def _row(dataset, line, name, arm, group):
    printed = paper.printed(dataset, name, arm)
    row = {
        "dataset": dataset,
        "name": name,
        "arm": arm,
        "line": line,
        "count": len(group),
        "compression_ratio": group[0]["compression_ratio"],
        "paper": printed,
        "paper_ratio": paper.PRINTED.get(dataset, {}).get(name, {}).get("ratio"),
    }
    for figure in FIGURES:
        values = [cell[figure] for cell in group]
        row[figure] = (None, None) if None in values else _spread(values)
    for figure in ("last", "oracle"):
        known = None not in (row[figure][0], printed[0])
        row[f"{figure}_difference"] = row[figure][0] - printed[0] if known else None
    return row


def _spread(values):
    """Mean and sample deviation of fractions, in percent; no deviation of one."""
    percent = [100 * value for value in values]
    return statistics.mean(percent), statistics.stdev(percent) if len(percent) > 1 else None


def markdown(content: Mapping) -> str:
    """The tables side by side with the paper's.

    Args:
        content: "datasets" holds {"accuracy", "paper", "seconds"} by name: the teacher's fraction,
            the paper's percent, and the time that generators and students took; "summary" is
            `summarise`'s.
    """
    parts = ["# The paper's tables, reproduced", ABOUT]
    for name, dataset in content["datasets"].items():
        teacher, printed = 100 * dataset["accuracy"], dataset["paper"]
        beside = "" if printed is None else f" (paper: {printed:.2f})"
        spent = f"generators and students trained for {dataset['seconds'] / 60:.0f} minutes."
        parts += [f"## {name}", f"Teacher {teacher:.2f}{beside}; {spent}"]
        rows = [row for row in content["summary"] if row["dataset"] == name]
        parts.append(table(rows, _COLUMNS))
    return "\n\n".join(parts) + "\n"


def table(rows: Iterable[Mapping], columns: Sequence[tuple[str, str, str]]) -> str:
    """A Markdown table of `summarise`'s rows.

    Args:
        rows: dictionaries.
        columns: of each its heading, the key of a row, and how `str.format` writes what stands
            there; None stays empty, and a pair becomes mean ± deviation.
    """
    body = [[_written(row[key], form) for _, key, form in columns] for row in rows]
    headings = [heading for heading, _, _ in columns]
    return tabulate.tabulate(
        body, headings, tablefmt="github", missingval="", disable_numparse=True
    )


def _written(value, form):
    if isinstance(value, list | tuple):
        mean, deviation = value
        if mean is None:
            return None
        return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"
    return None if value is None else form.format(value)


def panels(summary: Iterable[Mapping]) -> dict[str, dict]:
    """What `charts.comparison` draws of `summarise`'s rows: ours beside the paper's."""
    found = {}
    for row in summary:
        title = row["dataset"] if row["name"] == "student" else f"{row['dataset']}, {row['name']}"
        series = {heading: row[figure] for figure, heading in FIGURES.items()}
        found.setdefault(title, {})[row["arm"]] = {**series, "paper": row["paper"]}
    return found
