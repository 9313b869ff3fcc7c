"""The whole job as one call."""

import os
from collections.abc import Mapping

import keras

from kegnet_tf import teachers
from kegnet_tf.configs import base
from kegnet_tf.runs.real_data import DataOptions
from kegnet_tf.runs.reopening import override
from kegnet_tf.runs.run import Run


def run(
    teacher: str | os.PathLike | keras.Model,
    workdir: str | os.PathLike = "run",
    *,
    target_ratio: float | None = None,
    eval_data: str = "",
    quick: bool = False,
    recipe: str = "plus",
    settings: Mapping[str, object] | None = None,
    unlabeled: str = "",
) -> Run:
    """From a trained classifier to a compressed student and its files, without data.

    Called again for the same folder, it goes on where it was ended.

    Args:
        teacher: a Keras classifier of images or feature vectors, or the path of its `.keras` file.
        workdir: the run's folder; made where it is missing.
        target_ratio: trainable parameters of the teacher over those of the student, above 1; None
            for what the teacher bears, see `curves.Curve.chosen`, or what `settings` ask for.
        eval_data: a `.npz` file with real test data, arrays x and y, or a folder with a folder of
            pictures for each class, to measure the students with; "" for none.
        quick: whether to see every stage once, in a few minutes, in place of the full budget.
        recipe: "plus" for kegnet+, "paper" for the paper's losses.
        settings: in place of the preset's own, by dotted key, such as {"extraction.beta": 5.0};
            `configs/base.py` names them all.
        unlabeled: a folder of any pictures, or a `.npz` file with an array x, that students learn
            from beside artificial data: such a run is not free of data. "" for none.

    Returns:
        The finished run: `report`, `students`, `exports`, `load_student()`, and `paths` of what it
        wrote.

    Raises:
        OSError: if a file cannot be written.
        ValueError: on bad input, before anything is written.
    """
    teachers.rules.choice("recipe", recipe, ("plus", "paper"))
    teachers.rules.flag("quick", quick)
    config = base.get_config(",".join(["quick"] * quick + ["paper"] * (recipe == "paper")))
    override(config, settings or {}, "settings")
    if target_ratio is not None:
        teachers.rules.positive("target_ratio", target_ratio)
        config.students.student.target_ratio = float(target_ratio)
    data = DataOptions(eval_data, unlabeled=unlabeled)
    made = Run(config, workdir, teacher=teacher, data=data)
    made.report
    return made
