"""How long a whole run takes to a given accuracy, beside the budget of the paper's authors."""

import dataclasses
import tempfile
import time

import keras
import ml_collections
import tensorflow as tf

from kegnet_tf import distillation, extraction, runs, teachers
from kegnet_tf.experiments import generator_benchmark, paper, timing


def time_to_accuracy(
    config: ml_collections.ConfigDict,
    accuracy: float,
    student: str = "",
    *,
    steps: int,
    repeats: int,
    data: runs.DataOptions | None = None,
) -> dict:
    """How long a preset takes from the teacher alone to an accuracy, beside the authors' budget.

    The reference is the least number of steps of the authors' budget, times that of a plain step
    in the same run, on one batch: of a generator with the diversity loss over all pairs, even at
    beta 0 as in the release; of a student `train_on_batch` at the release's batch size. Real test
    data stop the clock, and serve nothing else; the time that measuring takes does not count.

    Args:
        config: a preset whose teacher ships.
        accuracy: on real test data, a fraction.
        student: name among the preset's; "" for the first.
        steps: of the plain steps, in one timed call.
        repeats: timed calls of those.
        data: where the test data come from; None for the preset's, where they are at hand.

    Returns:
        {"name", "student", "accuracy", "reached", "minutes", "extraction_minutes", "reference",
        "reference_minutes", "generator_milliseconds", "student_milliseconds", "ratio", "cores",
        "versions"}: the accuracy asked for and the last one measured; minutes of everything and of
        the generators alone, of the authors' budget and its two steps; and the authors' time over
        ours. `minutes` and `ratio` are None where the preset ends below the accuracy.

    Raises:
        ValueError: if there are no test data, or `student` is unknown.
    """
    name = student or next(iter(config.students))
    with tempfile.TemporaryDirectory() as folder:
        run = runs.Run(config, folder, students=(name,), data=data or runs.DataOptions())
        reached = reach(run, name, accuracy)
        plain = plain_steps(run, name, paper.budget(config.teacher), steps, repeats)
    return {
        "name": "time to accuracy",
        "student": name,
        "accuracy": accuracy,
        **beside_authors(reached, plain, paper.least_steps(config.teacher)),
        **timing.machine(),
    }


@dataclasses.dataclass(frozen=True)
class Reached:
    """How far a run came, and when.

    Attributes:
        accuracy: the last one measured, on real test data.
        extraction_minutes: of compression and all generators.
        minutes: of everything; None where the run ended below the accuracy asked for.
    """

    accuracy: float
    extraction_minutes: float
    minutes: float | None


def reach(run: runs.Run, name: str, accuracy: float) -> Reached:
    """Makes one student of a run, up to an accuracy.

    Args:
        run: in an empty folder.
        name: of the student.
        accuracy: on real test data, a fraction.

    Raises:
        ValueError: if there are no test data, or the student is unknown.
    """
    if not run.real.test:
        raise ValueError("`accuracy` must come with test data (TFDS_DATA_DIR). Received: none.")
    watch = _Until(accuracy, run.real.test)
    started = time.perf_counter()
    run.initial[name]  # noqa: B018 (compression counts)
    run.generators  # noqa: B018 (extraction counts)
    extracted = time.perf_counter()
    run.train_student(name, run.config.source, 0, callbacks=[watch])
    minutes = (watch.ended - started - watch.spent) / 60 if watch.ended else None
    return Reached(watch.reached, (extracted - started) / 60, minutes)


def beside_authors(reached: Reached, plain: dict[str, float], least_steps: dict[str, int]) -> dict:
    """The times of a run beside the authors' least budget in plain steps.

    Args:
        reached: what the run took.
        plain: milliseconds of a plain step, by "generator" and "student".
        least_steps: how many of them the authors take, by the same names.

    Returns:
        {"reached", "minutes", "extraction_minutes", "reference", "reference_minutes",
        "generator_milliseconds", "student_milliseconds", "ratio"} of `time_to_accuracy`.
    """
    authors = sum(least_steps[part] * plain[part] for part in least_steps) / 60_000
    return {
        "reached": reached.accuracy,
        "minutes": reached.minutes,
        "extraction_minutes": reached.extraction_minutes,
        "reference": "the authors' least budget in plain steps",
        "reference_minutes": authors,
        "generator_milliseconds": plain["generator"],
        "student_milliseconds": plain["student"],
        "ratio": reached.minutes and authors / reached.minutes,
    }


class _Until(keras.callbacks.Callback):
    """Ends distillation at an accuracy on real data, and keeps the time."""

    def __init__(self, accuracy, test):
        super().__init__()
        self.accuracy, self.test = accuracy, test
        self.spent, self.reached, self.ended = 0.0, None, None

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.reached = distillation.accuracy(self.model.student.predict_on_batch, *self.test)
        if self.reached >= self.accuracy:
            self.ended, self.model.stop_training = now, True
        else:
            self.spent += time.perf_counter() - now


def plain_steps(
    run: runs.Run, name: str, budget: dict, steps: int, repeats: int
) -> dict[str, float]:
    """Milliseconds of a plain step of either, by "generator" and "student".

    Args:
        run: whose teacher, generator, decoder and student are taken.
        name: of the student.
        budget: the authors' settings, see `paper.budget`.
        steps: in one timed call.
        repeats: timed calls.
    """
    teacher, generator = run.teacher, run.build_generator(0)
    sizes = generator.num_classes, generator.latent_dim
    x = generator(extraction.sample(0, 0, budget["batch_size"], *sizes, "onehot"))
    p = tf.nn.softmax(teacher(x))
    distiller = distillation.Distiller(teachers.standardised(run.initial[name]))
    choice = distillation.Choice(loss="cross_entropy", batch_norm="training")
    distiller.compile(keras.optimizers.Adam(1e-4), choice, jit_compile=False)
    step = _plain_generator_step(teacher, generator, run.build_decoder(0), budget)
    row = timing.compare(
        "generator",
        lambda: [step() for _ in range(steps)],
        "student",
        lambda: [distiller.train_on_batch(x, p) for _ in range(steps)],
        steps,
        repeats,
    )
    return {"generator": row["milliseconds"], "student": row["reference_milliseconds"]}


def _plain_generator_step(teacher, generator, decoder, budget):
    learned = generator.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(budget["extraction.learning_rate"])
    optimizer.build(learned)

    @tf.function
    def step(y, z, alpha, beta):  # weights as tensors: a constant 0 would leave the pairs out
        with tf.GradientTape() as tape:
            x = generator((y, z), training=True)
            loss = extraction.classifier_loss(y, teacher(x, training=False))
            loss += alpha * extraction.decoder_loss(z, decoder(x, training=True))
            distance = budget["extraction.distance"]
            loss += beta * generator_benchmark.pairwise_diversity(z, x, distance)
        gradients = tape.gradient(loss, [variable.value for variable in learned])
        optimizer.apply_gradients(zip(gradients, learned, strict=True))

    weights = [tf.constant(budget[f"extraction.{name}"]) for name in ("alpha", "beta")]
    sizes = budget["extraction.batch_size"], generator.num_classes, generator.latent_dim
    batch = [*extraction.sample(0, 0, *sizes, "onehot"), *weights]
    return lambda: step(*batch)
