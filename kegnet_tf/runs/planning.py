"""A plan before the work, and a run that follows it."""

import json
import logging
import math

import keras

from kegnet_tf import export, teachers
from kegnet_tf.runs import (
    budgets,
    calibration,
    claiming,
    costs,
    initial_students,
    lock,
    manifest,
    memory,
    plans,
    progress,
    records,
    terminal,
)
from kegnet_tf.runs.run import Run

logger = logging.getLogger(__name__)
NAME = "plan.json"
# What of a run is the same by any plan, once it was asked for.
_SAME = ("classifier", "teacher", "teacher_digest", "given_student", "real", "curve", "early")
QUICK_MINUTES = 25.0  # of a short form, which is "to see every stage once"; ours


def planned(run: Run, minutes: float = 0.0, quick: bool = False) -> tuple[dict | None, Run, str]:
    """Measures what a run would cost, and cuts what this machine or the budget cannot hold.

    A folder that was planned with the same settings keeps its plan, so that an interrupted run goes
    on with it. Where generators were begun, theirs stay as they were planned, whatever else is to
    change, and without a plan all is left as it is. Nothing is written.

    Args:
        run: a `Run`.
        minutes: that it may take; 0 for any, or for `QUICK_MINUTES` in its short form, which takes
            more where that is the least.
        quick: whether its preset is in its short form.

    Returns:
        (plan, run, text): what is to be kept, or None; the run to be made, of the settings that
        were cut; and the plan for people.

    Raises:
        ValueError: as from `Run.check` and `budgets.fit`.
    """
    budget = minutes or QUICK_MINUTES * quick
    asked = {"config": json.loads(run.config.to_json()), "minutes": budget}
    asked["teacher"] = run.teacher_digest
    kept = _read(run.workdir)
    if kept is not None and kept["asked"] == asked:
        return kept, _with(run, kept["changes"]), f"As planned before:\n{kept['text']}"
    begun, changes = claiming.begun(run.workdir), {}
    if begun and kept is None:
        return None, run, f"{run.workdir} was begun without a plan, and goes on."
    if begun:
        changes = _of_generators(kept, asked)
        run = _with(run, changes)
    run.check()
    with progress.stage("Plan", heading="a step of each stage is measured"):
        measured = costs.measure(run)
    shape, free = _shape(run), memory.free()
    how = {"begun": begun, "binding": bool(minutes)}
    changes |= budgets.fit(run.config, measured, shape, budget, free, **how)
    run = _with(run, changes)
    text = plans.table(plans.stages(run.config, measured, shape), changes, free)
    text += f"\n{calibration.inputs(run)}"
    return {"asked": asked, "changes": changes, "text": text}, run, text


def carry_out(run: Run, minutes: float = 0.0, quick: bool = False, only_plan: bool = False) -> str:
    """A run from its plan to its report.

    Args:
        run: a `Run`.
        minutes: as in `planned`, and so is `quick`.
        quick: same as above.
        only_plan: whether to stop with the plan, before anything is written.

    Returns:
        The report for people, or the plan.

    Raises:
        OSError, ValueError: as in `planned` and `Run.report`.
    """
    plan, run, text = planned(run, minutes, quick)
    if only_plan:
        return text
    logger.info("%s\n", text)
    if plan:
        run.check()
        with lock.held(run.workdir):
            run.claim()
            manifest.keep(run.workdir, {NAME: manifest.text_of(export.sealed(plan))})
    return terminal.shown(run.report, run.workdir)


def _shape(run):
    shape, classes = run.teacher.input_shape[1:], run.teacher.output_shape[-1]
    students, kind = initial_students.foreseen(run), keras.layers.BatchNormalization
    norms = any(any(teachers.layers_of_kind(each, kind)) for each in students.values())
    count, searched = len(students), len(students.keys() - run.early.keys())
    size, images = classes + math.prod(shape), len(shape) == 3
    return plans.Shape(size, count, images=images, norms=norms, searched=searched)


def _of_generators(plan, asked):
    """What a plan changed of generators, where no other setting is asked for by now."""
    before, now = (records.flat(each["config"]) for each in (plan["asked"], asked))
    return {
        key: value
        for key, value in plan["changes"].items()
        if budgets.of_generators(key) and before.get(key) == now.get(key)
    }


def _with(run, changes):
    """The same run with other settings by a plan, and all that it knows already."""
    config = run.config.copy_and_resolve_references()
    config.update_from_flattened_dict(changes)
    made = type(run)(config, run.workdir, students=run.chosen_students, **run.given)
    vars(made).update({name: vars(run)[name] for name in _SAME if name in vars(run)})
    made.also = run.also
    return made


def _read(folder):
    """The plan that stands in a folder; None where there is none as it was written."""
    try:
        plan = export.read_sealed(folder / NAME)
    except (OSError, ValueError):
        return None
    return plan if {"asked", "changes", "text"} <= plan.keys() else None
