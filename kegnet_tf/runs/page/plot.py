"""A drawing of files: what each keeps against what it costs, in the colours of the page."""

import math
from collections.abc import Sequence

from kegnet_tf.export import ExportedFile, Recommendation
from kegnet_tf.runs.page.elements import Element, element

_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 446, 14, 236  # of the frame


def plot(files: Sequence[ExportedFile], chosen: Recommendation, cost: str, label: str) -> Element:
    """Agreement with the teacher against a cost: squares are the teacher's, dots the student's.

    A line leads along the files that no cheaper one equals, and a ring is round the one to take.

    Args:
        files: one or more, from `export.comparable`.
        chosen: the file to take.
        cost: name of a field that is above 0, such as "bytes".
        label: of the axis.
    """
    costs = [getattr(row, cost) for row in files]
    across = _scale(math.log(min(costs)), math.log(max(costs)), _LEFT + 16, _RIGHT - 16)
    least = min(row.teacher_agreement for row in files)
    up = _scale(100 * least, 100.0, _BOTTOM - 16, _TOP + 12)
    dots = [
        (row, across(math.log(value)), up(100 * row.teacher_agreement))
        for row, value in zip(files, costs, strict=True)
    ]
    parts = [_text((_LEFT + _RIGHT) / 2, _HEIGHT - 6, label, "middle")]
    for value in _decades(min(costs), max(costs)):
        x = across(math.log(value))
        parts += [_line(x, _BOTTOM, x, _TOP), _text(x, _BOTTOM + 18, f"{value:,.6g}", "middle")]
    for value in _steps(100 * least, 100.0):
        y = up(value)
        parts += [_line(_LEFT, y, _RIGHT, y), _text(_LEFT - 6, y + 4, f"{value:.4g}%", "end")]
    parts.append(element("path", d=_front(dots), class_="front"))
    parts += [_dot(row, x, y) for row, x, y in dots]
    parts += [
        element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="10", class_="ring")
        for row, x, y in dots
        if chosen.is_of(row)
    ]
    title = f"Agreement with the teacher against {label}"
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return element("svg", *parts, viewBox=box, role="img", aria_label=title, class_="plot")


def _scale(low, high, start, end):
    """Function from [low, high] to [start, end]; to the middle where there is one value only."""
    if high - low < 1e-9:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) * (end - start) / (high - low)


def _decades(low, high):
    """Round numbers in [low, high] for a logarithmic axis, up to eight of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [each * 10.0**power for power in powers for each in (1, 2, 5)]
    found = [each for each in found if low <= each <= high]
    return found[:: max(1, len(found) // 4)] if len(found) > 1 else _steps(low, high)


def _steps(low, high):
    """Round numbers in [low, high], evenly apart, up to six of them; `low` where it is all."""
    if high - low < 1e-9:
        return [low]
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(each * power for each in (0.2, 0.5, 1, 2) if high - low <= 5 * each * power)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _front(dots):
    """The steps along the dots that none further left equals."""
    path, best = "", math.inf
    for _, x, y in sorted(dots, key=lambda dot: dot[1:]):
        if y < best:
            path += f"M{x:.1f},{y:.1f}" if not path else f"H{x:.1f}V{y:.1f}"
            best = y
    return path + f"H{_RIGHT}"


def _dot(row, x, y):
    told = element("title", f"{row.path}: {row.bytes:,} bytes, {row.teacher_agreement:.1%}")
    if row.model == "teacher":
        place = {"x": f"{x - 5:.1f}", "y": f"{y - 5:.1f}", "width": "10", "height": "10"}
        return element("rect", told, class_="theirs", **place)
    return element("circle", told, cx=f"{x:.1f}", cy=f"{y:.1f}", r="5.5", class_="ours")


def _line(*ends):
    return element(
        "line", **dict(zip(("x1", "y1", "x2", "y2"), (f"{end:.1f}" for end in ends), strict=True))
    )


def _text(x, y, words, anchor):
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
