"""How far a student may be squeezed for a loss: a short search by pilots, trained a little."""

import dataclasses
import logging

from kegnet_tf import compression, distillation, teachers
from kegnet_tf.runs import curves, progress, records, streams

logger = logging.getLogger(__name__)
STEPS = 200  # of a pilot, beside those that settle how it learns; ours
MOST = len(curves.RATIOS).bit_length()  # pilots of a search, by bisection


def ratio(run, name: str) -> float:
    """The largest ratio at which a pilot disagrees with the teacher by `max_loss` points at most.

    Ratios are those of a curve, searched by bisection: what a pilot of more loses is taken to be
    more. A pilot learns from the preset's `source` for `STEPS` steps, a student for more, so that
    it ends nearer still; a pilot that ends farther off than it began counts as it began. Where no
    ratio will do it is the least one, and the log says so.

    Args:
        run: a `Run`.
        name: of a student with `max_loss`.
    """
    settings = run.config.students[name].to_dict()
    settings = {key: value for key, value in settings.items() if value is not None}
    most = settings.pop("max_loss")
    path = run.paths["initial"] / f"{name}.search.json"
    made = {"max_loss": most, "settings": settings, "steps": STEPS, "ratios": curves.RATIOS}
    made |= {"teacher": run.teacher_digest, **streams.drawn_of(run)}
    made["distillation"] = dataclasses.asdict(run.distillation_settings)
    found = records.read(path, made)
    if found is None:
        found = _search(run, settings, most)
        records.write(path, found, made, {})
    return found["ratio"]


@progress.stage("Sizes, tried by pilots")
def _search(run, settings, most):
    """{"ratio": the one that is found, "losses": points by ratio that was tried, in turn}."""
    reach = compression.largest_ratio(run.classifier, **settings)
    ratios = [each for each in curves.RATIOS if each <= reach] or [1.0]
    losses, low, high = {}, -1, len(ratios)  # what `low` says will do, what `high` says will not
    while high - low > 1:
        middle = (low + high) // 2
        tried = ratios[middle]
        loss = round(100 * (1 - _agreement(run, tried, settings, 1 - most / 100)), 3)
        losses[str(tried)] = loss
        logger.info("Pilot at ratio %g: %.2f points lost, %g are borne.", tried, loss, most)
        low, high = (middle, high) if loss <= most else (low, middle)
    if low < 0:
        logger.warning("No ratio loses %g points at most: the least one is taken.", most)
    return {"ratio": ratios[max(0, low)], "losses": losses}


def _pilot(run):
    """How a pilot learns: as a student, but for fewer steps, and with a loss that is given."""
    asked = run.distillation_settings
    loss = "logits" if len(run.teacher.input_shape) == 4 else "cross_entropy"
    return dataclasses.replace(
        asked,
        epochs=1,
        steps_per_epoch=min(STEPS, asked.epochs * asked.steps_per_epoch),
        selection="last",
        loss=loss if asked.loss == "auto" else asked.loss,
    )


def _agreement(run, tried, settings, enough):
    """Share of held-out artificial data on which a pilot answers as the teacher, at its best.

    One that agrees `enough` before it has learned anything is not trained.
    """
    model = compression.compress(run.classifier, target_ratio=tried, **settings)
    student = teachers.standardised(model)
    start = distillation.agreement(student.predict_on_batch, *run.held_out)
    if start >= enough:
        return start
    data = streams.stream(run, run.config.source, 0)
    how = {"teacher": run.teacher, "devices": run.devices, "verbose": 0}
    trained = distillation.distil(student, data, run.held_out, _pilot(run), **how)
    return max(start, trained.history.history["val_agreement"][-1])
