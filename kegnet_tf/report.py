import importlib.metadata
import statistics

PACKAGES = ("kegnet-tf", "keras", "tensorflow", "tensorly", "numpy", "ai-edge-litert")


def versions():
    """Versions of what a run's numbers depend on."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def markdown(report):
    """The tables of a run for people to read.

    Args:
        report: the content of `report.json`.

    Returns:
        Markdown text: students, generators and exported files. What is None stays empty.
    """
    cells = {}
    for row in report["students"]:
        cells.setdefault((row["name"], row["arm"]), []).append(row)
    means = [_mean(rows) for rows in cells.values() if len(rows) > 1]
    original = {"arm": "original", "compression_ratio": 1.0, **report["teacher"]}
    students = table(
        [original, *report["students"]],
        student=("name", "{}"),
        arm=("arm", "{}"),
        seed=("seed", "{}"),
        parameters=("parameters", "{:,}"),
        ratio=("compression_ratio", "{:.2f}"),
        accuracy=("accuracy", "{:.2%}"),
        balanced_accuracy=("balanced_accuracy", "{:.2%}"),
        agreement=("agreement", "{:.2%}"),
        selection=("selection", "{}"),
        seconds=("seconds", "{:.0f}"),
    )
    generators = table(
        report["generators"],
        generator=("seed", "{}"),
        steps=("steps", "{}"),
        asked_and_answered=("accuracy", "{:.2%}"),
        classifier_loss=("classifier_loss", "{:.4f}"),
        decoder_loss=("decoder_loss", "{:.4f}"),
        diversity_loss=("diversity_loss", "{:.4f}"),
        seconds=("seconds", "{:.0f}"),
    )
    about = (
        "Accuracy is on real test data; agreement with the teacher, and of exported files with "
        "their student, is on synthetic data that no student was trained or chosen on."
    )
    if means:
        spread = table(
            means,
            student=("name", "{}"),
            arm=("arm", "{}"),
            students=("count", "{}"),
            ratio=("compression_ratio", "{:.2f}"),
            accuracy=("accuracy", "{}"),
            balanced_accuracy=("balanced_accuracy", "{}"),
            agreement=("agreement", "{}"),
        )
        students = f"{spread}\n\n{students}"
    title = f"# {report['dataset']}, seed {report['seed']}"
    return "\n\n".join([title, about, students, generators, exports(report["exports"])]) + "\n"


def _mean(rows):
    """One row for the seeds of a cell: mean and sample deviation of each measure, in percent."""
    mean = {**rows[0], "count": len(rows)}
    for measure in ("accuracy", "balanced_accuracy", "agreement"):
        values = [row[measure] for row in rows]
        if None in values:
            mean[measure] = None
        else:
            mean[measure] = f"{statistics.mean(values):.2%} ± {100 * statistics.stdev(values):.2f}"
    return mean


def exports(rows):
    """Table of exported files, from `export.export`."""
    return table(
        rows,
        export=("format", "{}"),
        batch=("batch", "{}"),
        path=("path", "{}"),
        bytes=("bytes", "{:,}"),
        error=("max_abs_error", "{:.1e}"),
        agreement=("agreement", "{:.2%}"),
        real_error=("real_max_abs_error", "{:.1e}"),
        real_agreement=("real_agreement", "{:.2%}"),
        accuracy=("accuracy", "{:.2%}"),
        note=("note", "{}"),
    )


def layers(rows):
    """Table of what compression did to each layer, from `compression.layer_report`."""
    flat = [
        row
        | {
            f"{count}_{side}": number
            for count in ("parameters", "multiply_adds")
            for side, number in zip(("before", "after"), row[count], strict=True)
        }
        for row in rows
    ]
    return table(
        flat,
        layer=("name", "{}"),
        ranks=("ranks", "{}"),
        parameters=("parameters_before", "{:,}"),
        then=("parameters_after", "{:,}"),
        multiply_adds=("multiply_adds_before", "{:,}"),
        after=("multiply_adds_after", "{:,}"),
        kernel_error=("error", "{:.3f}"),
        note=("note", "{}"),
    )


def table(rows, **columns):
    """A Markdown table.

    Args:
        rows: dictionaries.
        **columns: (key, form) by heading, where a _ is a space: of a row's value, and how
            `str.format` writes it; what is None or missing stays empty.
    """
    lines = [[name.replace("_", " ") for name in columns], ["---"] * len(columns)]
    for row in rows:
        values = [(row.get(key), form) for key, form in columns.values()]
        lines.append(["" if value is None else form.format(value) for value, form in values])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)
