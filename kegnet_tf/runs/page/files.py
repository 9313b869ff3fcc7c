"""The part of a page on files: which to take, all beside each other, and how to run one."""

from collections.abc import Sequence

from kegnet_tf import export
from kegnet_tf.export import ExportedFile
from kegnet_tf.runs.page.elements import Element, element, table, words
from kegnet_tf.runs.page.plot import plot

_FORMATS = {
    "litert_float32": "float32",
    "litert_float16": "float16 weights",
    "litert_dynamic_range": "int8 weights",
    "litert_int8": "int8, floats in and out",
    "litert_int8_integer_only": "int8, integers in and out",
    "litert_int4": "int4 weights",
    "onnx": "float32, ONNX",
}
_WORDS = {
    "teacher": "the classifier that was given",
    "student": "the smaller classifier that learned from it, on artificial data",
    "float32, float16, int8": "what weights are kept in, with int8 alone all between as well: "
    "four bytes a number, two, or one",
    "bytes": "size of the file",
    "ms": "milliseconds for one example on one thread of the machine of the run, by LiteRT, with "
    "XNNPACK (its default) or without, whichever was faster",
    "agreement": "how often it answers as the teacher does, on artificial data that nothing "
    "learned from; these are harder than real data, so that a loss here is smaller there",
    "accuracy": "how often it is right on real test data; empty where there were none. It had no "
    "part in the choice",
    "beaten": "another file is smaller, no slower and agrees as often",
}
# How a file is run; what is between braces is filled in.
_SNIPPET = """import numpy as np
from ai_edge_litert.interpreter import Interpreter{kernels}

with open("{folder}/labels.txt") as file:
    labels = file.read().splitlines()
model = Interpreter("{path}"{options}).get_signature_runner()
x = np.zeros({shape}, np.float32)  # what the teacher expects: see {folder}/README.md
{logits}
print(labels[logits.argmax()])
"""
# LiteRT's kernels in place of XNNPACK's, where these were faster.
_OWN_KERNELS = "OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES"
_FLOATS = 'logits = model(x=x)["logits"]'
_STANDARDISED = "x = (x - mean) / std  # of each feature: see {folder}/README.md\n"
_INTEGERS = """scale, zero = model.get_input_details()["x"]["quantization"]
q = np.clip(np.round(x / scale) + zero, 0, 255).astype(np.uint8)
logits = model(x=q)["logits"]  # integers; the largest is the answer all the same"""


def chosen(report) -> Element:
    """The file to take, and why.

    Args:
        report: a `Report` with a recommendation.
    """
    choice = report.recommendation
    files = export.comparable([*report.rivals, *report.exports])
    row = next(each for each in files if choice.is_of(each))
    whole = _whole(files)
    times = whole and f"{row.bytes / whole.bytes:.2f} of the teacher's float32 file"
    slower = whole and f"{row.milliseconds / whole.milliseconds:.2f} of the teacher's float32 file"
    facts = [
        ("Size", f"{row.bytes:,} bytes", times),
        ("Time for one example", f"{row.milliseconds:.3g} ms", slower),
        ("Agreement with the teacher", f"{row.teacher_agreement:.1%}", "on artificial data"),
    ]
    if row.accuracy is not None:
        facts.append(
            ("Accuracy", f"{row.accuracy:.2%}", "on real test data, not asked by the choice")
        )
    return element(
        "div",
        element("h2", "Take this file"),
        element("p", element("code", report.place(choice)), class_="path"),
        element("dl", *(_fact(*fact) for fact in facts), class_="facts"),
        element("p", f"It is {choice.reason}"),
        class_="chosen",
    )


def beside(report) -> Element:
    """All files that were measured, of teacher and student.

    Args:
        report: a `Report`.
    """
    files = export.comparable([*report.rivals, *report.exports])
    most = {name: max(getattr(row, name) for row in files) for name in ("bytes", "milliseconds")}
    headings = ["file", "bytes", "ms", "agreement", "accuracy"]
    names = {row.path: _name(row) for row in files}
    rows = [_row(report, row, most, names) for row in files]
    return element(
        "section",
        element("h2", "The files"),
        element(
            "p",
            "Quantising the teacher needs no data either, so its own files stand beside the "
            "student's. All take one example at a time; each has a twin for any number, of the "
            "same name without ",
            element("code", "_batch1"),
            ".",
        ),
        table(headings, rows, range(1, 5), class_="files"),
        element("div", *_drawings(report, files), class_="pictures"),
        words(_WORDS),
    )


def device(report, input_shape: Sequence[int]) -> Element:
    """How to run the file to take.

    Args:
        report: a `Report` with a recommendation.
        input_shape: of one example.
    """
    return element(
        "section",
        element("h2", "On the device"),
        element(
            "p",
            "With numpy and ai-edge-litert (",
            element("code", "pip install numpy ai-edge-litert"),
            "), in the folder of this page:",
        ),
        element("pre", element("code", snippet(report, input_shape))),
        words(
            {
                "logits": "one number a class; the largest is the answer, and their softmax are "
                "its probabilities",
                "labels.txt": "names of the classes, a line each",
            }
        ),
    )


def snippet(report, input_shape: Sequence[int]) -> str:
    """Python that runs the file to take on one example of zeros; arguments as in `device`."""
    path = report.place(report.recommendation)
    files = [*report.rivals, *report.exports]
    row = next(each for each in files if report.recommendation.is_of(each))
    folder, options = path.partition("/")[0], ""
    if row.xnnpack is False:
        options += f", experimental_op_resolver_type={_OWN_KERNELS}"
    if (row.threads or 1) > 1:
        options += f", num_threads={row.threads}"
    first = _STANDARDISED.format(folder=folder) if row.standardise else ""
    return _SNIPPET.format(
        path=path,
        folder=folder,
        shape=(1, *input_shape),
        kernels=", OpResolverType" if row.xnnpack is False else "",
        options=options,
        logits=first + (_INTEGERS if path.endswith("_integer_only_batch1.tflite") else _FLOATS),
    )


def _whole(files: Sequence[ExportedFile]):
    """The teacher as float32, which others are compared with; None without one."""
    found = (row for row in files if (row.model, row.format) == ("teacher", "litert_float32"))
    return next(found, None)


def _fact(name, value, beside):
    small = element("small", beside) if beside else None
    return element("div", element("dt", name), element("dd", value, small))


def _drawings(report, files):
    costs = {"bytes": "bytes", "milliseconds": "ms"}
    for index, (cost, label) in enumerate(costs.items()):
        told = "Squares are the teacher's files, dots the student's; the line leads along those "
        told += "that nothing cheaper equals, and the ring is round the recommended one."
        caption = element("figcaption", told) if not index else None
        yield element("figure", plot(files, report.recommendation, cost, label), caption)


def _name(row):
    return f"{row.model}, {_FORMATS.get(row.format, row.format)}"


def _row(report, row, most, names):
    mark = None
    if report.recommendation.is_of(row):
        mark = element("span", "recommended", class_="mark good")
    elif row.beaten_by:
        mark = element("span", f"beaten by {names[row.beaten_by]}", class_="mark")
    place = element("code", report.place(row), class_="place")
    return [
        element("span", element("b", names[row.path]), " ", mark, place, class_=row.model),
        _measure(f"{row.bytes:,}", row.bytes / most["bytes"]),
        _measure(f"{row.milliseconds:.3g}", row.milliseconds / most["milliseconds"]),
        f"{row.teacher_agreement:.2%}",
        None if row.accuracy is None else f"{row.accuracy:.2%}",
    ]


def _measure(value, share):
    """A number over a bar of its share of the largest."""
    return element("span", value, element("i", style=f"width:{share:.1%}"), class_="measure")
