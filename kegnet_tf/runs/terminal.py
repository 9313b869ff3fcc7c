"""A finished run on a terminal: tables that fit it, and once below them what their numbers mean."""

import io
import pathlib
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from kegnet_tf import export
from kegnet_tf.runs import quiet

WIDEST = 100  # characters of a line; ours
_VARIANTS = {
    "tucker": "the teacher with some layers split in smaller ones (Tucker), not trained",
    "uniform": "trained to answer as the teacher, on uniform noise",
    "gaussian": "trained to answer as the teacher, on Gaussian noise",
    "kegnet": "trained to answer as the teacher, on what generators draw",
    "kegnet+": "trained to answer as the teacher, on what generators draw, mixed with shapes or "
    "noise that nobody had to learn",
}
_AGREEMENT = (
    "agreement: how often a student gives its teacher's answer, on artificial examples that no "
    "student learned from"
)
_ACCURACY = "accuracy: how often it is right on real test data, which had no part in any choice"
# Why, in one sentence: no data, no accuracy.
_LOWER = (
    "Without real test data there is no accuracy. Agreement on artificial examples is lower than "
    "that will be, since many of them lie between classes, where a small difference turns the "
    "answer; real ones seldom do. Of the students of images in docs/results.md, those that agreed "
    "in 90 % or more were at most half a point less often right than their teachers, those below "
    "90 up to fourteen points."
)


def shown(report, folder: pathlib.Path) -> str:
    """A report for the terminal, without the columns that would be empty.

    Args:
        report: a `Report`.
        folder: of the run.
    """
    parts = [
        f"# {report.dataset}, seed {report.seed}",
        *filter(None, [report.unlabeled]),
        "## Students",
        _students(report),
        _words(report),
        *([wrapped([_LOWER])] if report.teacher.accuracy is None else []),
    ]
    if report.recommendation:
        parts += ["## Files", _files(report), *_of_files(report)]
    advice = [wrapped([report.advice])] if report.advice else []
    return "\n\n".join([*parts, _where(folder), *advice])


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    words: Sequence[int] = (0,),
    spare: str = "",
) -> str:
    """A table of Markdown as wide as the terminal at most, without columns that are empty.

    Args:
        headings: one for each column.
        rows: texts, "" where a cell is empty.
        words: indices of the columns that hold words; numbers stand on the right.
        spare: heading of the column that is left out where there is no room for all.
    """
    filled = [column for column in range(len(headings)) if any(row[column] for row in rows)]
    texts = [[*headings[column].split("\n"), *(row[column] for row in rows)] for column in filled]
    if sum(max(map(len, each)) + 3 for each in texts) >= width():
        filled = [column for column in filled if headings[column] != spare]
    made = Table(box=box.MARKDOWN, pad_edge=True)
    for column in filled:
        justify = "left" if column in words else "right"
        made.add_column(headings[column], justify=justify, overflow="fold")
    for row in rows:
        made.add_row(*(row[column] for column in filled))
    text = io.StringIO()
    Console(file=text, width=width(), color_system=None, markup=False, highlight=False).print(made)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def width() -> int:
    """Characters that a line may have."""
    return min(WIDEST, quiet.columns())


def _students(report):
    headings = ["student", "made by", "seed", "parameters", "ratio", "multiply-\nadds"]
    headings += ["agreement", "accuracy", "balanced"]
    several = any(each.seed for each in report.students)
    teacher = report.teacher
    rows = [["teacher", "", "", f"{teacher.parameters:,}", "1", _count(teacher.multiply_adds), ""]]
    rows[0] += [_percent(teacher.accuracy), _balanced(teacher)]
    for each in report.students:
        rows.append([each.name, each.arm, str(each.seed) if several else ""])
        rows[-1] += [_count(each.parameters), f"{each.compression_ratio:.2f}"]
        rows[-1] += [_count(each.multiply_adds), _percent(each.agreement), _percent(each.accuracy)]
        rows[-1].append(_balanced(each))
    return table(headings, rows, range(3), spare="multiply-\nadds")


def _words(report):
    """What the numbers of the students' table mean, and what they learned with."""
    arms = dict.fromkeys(each.arm for each in report.students)
    lines = [f"{arm}: {_VARIANTS[arm]}" for arm in arms if arm in _VARIANTS]
    lines += ["ratio: parameters of the teacher over those of the student", _AGREEMENT]
    lines += [_ACCURACY] if report.teacher.accuracy is not None else []
    if any(_balanced(each) for each in report.students):
        lines.append("balanced: the same, each class counting alike")
    return wrapped([f"- {line}" for line in lines] + _learned(report))


def _learned(report):
    """What pilots, or the settings, chose for each student that was trained."""
    found = {}
    for each in report.students:
        if each.loss:
            how = f"loss {each.loss}, BatchNorm layers in {each.batch_norm} mode"
            how += ", inner layers matched as well" if each.features == "on" else ""
            found.setdefault(how, []).append(each.name)
    return [
        f"- {', '.join(dict.fromkeys(names))} learned with: {how}" for how, names in found.items()
    ]


def _files(report):
    headings = ["file", "bytes", "ms", "agreement", "accuracy", ""]
    rows = []
    for row in export.comparable([*report.rivals, *report.exports]):
        chosen = report.recommendation.is_of(row)
        mark = "take" if chosen else "beaten" * bool(row.beaten_by)
        rows.append([row.path.removesuffix("_batch1.tflite"), f"{row.bytes:,}"])
        rows[-1] += [f"{row.milliseconds:.3g}", _percent(row.teacher_agreement)]
        rows[-1] += [_percent(row.accuracy), mark]
    return table(headings, rows)


def _of_files(report):
    lines = [
        "- file: in teacher/ or export/; its name goes on with _batch1.tflite, and one for any "
        "number of examples stands beside it, with .tflite alone",
        "- ms: milliseconds an example takes on one thread of this machine",
        "- agreement: with the teacher, on artificial examples that nothing learned from",
    ]
    if any(row.beaten_by for row in [*report.rivals, *report.exports]):
        lines.append("- beaten: another file is smaller, no slower and agrees as often")
    return [wrapped(lines)]


def _where(folder):
    return wrapped(
        [
            f"Everything is in {folder}:",
            "- report.html: all of this with pictures, for a browser; figures/ holds them alone",
            "- export/README.md: how to run the student's files; teacher/ holds the teacher's own",
            "- the curves of every stage: tensorboard --logdir " + str(folder / "tensorboard"),
        ]
    )


def wrapped(lines: Sequence[str]) -> str:
    """Lines as wide as the terminal at most; where one goes on, it is indented."""
    text = io.StringIO()
    console = Console(file=text, width=width(), color_system=None, markup=False, highlight=False)
    for line in lines:
        first, *more = console.render_str(line).wrap(console, width() - 2)
        text.write("\n".join([first.plain, *(f"  {each.plain}" for each in more)]) + "\n")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _balanced(measures):
    """Balanced accuracy where it differs from accuracy by two points."""
    if measures.accuracy is None or abs(measures.balanced_accuracy - measures.accuracy) < 0.02:
        return ""
    return _percent(measures.balanced_accuracy)


def _percent(share):
    return "" if share is None else f"{share:.2%}"


def _count(number):
    return "" if number is None else f"{number:,}"
