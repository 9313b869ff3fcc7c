"""Charts of a run's numbers; `label_names` are one for each class, `path` is of the PNG."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from kegnet_tf.runs.pictures import look

DPI = 128
_LOSSES = {  # by name in the log
    "loss": "all, weighted",
    "classifier_loss": "classifier: the class asked for",
    "decoder_loss": "decoder: z from x",
    "diversity_loss": "diversity: different x",
    "statistics_loss": "statistics: of BatchNorm",
}


@look.own
def loss_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], path: str | os.PathLike
) -> None:
    """Writes {generator's name: {loss's name: [value of each epoch]}}, a panel a loss.

    A NaN leaves a gap. A panel whose values span 1 : 100 and are positive is logarithmic.
    """
    losses = list(dict.fromkeys(loss for each in curves.values() for loss in each))
    figure = Figure((3.4 * len(losses), 3.2), DPI, layout="constrained")
    panels = figure.subplots(1, len(losses), squeeze=False)[0]
    for axes, loss in zip(panels, losses, strict=True):
        lines = [np.asarray(each.get(loss, []), float) for each in curves.values()]
        for name, values in zip(curves, lines, strict=True):
            axes.plot(np.arange(1, len(values) + 1), values, marker=".", markersize=3, label=name)
        finite = np.concatenate(lines)
        finite = finite[np.isfinite(finite)]
        if finite.size and 0 < 100 * finite.min() <= finite.max():
            axes.set_yscale("log")
        axes.set(title=_LOSSES.get(loss, loss.replace("_", " ")), xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("loss, mean of an epoch")
    figure.suptitle("What generators lose while they learn from the teacher")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(path, format="png", dpi=DPI)


@look.own
def class_balance(
    shares: Mapping[str, Sequence[float]], path: str | os.PathLike, label_names: Sequence[str]
) -> None:
    """Writes bars of {generator's name: [num_classes] shares of the teacher's answers}."""
    classes, width = np.arange(len(label_names)), 0.8 / len(shares)
    inches = 2 + len(classes) * max(0.3, 0.1 * len(shares))
    figure = Figure((inches, 3.2), DPI, layout="constrained")
    axes = figure.subplots()
    for index, (name, share) in enumerate(shares.items()):
        percent = 100 * np.asarray(share)
        axes.bar(classes + (index + 0.5) * width - 0.4, percent, width, label=name)
    even = 100 / len(classes)
    axes.axhline(even, color="black", linestyle="--", linewidth=1, label="all classes alike")
    rotation = _rotation(label_names)
    axes.set_xticks(classes, label_names, rotation=rotation, parse_math=False)
    axes.grid(visible=False, axis="x")
    axes.set(xlabel="the teacher's answer", ylabel="% of its answers")
    figure.suptitle("What the teacher answers to generated data")
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(path, format="png", dpi=DPI)


@look.own
def compression_curve(
    points: Sequence[Mapping[str, float]], chosen: float, path: str | os.PathLike
) -> None:
    """Writes what is kept at each ratio, and what that costs beside the teacher.

    Args:
        points: of each ratio, the first is the teacher: "ratio", "agreement", "lost", "parameters",
            "multiply_adds" and "int8_bytes", each None where it is not known.
        chosen: the ratio that is marked.
        path: of the PNG.
    """
    figure = Figure((8, 3.4), DPI, layout="constrained")
    kept, costs = figure.subplots(1, 2)
    ratios = [point["ratio"] for point in points]
    kept.plot(
        ratios,
        [100 * point["agreement"] for point in points],
        "o-",
        ms=4,
        label="same answer as the teacher",
    )
    lost = [100 * min(point["lost"], 1.0) for point in points]
    kept.plot(ratios, lost, "s--", ms=4, label="lost of the logits")
    kept.set(title="what is kept, before training", ylabel="% of artificial data", ylim=(-3, 103))
    names = {
        "parameters": ("o-", "parameters"),
        "multiply_adds": ("s--", "multiply-adds"),
        "int8_bytes": ("D:", "bytes of an int8 file"),
    }
    for name, (form, said) in names.items():
        values = [point[name] for point in points]
        if None not in values:
            shares = [100 * value / values[0] for value in values]
            costs.plot(ratios, shares, form, ms=4, label=said)
    costs.set(title="what it costs", ylabel="% of the teacher's", ylim=(-3, 103))
    for axes in (kept, costs):
        axes.axvline(chosen, color="black", linewidth=1, linestyle=":", label=f"chosen: {chosen:g}")
        axes.set(xlabel="ratio: parameters of the teacher over those left", xscale="log")
        shown = [ratio for ratio in (1, 1.5, 2, 3, 4, 6, 10) if ratio <= ratios[-1]]
        axes.set_xticks(shown, [f"{ratio:g}" for ratio in shown])
        axes.minorticks_off()
        axes.legend(fontsize="small")
    figure.savefig(path, format="png", dpi=DPI)


@look.own
def confusion_matrix(counts: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
    """Draws [labels, answers] counts, each row in percent of its sum: uint8, [height, width, 3]."""
    counts, classes = np.asarray(counts, float), range(len(label_names))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), np.finfo(float).tiny)
    inches = 2 + 0.3 * len(classes)
    figure = Figure((inches, inches), DPI, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, "Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{100 * share:.0f}", c=colour, size=8, ha="center", va="center")
    rotation = _rotation(label_names)
    axes.set_xticks(classes, label_names, rotation=rotation, parse_math=False)
    axes.set_yticks(classes, label_names, parse_math=False)
    axes.set(xlabel="answer", ylabel="label", title="% of each label's test data")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


@look.own
def comparison(panels: Mapping[str, Mapping], path: str | os.PathLike) -> None:
    """Writes dots of ours beside the paper's, a panel a student and a column of them an arm.

    Args:
        panels: {title: {arm: {series: (mean, deviation)}}}, in percent; None where unknown. All
            arms of a panel have the same series; each series has a colour and a place of its own.
        path: of the PNG.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure((4.2 * columns, 2.6 * rows + 0.6), DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (title, arms) in zip(grid, panels.items(), strict=False):
        series = list(dict.fromkeys(name for values in arms.values() for name in values))
        for index, name in enumerate(series):
            pairs = [arms[arm].get(name, (None, None)) for arm in arms]
            means, deviations = np.array(pairs, float).T
            places = np.arange(len(arms)) + 0.6 * (index + 0.5) / len(series) - 0.3
            deviations = np.nan_to_num(deviations)
            axes.errorbar(places, means, deviations, fmt="osD^v"[index % 5], ms=4, label=name)
        axes.set_xticks(range(len(arms)), list(arms))
        axes.set(title=title, ylabel="test accuracy, %")
        axes.grid(visible=False, axis="x")
    for axes in list(grid):  # what zip left over
        axes.set_axis_off()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(path, format="png", dpi=DPI)


@look.own
def frontier_chart(
    series: Sequence[tuple[str, Sequence]], chosen: str | None, path: str | os.PathLike
) -> None:
    """Writes dots of files: agreement, and accuracy where known, against bytes and milliseconds.

    A line leads along the files that no other one of the panel beats; a ring is round the file to
    take.

    Args:
        series: (name, rows) with a colour each, rows being `export.ExportedFile`s.
        chosen: path of the file to take; None for none.
        path: of the PNG.
    """
    rows = [row for _, group in series for row in group]
    kept = {"teacher_agreement": "agreement with the teacher, %"}
    if any(row.accuracy is not None for row in rows):
        kept["accuracy"] = "test accuracy, %"
    costs = {"bytes": "bytes", "milliseconds": "milliseconds, one thread"}
    figure = Figure((9.6, 3.6 * len(kept) + 0.6), DPI, layout="constrained")
    grid = figure.subplots(len(kept), 2, squeeze=False)
    formats = list(dict.fromkeys(row.format for row in rows))
    for line, (share, label) in zip(grid, kept.items(), strict=True):
        for axes, (cost, title) in zip(line, costs.items(), strict=True):
            known = [row for row in rows if getattr(row, share) is not None]
            _front(axes, [(getattr(row, cost), 100 * getattr(row, share)) for row in known])
            for index, (_, group) in enumerate(series):
                for row in (each for each in group if each in known):
                    dot = getattr(row, cost), 100 * getattr(row, share)
                    marker = "osD^v"[formats.index(row.format) % 5]
                    axes.plot(*dot, marker, color=f"C{index % 10}", markersize=5)
                    if row.path == chosen:
                        axes.plot(*dot, "o", color="black", fillstyle="none", markersize=13)
            axes.set(xscale="log", xlabel=title, ylabel=label)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.6g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
    handles = [Line2D([], [], color=f"C{i % 10}", lw=4) for i in range(len(series))]
    handles += [
        Line2D([], [], color="grey", marker="osD^v"[i % 5], lw=0) for i in range(len(formats))
    ]
    names = [name for name, _ in series] + [each.removeprefix("litert_") for each in formats]
    figure.legend(handles, names, loc="outside lower center", ncols=5)
    figure.savefig(path, format="png", dpi=DPI)


def _front(axes, dots):
    """Draws the steps along the dots that none cheaper equals."""
    best, steps = -np.inf, []
    for cost, share in sorted(dots, key=lambda dot: (dot[0], -dot[1])):
        if share > best:
            best, steps = share, [*steps, (cost, share)]
    if steps:
        axes.step(*np.transpose(steps), where="post", color="grey", alpha=0.5, linewidth=1.5)


def _rotation(names):
    return 90 if max(map(len, names)) > 3 else 0
