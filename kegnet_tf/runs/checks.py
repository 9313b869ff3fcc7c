"""What a run refuses before it writes anything."""

from collections.abc import Iterable, Sequence

import keras
import ml_collections

from kegnet_tf import extraction, synthesis, teachers
from kegnet_tf.runs import memory, settings, unlabeled
from kegnet_tf.teachers import rules


def check_preset(
    config: ml_collections.ConfigDict,
    classifier: keras.Model,
    input_shape: tuple,
    num_classes: int,
    unlabeled_data: str = "",
) -> None:
    """Refuses a preset that does not fit its teacher, or holds what no stage takes.

    Args:
        config: a preset.
        classifier: the teacher with its own preprocessing.
        input_shape: of the preset's data; () where it has none.
        num_classes: of the preset's data; 0 where it has none.
        unlabeled_data: path of what students learn from beside artificial data; "" for none.

    Raises:
        ValueError: if so.
    """
    settings.check_settings(config)
    found = classifier.input_shape[1:], classifier.output_shape[-1]
    if input_shape not in ((), found[0]) or num_classes not in (0, found[1]):
        raise ValueError(
            f"`teacher` must map {input_shape} to {num_classes} classes, as `data` tells. "
            f"Received: {found[0]} to {found[1]}."
        )
    images = len(found[0]) == 3
    if images:
        extraction.ImageGenerator.check(*found, **config.generator)
    channels, mean = found[0][-1], config.data.get("mean", ())
    if len(mean) not in (0, 1, channels):
        rule = f"hold one number, or one for each of the {channels} channels"
        raise rules.refusal("mean", rule, mean)
    law = config.synthesis.labels, config.synthesis.class_prior
    extraction.check_labels(*law, found[1])
    for drawn in {*config.arms, config.source} - {"tucker"}:
        synthesis.shares_of(drawn, config.synthesis.mixture, images, bool(unlabeled_data))
    unlabeled.check(config, unlabeled_data, found[0])
    devices = extraction.Devices(**config.devices)
    for batch_size in (config.extraction.batch_size, config.batch_size):
        devices.check_batch(batch_size)
    memory.check_memory(config, *found)


def check_student(student: keras.Model, classifier: keras.Model) -> None:
    """Refuses a student of other inputs or classes than its teacher's.

    Args:
        student: a classifier with its own preprocessing.
        classifier: the teacher with its own preprocessing.

    Raises:
        ValueError: if so.
    """
    shapes = [(model.input_shape[1:], model.output_shape[-1]) for model in (student, classifier)]
    scales = [teachers.input_scale(model) for model in (student, classifier)]
    if shapes[0] != shapes[1] or scales[0] != scales[1]:
        raise ValueError(
            "`student` must map the teacher's inputs, preprocessed alike, to the teacher's "
            f"classes, {shapes[1][0]} to {shapes[1][1]}. "
            f"Received: {shapes[0][0]} to {shapes[0][1]}."
        )


def chosen(students: Sequence[str], known: Iterable[str]) -> list[str]:
    """Names of the students to make.

    Args:
        students: names asked for; empty for all.
        known: the preset's.

    Raises:
        ValueError: if one is not known.
    """
    for name in students:
        if name not in known:
            raise ValueError(f"`students` must be among {', '.join(known)}. Received: {name!r}.")
    return list(students or known)
