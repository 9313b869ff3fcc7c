"""What a run keeps of its artificial data: pictures of all generators, and examples."""

import functools

import numpy as np

from kegnet_tf import teachers
from kegnet_tf.runs import pictures, progress, records, streams


@progress.stage("Pictures")
def draw(run) -> None:
    """Pictures in `figures/`, drawn or found finished.

    Args:
        run: a `Run`.
    """
    models, _ = run.all_generators
    path, test = run.paths["figures"] / "figures.json", run.real.test
    made = {"generators": [*map(teachers.digest, models)], "labels": [*run.label_names]}
    made["look"] = 2  # what is drawn, and how
    made["real_examples"] = len(test[0]) if test else 0
    if records.read(path, made) is None:
        given = models, run.teacher, run.label_names, run.seed("figures"), test
        drawings = pictures.drawings(run.paths["generators"], *given)
        records.write(path, {}, made, drawings)


def keep_synthetic(run) -> None:
    """`synthetic.npz` with the preset's `save_synthetic` examples, x and p, if any.

    Args:
        run: a `Run`.
    """
    path, size = run.workdir / "synthetic.json", run.config.save_synthetic
    made = {"size": size, **streams.drawn_of(run)}
    if size and records.read(path, made) is None:
        x, p = run.source().sample(size, run.seed("saved"))
        save = functools.partial(np.savez_compressed, x=x, p=p)
        records.write(path, {}, made, {"synthetic.npz": save})
