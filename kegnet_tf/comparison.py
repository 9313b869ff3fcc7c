"""The cells of a reproduction, summed up beside what the paper prints."""

import statistics

from kegnet_tf import charts, paper, report, synthesis
from kegnet_tf.workdir import whole

# Which epoch of a student each figure is of.
FIGURES = ("last", "agreement", "oracle")
ARMS = ("tucker", *synthesis.SOURCES, "real")
HEADINGS = {
    "last": "last",
    "agreement": "by_agreement",
    "oracle": "oracle,_not_data-free",
}
ABOUT = (
    "Real test accuracy in percent, mean ± sample deviation over `n` students. `last`: after the "
    "last step. `by agreement`: of the epoch that agrees best with the teacher on synthetic data "
    "held out. `oracle, not data-free`: of the epoch that is best on the real validation split, "
    "the rule of the paper's authors and so the like of `paper`; empty where that split was not at "
    "hand. The arm `real` learns from the real training data: a ceiling, not data-free. The "
    "differences are in points."
)


def summarise(cells):
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
    rows = []
    for (dataset, line, name, arm), group in groups.items():
        row = {"dataset": dataset, "name": name, "arm": arm, "line": line, "count": len(group)}
        row["compression_ratio"] = group[0]["compression_ratio"]
        row["paper"] = printed = paper.figure(dataset, name, arm)
        row["paper_ratio"] = paper.FIGURES.get(dataset, {}).get(name, {}).get("ratio")
        for figure in FIGURES:
            values = [cell[figure] for cell in group]
            row[figure] = (None, None) if None in values else _spread(values)
        for figure in ("last", "oracle"):
            known = None not in (row[figure][0], printed[0])
            row[f"{figure}_difference"] = row[figure][0] - printed[0] if known else None
        rows.append(row)
    datasets, lines = (list(dict.fromkeys(row[key] for row in rows)) for key in ("dataset", "line"))

    def place(row):
        dataset, line = datasets.index(row["dataset"]), lines.index(row["line"])
        return dataset, row["name"], line, ARMS.index(row["arm"])

    return sorted(rows, key=place)


def _spread(values):
    """Mean and sample deviation of fractions, in percent; no deviation of one."""
    percent = [100 * value for value in values]
    return statistics.mean(percent), statistics.stdev(percent) if len(percent) > 1 else None


def markdown(content):
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
        rows = [_written(row) for row in content["summary"] if row["dataset"] == name]
        parts.append(
            report.table(
                rows,
                student=("name", "{}"),
                arm=("arm", "{}"),
                n=("count", "{}"),
                ratio=("compression_ratio", "{:.2f}"),
                paper_ratio=("paper_ratio", "{:.2f}"),
                **{heading: (figure, "{}") for figure, heading in HEADINGS.items()},
                paper=("paper", "{}"),
                last_less_paper=("last_difference", "{:+.2f}"),
                oracle_less_paper=("oracle_difference", "{:+.2f}"),
            )
        )
    return "\n\n".join(parts) + "\n"


def ablation(summary):
    """The table of an ablation.

    Args:
        summary: `summarise`'s rows, each with a "line"; the line "preset" is what the others are
            compared with.
    """
    own = {
        (row["dataset"], row["name"], row["arm"]): row for row in summary if row["line"] == "preset"
    }
    rows = []
    for row in summary:
        reference = own[row["dataset"], row["name"], row["arm"]]
        difference = row["last"][0] - reference["last"][0]
        rows.append(_written(row) | {"difference": difference if row is not reference else None})
    table = report.table(
        rows,
        data=("dataset", "{}"),
        student=("name", "{}"),
        arm=("arm", "{}"),
        line=("line", "{}"),
        n=("count", "{}"),
        **{heading: (figure, "{}") for figure, heading in HEADINGS.items()},
        last_less_preset=("difference", "{:+.2f}"),
    )
    return "\n\n".join(["# Ablation", ABOUT, table]) + "\n"


def draw(summary, path):
    """Writes the picture of `summarise`'s rows: ours beside the paper's."""
    panels = {}
    for row in summary:
        title = row["dataset"] if row["name"] == "student" else f"{row['dataset']}, {row['name']}"
        series = {HEADINGS[figure].replace("_", " "): row[figure] for figure in FIGURES}
        panels.setdefault(title, {})[row["arm"]] = series | {"paper": row["paper"]}
    with whole(path) as partial:
        charts.comparison(panels, partial)


def _written(row):
    """The row with its pairs as people read them."""
    pairs = {key: value for key, value in row.items() if isinstance(value, list | tuple)}
    return row | {key: _pair(*value) for key, value in pairs.items()}


def _pair(mean, deviation):
    if mean is None:
        return None
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"
