"""Settings compared one by one: what each line changes in a preset, and the table of them all."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import ml_collections

from kegnet_tf import runs
from kegnet_tf.experiments import paper_tables
from kegnet_tf.experiments.cells import Job


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of `ablation.md`. One that changes nothing in a preset shares its cells.

    Attributes:
        settings: in place of the preset's, by dotted key.
        start: where students start, see `compression.compress`; "" for the preset's own.
    """

    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    start: str = ""


LINES = {
    "preset": Line(),
    "alpha 0": Line({"extraction.alpha": 0.0}),
    "beta 0": Line({"extraction.beta": 0.0}),
    "gamma 0": Line({"extraction.gamma": 0.0}),
    "no jitter": Line({"extraction.jitter": 0}),
    "no features": Line({"distillation.features": "off"}),
    "last, better or not": Line({"distillation.selection": "last"}),
    "training mode": Line({"distillation.batch_norm": "training"}),
    "generators alone": Line({"synthesis.mixture.procedural": 0.0}),
    "procedural alone": Line({"synthesis.mixture.kegnet": 0.0}),
    "unbalanced": Line({"synthesis.balanced": False}),
    "cross entropy": Line({"distillation.loss": "cross_entropy"}),
    "1 generator": Line({"num_generators": 1}),
    "5 generators": Line({"num_generators": 5}),
    "one-hot labels": Line({"synthesis.labels": "onehot"}),
    "uniform labels": Line({"synthesis.labels": "uniform"}),
    "fixed set": Line({"synthetic_size": 6400}),
    "fresh stream": Line({"synthetic_size": 0}),
    "SVD-only start": Line(start="svd"),
    # The teacher's BatchNorm statistics would mean nothing to random kernels.
    "random start": Line({"distillation.batch_norm": "training"}, start="random"),
}
_COLUMNS = (
    ("data", "dataset", "{}"),
    ("student", "name", "{}"),
    ("arm", "arm", "{}"),
    ("line", "line", "{}"),
    ("n", "count", "{}"),
    *((heading, figure, "{}") for figure, heading in paper_tables.FIGURES.items()),
    ("last less preset", "difference", "{:+.2f}"),
)


def jobs(
    job: Job,
    opened: Callable[[ml_collections.ConfigDict, pathlib.Path], runs.Run],
    lines: Mapping[str, Line],
) -> list[tuple[str, Job]]:
    """The job of each line.

    Args:
        job: the preset's.
        opened: function of (config, folder) to a run of the same teacher, students and data.
        lines: by name; "preset" is what the others are compared with.

    Returns:
        (line, job) in the order of the lines: `job` itself for a line that changes nothing, and for
        the others jobs with folders of their own, which take generators of `job` where they can.
    """
    found = []
    for name, line in lines.items():
        config = job.run.config.copy_and_resolve_references()
        config.update_from_flattened_dict(dict(line.settings))
        if line.start:
            with config.students.unlocked():
                for student in config.students.values():
                    student.start = line.start
        if config == job.run.config:
            found.append((name, job))
            continue
        folder = job.run.workdir / "ablation" / name.replace(" ", "-")
        line_job = dataclasses.replace(job, run=opened(config, folder), origin=job.run)
        found.append((name, line_job))
    return found


def markdown(summary: Sequence[Mapping]) -> str:
    """The table of an ablation.

    Args:
        summary: rows of `paper_tables.summarise`, each with a "line"; the line "preset" is what the
            others are compared with.
    """
    preset = {
        (row["dataset"], row["name"], row["arm"]): row for row in summary if row["line"] == "preset"
    }
    rows = []
    for row in summary:
        reference = preset[row["dataset"], row["name"], row["arm"]]
        difference = row["last"][0] - reference["last"][0]
        rows.append({**row, "difference": None if row is reference else difference})
    return (
        "\n\n".join(["# Ablation", paper_tables.ABOUT, paper_tables.table(rows, _COLUMNS)]) + "\n"
    )
