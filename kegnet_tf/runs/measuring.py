"""What a run's teacher and its students are measured by, and the report of both."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from kegnet_tf import compression, distillation
from kegnet_tf.distillation import StudentResult, TeacherResult
from kegnet_tf.runs import unlabeled
from kegnet_tf.runs.report import Report, versions


def measured(run, model: keras.Model) -> tuple[dict, np.ndarray | None]:
    """What a model is measured by.

    Args:
        run: a `Run`.
        model: the teacher or a student, standardised.

    Returns:
        (fields, counts): of `StudentResult`, by name; and confusion counts, None without real data.
    """
    predict, test = model.predict_on_batch, run.real.test
    counts = test and distillation.confusion(predict, *test, model.output_shape[-1])
    return {
        "parameters": compression.trainable_parameters(model),
        "multiply_adds": compression.multiply_adds(model),
        **dataclasses.asdict(distillation.measures(counts)),
        "agreement": distillation.agreement(predict, *run.unseen),
        "compression_ratio": compression.compression_ratio(run.teacher, model),
    }, counts


def teacher_result(run) -> TeacherResult:
    """The teacher as its students are measured.

    Args:
        run: a `Run`.
    """
    fields, _ = measured(run, run.teacher)
    return TeacherResult(
        **{each.name: fields[each.name] for each in dataclasses.fields(TeacherResult)}
    )


def report(run, rows: Sequence[StudentResult]) -> Report:
    """What is known of a run before anything is exported.

    Args:
        run: a `Run`.
        rows: of its students.
    """
    return Report(
        dataset=run.dataset_name,
        seed=run.config.seed,
        versions=versions(),
        teacher=teacher_result(run),
        students=[*rows],
        generators=run.all_generators[1],
        label_names=[*run.real.label_names],
        unlabeled=unlabeled.sentence(run),
    )
