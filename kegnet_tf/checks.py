"""What a run refuses before it writes anything."""

import inspect

from kegnet_tf import compression, distribution, latents, preprocessing, synthesis


def check_preset(config, source, input_shape, num_classes):
    """Refuses a preset that does not fit its teacher, or holds what no stage takes.

    Args:
        config: a preset.
        source: the teacher.
        input_shape: of the preset's data; () where it has none.
        num_classes: of the preset's data; 0 where it has none.

    Raises:
        ValueError: if so.
    """
    found = source.input_shape[1:], source.output_shape[-1]
    if input_shape not in ((), found[0]) or num_classes not in (0, found[1]):
        raise ValueError(
            f"`teacher` must map {input_shape} to {num_classes} classes for this preset. "
            f"Received: {found[0]} to {found[1]}."
        )
    distribution.check(**config.distribution)
    law = config.synthesis.labels, config.synthesis.class_prior
    latents.sample(0, 0, 1, found[1], 1, *law)  # raises if these are wrong
    policy = [*inspect.signature(compression.compress).parameters][1:]
    for name, settings in config.students.items():
        for key in settings:
            if key not in policy:
                raise ValueError(
                    f"`students.{name}` must hold some of {', '.join(policy)}. Received: {key!r}."
                )
    images = len(source.input_shape) == 4
    for arm in config.arms:
        if arm not in ("tucker", *synthesis.SOURCES):
            raise ValueError(
                f"`arms` must be among tucker, {', '.join(synthesis.SOURCES)}. Received: {arm!r}."
            )
    for drawn in {*config.arms, config.source} - {"tucker"}:
        synthesis.shares_of(drawn, config.synthesis.mixture, images)  # raises if these are wrong


def check_student(student, source):
    """Refuses a student of other inputs or classes than its teacher's.

    Args:
        student: a classifier.
        source: the teacher.

    Raises:
        ValueError: if so.
    """
    shapes = [(model.input_shape[1:], model.output_shape[-1]) for model in (student, source)]
    if shapes[0] != shapes[1] or preprocessing.input_scale(student) != preprocessing.input_scale(
        source
    ):
        raise ValueError(
            "`student` must map the teacher's inputs, preprocessed alike, to the teacher's "
            f"classes, {shapes[1][0]} to {shapes[1][1]}. "
            f"Received: {shapes[0][0]} to {shapes[0][1]}."
        )


def chosen(students, known):
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
    return students or list(known)
