"""The page itself: its parts in their order."""

import pathlib

from kegnet_tf.export import ExportRecord
from kegnet_tf.runs.page import files, sections
from kegnet_tf.runs.page.elements import element, text_of
from kegnet_tf.runs.page.style import STYLE
from kegnet_tf.runs.workdir import read_json


def html(report, folder: pathlib.Path) -> str:
    """A run as one page: what to take first, then everything that led there.

    It loads nothing: its pictures are inside, and so is its style.

    Args:
        report: a `Report`.
        folder: of the run; `figures/`, `compression.json` and `export/` are read where they stand.
    """
    parts = [
        element("h1", f"{report.dataset}: a classifier for a device"),
        element("p", f"Made without data by kegnet_tf, seed {report.seed}.", class_="soft"),
    ]
    if report.unlabeled:
        parts[-1] = element("p", report.unlabeled)
    if report.recommendation:
        parts += [files.chosen(report), files.beside(report)]
    exported = (folder / "export" / "export.json").is_file()
    record = ExportRecord.read(folder / "export") if exported else None
    if report.recommendation and record:
        parts.append(files.device(report, record.input_shape))
    parts.append(sections.curve(folder))
    if report.students:
        parts.append(sections.students(report))
    layers = folder / "compression.json"
    parts.append(sections.layers(read_json(layers)) if layers.is_file() else None)
    parts.append(sections.rounding(record) if record else None)
    parts.append(sections.generators(report, folder))
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    classes = ", ".join(report.label_names)
    told = element("p", f"Classes: {classes}.") if classes else None
    parts.append(element("footer", told, element("p", f"Made with {versions}.")))
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", f"{report.dataset}, seed {report.seed}"),
            element("style", STYLE),
        ),
        element("body", element("main", *parts)),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{text_of(page)}\n"
