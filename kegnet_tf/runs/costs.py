"""What a step of each stage costs, measured on few rows in the first seconds of a run."""

import dataclasses
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kegnet_tf import distillation, extraction, teachers
from kegnet_tf.runs import initial_students, memory

ROWS = 2  # of the first steps that are measured
SECONDS = 1.0  # that a measured step is to last at most; ours
REPEATS = 3  # of which the least counts
_BATCHES = 8  # that are drawn at once, since some are ready before
_FEATURES = 8  # rows that the variances of features are measured on: they do not change a step


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one step, for a batch.

    Attributes:
        seconds: of a step, beside those of its rows.
        row_seconds: more of them for each row.
        bytes: that a step holds at most, beside those of its rows.
        row_bytes: more of them for each row.
    """

    seconds: float
    row_seconds: float
    bytes: float
    row_bytes: float

    def time(self, rows: int) -> float:
        """Seconds of a step of so many rows."""
        return self.seconds + rows * self.row_seconds

    def memory(self, rows: int) -> float:
        """Bytes that a step of so many rows holds at most."""
        return self.bytes + rows * self.row_bytes


@dataclasses.dataclass(frozen=True)
class Costs:
    """Of a run.

    Attributes:
        held: bytes that the process holds before any of it, models included.
        extraction: a step of one generator.
        drawing: a batch of artificial data with the teacher's answers.
        distillation: a step of the student with most parameters.
    """

    held: float
    extraction: Cost
    drawing: Cost
    distillation: Cost


def measure(run) -> Costs:
    """Measures the steps of a run, by untrained generators.

    Args:
        run: a `Run`, checked.
    """
    generators = [run.build_generator(seed) for seed in range(run.config.num_generators)]
    config = run.config
    held = memory.held()
    clocks = [time.perf_counter]
    if not tf.config.list_physical_devices("GPU"):  # whose work is no time of the processor's
        clocks.append(time.process_time)
    extracting = fitted(_extraction(run, generators[0]), config.extraction.batch_size, clocks)
    drawing = fitted(_drawing(run, generators), config.batch_size, clocks)
    times = {name: getattr(drawing, name) / _BATCHES for name in ("seconds", "row_seconds")}
    drawing = dataclasses.replace(drawing, **times)
    learning = fitted(_distillation(run), config.batch_size, clocks)
    return Costs(held, extracting, drawing, learning)


def fitted(
    step: Callable[[int], object],
    most: int,
    clocks: Sequence[Callable[[], float]] = (time.perf_counter, time.process_time),
    peak: Callable[[Callable[[], object]], float] = memory.peak_memory,
) -> Cost:
    """What a step costs, as a straight line in its rows.

    The larger of two numbers of rows is what is asked for, where that is done in `SECONDS`.

    Args:
        step: function of a number of rows that does one step.
        most: rows of the batches to come.
        clocks: each gives seconds since any moment, and the one counts by which a step takes least.
            Beside other jobs a step lasts long and takes the processor time that it always does.
        peak: function of a call that gives the bytes that it holds at most.
    """

    def measured(rows):
        step(rows)  # traced, compiled, set up
        held = peak(lambda: step(rows))  # gives memory back first, so that its time says nothing
        seconds = []
        while len(seconds) < REPEATS and sum(seconds) < SECONDS:
            started = [clock() for clock in clocks]
            step(rows)
            passed = [clock() - start for clock, start in zip(clocks, started, strict=True)]
            seconds.append(min(passed))
        return min(seconds), held

    few = min(ROWS, most)
    seconds, held = measured(few)
    many = min(max(int(few * SECONDS / max(seconds, 1e-6)), 2 * few), most)
    if many == few:
        return Cost(0.0, seconds / few, 0.0, held / few)
    more_seconds, more_held = measured(many)
    return Cost(*_line(few, seconds, many, more_seconds), *_line(few, held, many, more_held))


def _line(few, low, many, high):
    """(start, slope) of the line through two points, where it rises; else of that from 0."""
    slope = (high - low) / (many - few)
    start = low - few * slope
    return (start, slope) if slope > 0 and start >= 0 else (0.0, high / many)


def _extraction(run, generator):
    settings = extraction.ExtractionSettings(**run.config.extraction)
    kegnet = extraction.KegNet(run.teacher, generator, run.build_decoder(0))
    kegnet.compile(keras.optimizers.Adam(), settings, jit_compile=False)
    sizes = generator.num_classes, generator.latent_dim

    @tf.function(input_signature=[tf.TensorSpec((None, size)) for size in sizes], autograph=False)
    def step(y, z):
        return kegnet.train_step((y, z))

    return lambda rows: step(*extraction.sample(0, 0, rows, *sizes, "onehot"))


def _drawing(run, generators):
    """`_BATCHES` batches in a row, of a stream that is under way."""
    source, streams = run.source_of(generators), {}

    def step(rows):
        if rows not in streams:
            streams[rows] = iter(source.stream(rows, 0))
        for _ in range(_BATCHES):
            next(streams[rows])

    return step


def _distillation(run):
    """The step of the largest student, in training mode, beside its teacher's features if asked."""
    students = initial_students.foreseen(run).values()
    largest = max(students, key=lambda each: each.count_params())
    student = teachers.standardised(teachers.load(largest, output="logits"))
    settings = run.distillation_settings
    shape, classes = run.teacher.input_shape[1:], run.teacher.output_shape[-1]
    asked, found = settings.features != "off" and len(shape) == 3, None
    if asked and distillation.paired(student, run.teacher):
        x = tf.random.stateless_normal((_FEATURES, *shape), (0, 0)).numpy()
        found = distillation.features(student, run.teacher, x)
    distiller = distillation.Distiller(student)
    choice = distillation.Choice(batch_norm="training")
    given = {"features": found, "feature_weight": lambda step: 1.0, "jit_compile": False}
    distiller.compile(keras.optimizers.Adam(), choice, **given)

    @tf.function(
        input_signature=[tf.TensorSpec((None, *shape)), tf.TensorSpec((None, classes))],
        autograph=False,
    )
    def step(x, p):
        return distiller.train_step((x, p))

    return lambda rows: step(
        tf.random.stateless_normal((rows, *shape), (0, 0)), tf.fill((rows, classes), 1 / classes)
    )
