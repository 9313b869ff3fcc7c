"""Which file to take: teacher's and student's beside each other, without a look at real data."""

import dataclasses
from collections.abc import Iterable, Sequence

import tabulate

from kegnet_tf.export.parity import ExportedFile

# Times that are nearer than this are taken for equal, and sizes than that; ours.
_SAME_TIME = 1.05
_SAME_SIZE = 1.1
_SAME_AGREEMENT = 0.005  # and so are agreements of files of one student; ours
_FASTER = "the faster of the files within a tenth of the smallest"
# By heading: a field, and how `str.format` writes it.
_COLUMNS = {
    "file": ("path", "{}"),
    "bytes": ("bytes", "{:,}"),
    "milliseconds": ("milliseconds", "{:.3g}"),
    "XNNPACK": ("xnnpack", "{}"),
    "threads": ("threads", "{}"),
    "agreement with the teacher": ("teacher_agreement", "{:.2%}"),
    "accuracy": ("accuracy", "{:.2%}"),
}


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """The file to take.

    Attributes:
        path: of the file, as its row has it.
        model: whose it is, "teacher" or "student".
        facts: its size, time and agreement, in words.
        reason: why it is the one, as what follows "it is".
    """

    path: str
    model: str
    facts: str
    reason: str

    @property
    def sentence(self) -> str:
        """What it is and why it."""
        return f"({self.facts}): {self.reason}"

    def is_of(self, row: ExportedFile) -> bool:
        """Whether it is this file."""
        return (row.model, row.path) == (self.model, self.path)


def comparable(rows: Iterable[ExportedFile]) -> list[ExportedFile]:
    """The rows of which size, time and agreement with the teacher are known."""
    known = ("bytes", "milliseconds", "teacher_agreement")
    return [row for row in rows if None not in (getattr(row, name) for name in known)]


def beaten(rows: Sequence[ExportedFile]) -> list[ExportedFile]:
    """The rows, each with the file that beats it in `beaten_by`.

    One file beats another if it is smaller, takes no longer (5 % more count as equal) and agrees
    with the teacher at least as often; of several, the smallest is named.

    Args:
        rows: of teacher and student, measured in one go.
    """
    measured = sorted(comparable(rows), key=lambda row: row.bytes)

    def better(row):
        known = comparable([row])
        return next((each.path for each in measured if known and _beats(each, row)), None)

    return [dataclasses.replace(row, beaten_by=better(row)) for row in rows]


def recommend(rows: Sequence[ExportedFile], tolerance: float) -> Recommendation | None:
    """The smallest file that loses little of the agreement with the teacher.

    Of all files that no other one beats and that agree with the teacher at most `tolerance` less
    often than the best, the smallest is taken; of those that are at most a tenth larger, the one
    that is faster. Accuracy is not looked at.

    Args:
        rows: of teacher and student, from `beaten`.
        tolerance: a fraction in [0, 1].

    Returns:
        The choice; None where nothing was measured.
    """
    measured = comparable(rows)
    if not measured:
        return None
    best = max(row.teacher_agreement for row in measured)
    near = [
        row
        for row in measured
        if row.beaten_by is None and row.teacher_agreement >= best - tolerance
    ]
    least = min(row.bytes for row in near)
    near = [row for row in near if row.bytes <= _SAME_SIZE * least]
    fastest = min(row.milliseconds for row in near)
    near = [row for row in near if row.milliseconds <= _SAME_TIME * fastest]
    chosen = min(near, key=lambda row: row.bytes)
    facts = f"{_facts(chosen)} of artificial data that nothing learned from"
    which = "the smallest file" if chosen.bytes == least else _FASTER
    reason = _reason(chosen, which, measured, best, tolerance)
    return Recommendation(chosen.path, chosen.model, facts, reason)


def choice_table(rows: Sequence[ExportedFile], chosen: Recommendation | None = None) -> str:
    """Markdown table of the files that were measured beside each other; what is None stays empty.

    Args:
        rows: of teacher and student, from `beaten`.
        chosen: of `recommend`.
    """
    cells = []
    for row in comparable(rows):
        values = ((getattr(row, field), form) for field, form in _COLUMNS.values())
        cells.append(["" if value is None else form.format(value) for value, form in values])
        beaten_by = f"beaten by {row.beaten_by}" if row.beaten_by else ""
        cells[-1].append("recommended" if chosen and chosen.is_of(row) else beaten_by)
    headings = [*_COLUMNS, ""]
    return tabulate.tabulate(cells, headings, tablefmt="github", disable_numparse=True)


def _beats(row, other):
    return (
        row.bytes < other.bytes
        and row.milliseconds <= _SAME_TIME * other.milliseconds
        and row.teacher_agreement >= other.teacher_agreement
    )


def _reason(chosen, which, measured, best, tolerance):
    points = f"{100 * tolerance:g} points of that agreement"
    text = f"{which}, beaten by none, of those that lose at most {points}."
    own = [row for row in measured if row.model == "teacher"]
    students = [row for row in measured if row.model == "student"]
    if chosen.model == "student":
        smallest = min(own, key=lambda row: row.bytes, default=None)
        told = f"{text} The teacher's smallest: {_facts(smallest)}." if own else text
        return told + _right(chosen, smallest)
    advice = "quantise the teacher and stop"
    if chosen.format == "litert_float32":
        advice = "leave the teacher as it is"
    if not students:
        return f"{text} So {advice}."
    most = max(row.teacher_agreement for row in students)
    near = [row for row in students if row.teacher_agreement >= most - _SAME_AGREEMENT]
    nearest = min(near, key=lambda row: row.bytes)
    lost = "loses more"
    if nearest.teacher_agreement >= best - tolerance:
        lost = "is larger or slower"
    told = f"{text} The student's nearest, {nearest.path} ({_facts(nearest)}), {lost}: {advice}."
    return told + _right(chosen, nearest)


def _right(chosen, other):
    """The sentence on real data, which had no part in the choice; "" without any."""
    if other is None or None in (chosen.accuracy, other.accuracy):
        return ""
    return (
        f" On real test data, which had no part in it, the one is right in {chosen.accuracy:.2%}, "
        f"the other in {other.accuracy:.2%}, at {other.bytes / chosen.bytes:.0%} of its bytes."
    )


def _facts(row):
    how = " without XNNPACK" if row.xnnpack is False else ""
    return (
        f"{row.bytes:,} bytes, {row.milliseconds:.3g} ms an example{how}, the teacher's answer to "
        f"{row.teacher_agreement:.1%}"
    )
