"""A student's training step beside its passes alone, and beside the same on one batch."""

import keras
import tensorflow as tf

from kegnet_tf import distillation
from kegnet_tf.distillation import DistillationSettings
from kegnet_tf.experiments import timing


def input_pipeline(
    student: keras.Model,
    data: tf.data.Dataset,
    settings: DistillationSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """A training step of a student on fresh artificial data beside the same on one fixed batch.

    Args:
        student: classifier from x to logits.
        data: endless batches of (x, p), as from `synthesis.Source.stream`.
        settings: of distillation.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "batch_size".
    """
    fixed = _one_batch(data)
    fresh, same = (_training(student, each, settings, steps) for each in (data, fixed))
    row = timing.compare("student step, fresh data", fresh, "on one batch", same, steps, repeats)
    return row | {"batch_size": fixed.element_spec[0].shape[0]}


def student_step(
    student: keras.Model,
    data: tf.data.Dataset,
    settings: DistillationSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """A training step of a student beside its forward and backward pass, on one fixed batch.

    The reference has no optimiser and no metric.

    Args:
        student: classifier from x to logits.
        data: endless batches of (x, p), as from `synthesis.Source.stream`.
        settings: of distillation.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "batch_size".
    """
    fixed = _one_batch(data)
    x, p = next(iter(fixed))
    bare = _distiller(student, settings, steps)
    learned = [variable.value for variable in student.trainable_variables]

    @tf.function
    def passes(x, p):
        with tf.GradientTape() as tape:
            loss = bare.compute_distillation_loss(p, student(x, training=bare.training))
        return tape.gradient(loss, learned)

    row = timing.compare(
        "student step",
        _training(student, fixed, settings, steps),
        "forward and backward pass",
        lambda: [passes(x, p) for _ in range(steps)],
        steps,
        repeats,
    )
    return row | {"batch_size": x.shape[0]}


def _training(student, data, settings, steps):
    """A function that trains a student for `steps` steps in one execution."""
    return timing.executed(_distiller(student, settings, steps), data)


def _distiller(student, settings, steps):
    # Where a pilot is to choose, what it chooses most often.
    choice = distillation.Choice(
        loss="logits" if settings.loss == "auto" else settings.loss,
        batch_norm="training" if settings.batch_norm == "auto" else settings.batch_norm,
    )
    distiller = distillation.Distiller(student)
    distiller.compile(
        keras.optimizers.Adam(),
        choice,
        settings.temperature,
        jit_compile=settings.jit_compile,
        steps_per_execution=steps,
    )
    return distiller


def _one_batch(data):
    """The first batch of a stream, again and again."""
    return tf.data.Dataset.from_tensors(next(iter(data))).repeat()
