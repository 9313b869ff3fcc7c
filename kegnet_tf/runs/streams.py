"""The artificial data that a run's students learn from, and what they depend on."""

import json

import tensorflow as tf

from kegnet_tf import teachers

# Settings of the data that a student learns from and is chosen on.
_SYNTHESIS = ("synthesis", "source", "batch_size", "synthetic_size", "held_out", "devices")


def drawn_of(run) -> dict:
    """What the data depend on that students of a run learn from.

    Args:
        run: a `Run`.
    """
    config = json.loads(run.config.to_json())
    made = {key: config[key] for key in _SYNTHESIS}
    if run.real.unlabeled is None:
        made["synthesis"].get("mixture", {}).pop("unlabeled", None)
    else:
        made["unlabeled"] = run.real.unlabeled_digest
    made |= run.pixels_known
    return made | {"generators": [*map(teachers.digest, run.generators)]}


def stream(run, arm: str, seed: int, start: int = 0) -> tf.data.Dataset:
    """An arm's artificial data: fresh ones, or a fixed set of the preset's size a generator.

    Args:
        run: a `Run`.
        arm: one of `synthesis.SOURCES`.
        seed: of the student.
        start: the first batch's place.
    """
    source = run.source(arm)
    each = len(source.generators) if arm in ("kegnet", "kegnet+") else 1
    return source.stream(
        run.config.batch_size,
        run.seed("distillation", seed),
        size=run.config.synthetic_size * each,
        start=start,
    )
