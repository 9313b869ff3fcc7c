import importlib.metadata

PACKAGES = ("kegnet-tf", "keras", "tensorflow", "tensorly", "numpy", "ai-edge-litert")


def versions():
    """Versions of what a run's numbers depend on."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def markdown(report):
    """The tables of a run for people to read.

    Args:
        report: the content of `report.json`.

    Returns:
        Markdown text: students, generators and exported files.
    """
    teacher = report["teacher"]
    students = [
        ["", "original", "", teacher["parameters"], 1.0, teacher["accuracy"], None, "", None]
    ]
    students += [
        [
            row[key]
            for key in (
                "name",
                "arm",
                "seed",
                "parameters",
                "compression_ratio",
                "accuracy",
                "agreement",
                "selection",
                "seconds",
            )
        ]
        for row in report["students"]
    ]
    parts = [
        f"# {report['dataset']}, seed {report['seed']}",
        "Accuracy is on real test data; agreement with the teacher is on synthetic data that no "
        "student was trained or chosen on.",
        _table(
            [
                "student",
                "arm",
                "seed",
                "parameters",
                "ratio",
                "accuracy %",
                "agreement %",
                "selection",
                "seconds",
            ],
            [
                [
                    *row[:3],
                    f"{row[3]:,}",
                    f"{row[4]:.2f}",
                    _percent(row[5]),
                    _percent(row[6]),
                    row[7],
                    _number(row[8], ".0f"),
                ]
                for row in students
            ],
        ),
        _table(
            ["generator", "steps", "classifier loss", "decoder loss", "diversity loss", "seconds"],
            [
                [
                    row["seed"],
                    row["steps"],
                    *(
                        _number(row[f"{term}_loss"], ".4f")
                        for term in ("classifier", "decoder", "diversity")
                    ),
                    _number(row["seconds"], ".0f"),
                ]
                for row in report["generators"]
            ],
        ),
        _table(
            ["export", "path", "bytes", "largest error", "agreement %"],
            [
                [
                    row["format"],
                    row["path"],
                    f"{row['bytes']:,}",
                    f"{row['max_abs_error']:.1e}",
                    _percent(row["agreement"]),
                ]
                for row in report["exports"]
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(names, rows):
    lines = [names, ["---"] * len(names), *rows]
    widths = [max(len(str(line[index])) for line in lines) for index in range(len(names))]
    return "\n".join(
        "| "
        + " | ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _number(value, form):
    return "" if value is None else format(value, form)


def _percent(fraction):
    return "" if fraction is None else f"{100 * fraction:.2f}"
