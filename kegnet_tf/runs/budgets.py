"""Settings that bring a run into the memory at hand and into a budget of time."""

import math
from collections.abc import Iterator

import ml_collections

from kegnet_tf.distillation import PILOT_STEPS
from kegnet_tf.runs import claiming, memory, records
from kegnet_tf.runs.costs import Costs
from kegnet_tf.runs.plans import Shape, gibibytes, seconds, stages

SHARE = 0.9  # of the free memory that a plan may need; ours
LONG = 1.0  # seconds of a step above which a budget takes smaller batches first; ours
# What a plan takes at least, ours: rows whose moments mean something, fewer only where a step takes
# longer than `VERY_LONG`; a held-out set that tells a few points.
FEW_ROWS, FEWEST_ROWS, VERY_LONG = 32, 8, 4.0
HELD_OUT = (1000, 200)
FEWEST_STEPS = {"extraction": 50, "distillation": 50}
FEWEST_ROUNDED = 50  # steps as integers
ENOUGH_STEPS = 200  # of a generator; rather fewer generators than fewer steps


def fit(
    config: ml_collections.ConfigDict,
    costs: Costs,
    shape: Shape,
    minutes: float = 0.0,
    free: float | None = None,
    *,
    begun: bool = False,
    binding: bool = True,
) -> dict[str, object]:
    """Settings that bring a run into the memory at hand, and into a budget of time.

    Batches are cut for memory until they hold `FEWEST_ROWS`, and the held-out set. Time is won, in
    this order, by a smaller held-out set, by smaller batches where a step takes long, by one seed,
    by no pilots where they take a quarter of the budget, by no training as integers where the least
    takes a twentieth, and by fewer steps of everything, of fewer
    generators where these have less than `ENOUGH_STEPS`.

    Args:
        config: a preset; it stays as it is.
        costs: of its steps.
        shape: of its models.
        minutes: that the run may take; 0 for any.
        free: bytes that the process may hold; None for what the machine has.
        begun: whether generators have begun, so that their settings stay.
        binding: whether a run that needs more than `minutes` is refused, and not cut to its least.

    Returns:
        What changes, by dotted key.

    Raises:
        ValueError: if the least that makes sense is too much.
    """
    free = memory.free() if free is None else free
    fitted = config.copy_and_resolve_references()
    for cut in _memory_cuts(fitted):
        if _bytes(fitted, costs, shape) <= SHARE * free:
            break
        fitted.update_from_flattened_dict(_allowed(cut, begun))
    needed = _bytes(fitted, costs, shape)
    if needed > SHARE * free:
        raise ValueError(
            f"`teacher` must be one that {gibibytes(free)} of memory can train students of: the "
            f"smallest batches take {gibibytes(needed)}. Received: {shape.example} numbers an "
            "example."
        )
    if minutes:
        _fit_time(fitted, costs, shape, 60.0 * minutes, begun)
        least = seconds(stages(fitted, costs, shape)) / 60
        if binding and least > minutes:
            raise ValueError(
                f"`minutes` must be at least {math.ceil(least)} for this teacher on this machine. "
                f"Received: {minutes:g}."
            )
    before, after = (_flat(each) for each in (config, fitted))
    return {key: value for key, value in after.items() if before[key] != value}


def of_generators(key: str) -> bool:
    """Whether generators depend on a setting, by its dotted key; on how many they are, too."""
    return key.partition(".")[0] in (*claiming.EXTRACTION, "num_generators")


def _allowed(cut, begun):
    return {key: value for key, value in cut.items() if not (begun and of_generators(key))}


def _fit_time(config, costs, shape, budget, begun):
    """Cuts until the budget is kept, or to the least."""

    def fits():
        return seconds(stages(config, costs, shape)) <= budget

    for cut in _time_cuts(config, costs, shape, budget):
        if fits():
            return
        config.update_from_flattened_dict(_allowed(cut, begun))
    if fits():
        return
    whole = {name: config[name].epochs * config[name].steps_per_epoch for name in FEWEST_STEPS}
    enough, fewer = min(ENOUGH_STEPS, whole["extraction"]), {3, 2}
    rounded = config.export.qat_steps
    if begun:
        enough, fewer = 0, set()
        del whole["extraction"]
    for count in sorted({config.num_generators} | fewer, reverse=True):
        config.num_generators = min(config.num_generators, count)
        _scale(config, whole, rounded, 1.0)
        low, high = 0.0, 1.0
        while high - low > 1e-3:
            share = (low + high) / 2
            _scale(config, whole, rounded, share)
            low, high = (share, high) if fits() else (low, share)
        _scale(config, whole, rounded, low)
        steps = config.extraction.epochs * config.extraction.steps_per_epoch
        if fits() and steps >= enough:
            return


def _scale(config, whole, rounded, share):
    """Sets the steps of generators and students, and as integers, to a share of what they were."""
    config.export.qat_steps = max(int(share * rounded), min(FEWEST_ROUNDED, rounded))
    for name, steps in whole.items():
        wanted = max(int(share * steps), min(FEWEST_STEPS[name], steps))
        section = config[name]
        section.epochs = max(1, min(section.epochs, round(wanted / section.steps_per_epoch)))
        section.steps_per_epoch = wanted // section.epochs


def _memory_cuts(config) -> Iterator[dict]:
    """Settings that take less and less, of generators and students in turn."""
    made, own = config.extraction.batch_size, config.batch_size
    yield {"held_out": min(config.held_out, HELD_OUT[0])}
    while max(made, own) > FEWEST_ROWS:
        made, own = (max(rows // 2, min(rows, FEWEST_ROWS)) for rows in (made, own))
        yield {"extraction.batch_size": made, "batch_size": own}
    yield {"held_out": min(config.held_out, HELD_OUT[1])}


def _time_cuts(config, costs, shape, budget) -> Iterator[dict]:
    """Settings that take less time and less, before there are fewer steps."""
    yield {"held_out": min(config.held_out, HELD_OUT[0])}
    batches = ("extraction.batch_size", costs.extraction), ("batch_size", costs.distillation)
    for key, cost in batches:
        section, _, name = key.rpartition(".")
        rows = (config[section] if section else config)[name]
        while (rows > FEW_ROWS and cost.time(rows) > LONG) or (
            rows > FEWEST_ROWS and cost.time(rows) > VERY_LONG
        ):
            rows = max(rows // 2, FEWEST_ROWS)
            yield {key: rows}
    yield {"num_seeds": 1}
    *_, measuring = stages(config, costs, shape)
    answered = costs.drawing.time(config.batch_size) / config.batch_size
    evaluated = config.held_out * answered * config.distillation.epochs
    if evaluated + measuring.seconds > 0.2 * budget:
        steps = config.distillation.epochs * config.distillation.steps_per_epoch
        yield {"held_out": min(config.held_out, HELD_OUT[1])}
        if config.distillation.epochs > 2:
            yield {"distillation.epochs": 2, "distillation.steps_per_epoch": steps // 2}
    each = costs.distillation.time(config.batch_size) + costs.drawing.time(config.batch_size)
    if shape.pilots(config) * PILOT_STEPS * each * shape.students > 0.25 * budget:
        # What suits a student that starts close to its teacher and learns for a short time.
        yield {"distillation.batch_norm": "inference", "distillation.loss": "logits"}
    if min(FEWEST_ROUNDED, config.export.qat_steps) * each > 0.05 * budget:
        yield {"export.qat": "off"}


def _bytes(config, costs, shape):
    return max(stage.bytes for stage in stages(config, costs, shape))


def _flat(config):
    """The settings by dotted key."""
    return records.flat(config.to_dict())
