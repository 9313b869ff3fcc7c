"""What a run is going to do: how long each stage takes, and how much memory."""

import dataclasses
from collections.abc import Mapping

import ml_collections

from kegnet_tf import teachers
from kegnet_tf.distillation import PILOT_STEPS
from kegnet_tf.runs import searching
from kegnet_tf.runs.costs import Costs
from kegnet_tf.runs.memory import FLOAT32
from kegnet_tf.runs.progress import duration

RECOGNITION = 1000  # rows that tell how well a generator is recognised
EXPORT_SECONDS = 6.0  # of a file and its twin; ours, LeNet5 on two busy cores
EXPORTED = 2  # models: a student, and the teacher beside it


@dataclasses.dataclass(frozen=True)
class Shape:
    """What of a run the plan depends on, beside its settings.

    Attributes:
        example: numbers in one example with its answer.
        students: that are trained, for one arm and seed.
        images: whether an example is one.
        norms: whether students have BatchNorm.
        searched: of these students, those whose size pilots tell.
    """

    example: int
    students: int
    images: bool
    norms: bool
    searched: int = 0

    def pilots(self, config: ml_collections.ConfigDict) -> int:
        """How many pilots a student has at most, by the preset."""
        modes = max(1, self.modes(config))
        losses = 1 + (config.distillation.loss == "auto" and self.images)
        return modes + losses - 1 if modes + losses > 2 else 0

    def modes(self, config: ml_collections.ConfigDict) -> int:
        """How many of them try modes of BatchNorm, by the preset."""
        return 2 if config.distillation.batch_norm == "auto" and self.norms else 0


@dataclasses.dataclass(frozen=True)
class Stage:
    """A line of a plan.

    Attributes:
        name: of the stage.
        work: what is done, for people.
        seconds: that it takes.
        bytes: that the process holds at most meanwhile.
    """

    name: str
    work: str
    seconds: float
    bytes: float


def stages(config: ml_collections.ConfigDict, costs: Costs, shape: Shape) -> list[Stage]:
    """What a run does with some settings.

    Args:
        config: a preset.
        costs: of its steps.
        shape: of its models.
    """
    made, learned = config.extraction, config.distillation
    count = config.num_generators
    steps = made.epochs * made.steps_per_epoch
    one = costs.extraction.time(made.batch_size)
    drawn, batch = costs.drawing, config.batch_size
    answer = drawn.time(batch) / batch  # seconds of a row, drawn and answered
    each = costs.distillation.time(batch) + drawn.time(batch)
    arms = len([arm for arm in config.arms if arm != "tucker"])
    trained = shape.students * arms * config.num_seeds
    own = learned.epochs * learned.steps_per_epoch
    evaluated = config.held_out * answer
    count_pilots = shape.pilots(config)
    pilots = count_pilots * (PILOT_STEPS * each + evaluated)
    held = costs.held + 4 * FLOAT32 * config.held_out * shape.example  # two sets, each twice
    step_bytes = costs.distillation.memory(batch) + drawn.memory(batch)
    tried = f", {count_pilots} pilots each" * bool(count_pilots)
    searches = shape.searched * searching.MOST
    tries = shape.modes(config)
    sizes = searches * (
        (min(searching.STEPS, own) + tries * PILOT_STEPS) * each + (2 + tries) * evaluated
    )
    tried += f", {searches} pilots for sizes" * bool(searches)
    measured = trained + shape.students + 3
    exported = config.export
    kinds = {form[:11] for form in exported.formats if form.startswith("litert_int")}  # 8, 4 bits
    rounded = len(kinds) * exported.qat_steps * each if exported.qat != "off" else 0.0
    return [
        Stage(
            "generators",
            f"{count} of {steps} steps of {made.batch_size}, {one:.2g} s a step",
            count * (steps * one + RECOGNITION * answer),
            costs.held + costs.extraction.memory(made.batch_size),
        ),
        Stage(
            "students",
            f"{trained} of {own} steps of {batch}, {each:.2g} s a step{tried}",
            trained * (own * each + learned.epochs * evaluated + pilots) + sizes,
            held + step_bytes,
        ),
        Stage(
            "measuring, export",
            f"{config.held_out} held-out examples, {len(exported.formats)} formats",
            measured * evaluated
            + EXPORTED * EXPORT_SECONDS * (1 + len(exported.formats))
            + rounded,
            held + drawn.memory(min(config.held_out, teachers.rows_at_once((shape.example,), 256))),
        ),
    ]


def seconds(plan: list[Stage]) -> float:
    """Of all stages."""
    return sum(stage.seconds for stage in plan)


def table(plan: list[Stage], changes: Mapping[str, object], free: float) -> str:
    """A plan for people.

    Args:
        plan: stages in order.
        changes: settings that were cut, by dotted key.
        free: bytes that the process may hold.
    """
    lines = [
        f"{stage.name}: {stage.work}, {duration(stage.seconds)}, {gibibytes(stage.bytes)}"
        for stage in plan
    ]
    most = max(stage.bytes for stage in plan)
    whole = f"in all: about {duration(seconds(plan))} with nothing beside it"
    lines.append(
        f"{whole}, at most {gibibytes(most)} of memory, of {gibibytes(free)} that are free"
    )
    if changes:
        cut = ", ".join(f"{key} {value}" for key, value in changes.items())
        lines.append(f"cut to fit: {cut}")
    if any(key.endswith("batch_size") for key in changes):
        lines.append("Moments and diversity are those of the smaller batches.")
    return "\n".join(lines)


def gibibytes(number):
    """Bytes, for people."""
    return f"{number / 2**30:.2g} GiB"
