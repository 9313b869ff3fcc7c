"""The parts of a page on students, layers, generators and pictures."""

import base64
import pathlib
from collections.abc import Mapping

from kegnet_tf import compression
from kegnet_tf.export import ExportRecord
from kegnet_tf.runs import pictures
from kegnet_tf.runs.page.elements import Element, element, table, words

_OF_STUDENTS = {
    "tucker": "the teacher with some layers split in smaller ones (Tucker), and not trained",
    "kegnet, kegnet+": "trained to answer as the teacher, on what generators draw; with +, mixed "
    "with shapes or noise that nobody had to learn",
    "ratio": "parameters of the teacher over those of the student",
    "agreement": "how often it answers as the teacher, on artificial data unseen in training; "
    "it chose the student whose files stand above",
    "how": "the loss that it learned with, the mode of its BatchNorm layers, and whether it "
    "matched inner layers as well",
}
_OF_LAYERS = {
    "ranks": "channels that are left between the parts of a split layer, coming in and going out; "
    "empty where it stayed whole",
    "then": "parameters after it was split",
    "multiply-adds": "arithmetic for one example, before it was split and after",
    "error": "how far the split layer is from the whole one, before training: 0 is equal",
}
_OF_ROUNDING = {
    "signal to noise": "how far a tensor of the int8 files is from what floats give, on artificial "
    "data: 20 dB is an error of a tenth, 40 of a hundredth",
    "cut": "the share that lay outside of what int8 holds, from the least to the largest number",
}
_OF_GENERATORS = {
    "generator": "a small network that draws an example of a class that it is asked for",
    "recognised": "how often the teacher gives an image the class that was asked for",
}
_FIRST = ("averages", "classes", "real")


def students(report) -> Element:
    """The teacher and its students.

    Args:
        report: a `Report`.
    """
    teacher = report.teacher
    first = ["teacher", None, f"{teacher.parameters:,}", "1.00", None]
    rows = [[*first, _percent(teacher.accuracy), None]]
    for each in report.students:
        size = f"{each.parameters:,}", f"{each.compression_ratio:.2f}"
        learned = [part for part in (each.loss, each.batch_norm) if part]
        learned += ["features"] if each.features == "on" else []
        shares = _percent(each.agreement), _percent(each.accuracy)
        rows.append([each.stem, each.arm, *size, *shares, ", ".join(learned) or None])
    headings = ["student", "made by", "parameters", "ratio", "agreement", "accuracy", "how"]
    return element(
        "section",
        element("h2", "The students"),
        table(headings, rows, range(2, 6), class_="files"),
        words(_OF_STUDENTS),
    )


def layers(found: Mapping[str, Mapping]) -> Element | None:
    """What became of each layer, a table a student.

    Args:
        found: content of `compression.json`.
    """
    headings = ["layer", "ranks", "parameters", "then", "multiply-adds", "after", "error", "note"]
    parts = []
    for index, (name, content) in enumerate(found.items()):
        body = [
            [
                row["name"],
                row["ranks"] and ", ".join("all" if r is None else str(r) for r in row["ranks"]),
                *(
                    _count(number)
                    for pair in (row["parameters"], row["multiply_adds"])
                    for number in pair
                ),
                f"{row['error']:.3f}",
                row["note"],
            ]
            for row in content["layers"]
        ]
        opened = {"open": "open"} if not index else {}
        summary = element("summary", name)
        parts.append(element("details", summary, table(headings, body, range(2, 7)), **opened))
    if not parts:
        return None
    return element(
        "section",
        element("h2", "Layer by layer"),
        *parts,
        words(_OF_LAYERS),
    )


def rounding(record: ExportRecord) -> Element | None:
    """What int8 does to each tensor, the worst first.

    Args:
        record: of `export/`.
    """
    rows = [compression.Rounding(**row) for row in record.integers.get("roundings", ())]
    if not rows:
        return None
    headings = ["tensor", "signal to noise", "cut", "least", "largest"]
    body = [
        [
            row.tensor,
            None if row.decibels is None else f"{row.decibels:.1f} dB",
            f"{row.cut:.2%}",
            f"{row.low:.4g}",
            f"{row.high:.4g}",
        ]
        for row in rows
    ]
    summary = element("summary", f"{len(rows)} tensors, the worst first")
    return element(
        "section",
        element("h2", "What rounding to int8 costs, tensor by tensor"),
        element("details", summary, table(headings, body, range(1, 5))),
        words(_OF_ROUNDING),
    )


def generators(report, folder: pathlib.Path) -> Element:
    """The generators, and the pictures of `figures/`.

    Args:
        report: a `Report`.
        folder: of the run.
    """
    headings = ["generator", "steps", "recognised", "seconds"]
    rows = [
        [str(row.seed), f"{row.steps:,}", _percent(row.accuracy), f"{row.seconds:.0f}"]
        for row in report.generators
    ]
    paths = sorted((folder / "figures").glob("*.png"), key=_place)
    figures = [picture(path) for path in paths if path.stem != "curve"]
    return element(
        "section",
        element("h2", "Where the artificial data come from"),
        element(
            "p",
            "Generators learned, from the teacher alone, to draw what it recognises. Nothing here "
            "but what says so was made of real data.",
        ),
        table(headings, rows, range(1, 4)),
        words(_OF_GENERATORS),
        element("div", *figures, class_="pictures") if figures else None,
    )


def curve(folder: pathlib.Path) -> Element | None:
    """The curve of size against agreement, where the run drew one."""
    path = folder / "figures" / "curve.png"
    if not path.is_file():
        return None
    return element("section", element("h2", "How small it can get"), picture(path))


def picture(path: pathlib.Path) -> Element:
    """A PNG inside the page, with its caption."""
    title, caption = pictures.caption(path.stem)
    data = base64.b64encode(path.read_bytes()).decode()
    text = f": {caption}" if caption else ""
    return element(
        "figure",
        element("img", src=f"data:image/png;base64,{data}", alt=title + text, loading="lazy"),
        element("figcaption", element("b", title), text),
    )


def _place(path):
    first = _FIRST.index(path.stem) if path.stem in _FIRST else len(_FIRST)
    return first, path.stem.startswith("generator"), path.stem


def _percent(share):
    return None if share is None else f"{share:.2%}"


def _count(number):
    return None if number is None else f"{number:,}"
