"""How long a whole run takes to a given accuracy, beside the budget of the paper's authors."""

import os
import pathlib
import statistics
import tempfile
import time

import keras
import tensorflow as tf

from kegnet_tf import (
    benchmark,
    checks,
    compression,
    distillation,
    evaluation,
    latents,
    losses,
    paper,
    pipeline,
    preprocessing,
    report,
    stages,
    synthesis,
    teachers,
)
from kegnet_tf.networks.decoder import Decoder


def time_to_accuracy(config, accuracy, student="", *, steps, repeats):
    """How long a preset takes from the teacher alone to an accuracy, beside the authors' budget.

    The reference is the least number of steps of the authors' budget, times that of a plain Keras
    step in the same run: `train_on_batch`, the diversity loss over all pairs even at beta 0 as in
    the release, and students at the release's batch size. Real test data stop the clock, and serve
    nothing else; the time that measuring takes does not count.

    Args:
        config: a preset whose teacher ships.
        accuracy: on real test data, a fraction.
        student: name among the preset's; "" for the first.
        steps: of the plain steps, in one timed call.
        repeats: timed calls of those.

    Returns:
        {"name", "student", "accuracy", "reached", "minutes", "extraction_minutes", "reference",
        "reference_minutes", "generator_milliseconds", "student_milliseconds", "ratio", "cores",
        "versions"}: the accuracy asked for and the last one measured; minutes of everything and of
        the generators alone, of the authors' budget and its two steps; and the authors' time over
        ours. `minutes` and `ratio` are None where the preset ends below the accuracy.

    Raises:
        ValueError: if there are no test data, or `student` is unknown.
    """
    source = teachers.load(teachers.pretrained(config.teacher))
    model = preprocessing.standardised(source)
    sizes = source.input_shape[1:], source.output_shape[-1]
    if not (test := pipeline.real_data(config, *sizes, "", False, "")):
        raise ValueError("`accuracy` must come with test data (TFDS_DATA_DIR). Received: none.")
    name = checks.chosen([student] if student else [], config.students)[0]
    watch = _Until(accuracy, (preprocessing.standardise(source, test[0]), test[1]))
    with tempfile.TemporaryDirectory() as folder:
        workdir = pathlib.Path(folder)
        started = time.perf_counter()
        start = compression.compress(source, **config.students[name].to_dict())
        generators, _ = stages.train_generators(config, workdir, model)
        extracted = time.perf_counter()
        drawn = stages.artificial(config, source, generators)
        seed = latents.derive_seed(config.seed, "selection")
        held_out = synthesis.synthesise(model, config.source, config.held_out, seed=seed, **drawn)
        key = name, config.source, 0
        stages.train_student(config, workdir, model, start, key, held_out, drawn, [watch])
    minutes = (watch.ended - started - watch.spent) / 60 if watch.ended else None
    naive = _authors_steps(config, source, start, steps, repeats)
    budget = paper.least_steps(config.teacher)
    theirs = sum(budget[part] * naive[part] for part in budget) / 60_000
    return {
        "name": "time to accuracy",
        "student": name,
        "accuracy": accuracy,
        "reached": watch.reached,
        "minutes": minutes,
        "extraction_minutes": (extracted - started) / 60,
        "reference": "the authors' least budget in plain steps",
        "reference_minutes": theirs,
        "generator_milliseconds": naive["generator"],
        "student_milliseconds": naive["student"],
        "ratio": minutes and theirs / minutes,
        "cores": len(os.sched_getaffinity(0)),
        "versions": report.versions(),
    }


class _Until(keras.callbacks.Callback):
    """Ends distillation at an accuracy on real data, and keeps the time."""

    def __init__(self, accuracy, test):
        super().__init__()
        self.accuracy, self.test = accuracy, test
        self.spent, self.reached, self.ended = 0.0, None, None

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        self.reached = evaluation.accuracy(self.model.student.predict_on_batch, *self.test)
        if self.reached >= self.accuracy:
            self.ended, self.model.stop_training = now, True
        else:
            self.spent += time.perf_counter() - now


def _authors_steps(config, source, start, steps, repeats):
    """Milliseconds of a plain step of either, by "generator" and "student"."""
    teacher, budget = preprocessing.standardised(source), paper.budget(config.teacher)
    generator = stages.build_generator(config, teacher, seed=0)
    shape, latent_dim = teacher.input_shape[1:], generator.latent_dim
    decoder = Decoder(shape, latent_dim, seed=0, **config.decoder)
    learned = generator.trainable_variables + decoder.trainable_variables
    optimizer = keras.optimizers.Adam(budget["extraction.learning_rate"])
    optimizer.build(learned)

    @tf.function
    def step(y, z, alpha, beta):  # weights as tensors: a constant 0 would leave the pairs out
        with tf.GradientTape() as tape:
            x = generator((y, z), training=True)
            loss = losses.classifier_loss(y, teacher(x, training=False))
            loss += alpha * losses.decoder_loss(z, decoder(x, training=True))
            loss += beta * benchmark.pairwise_diversity(z, x, budget["extraction.distance"])
        gradients = tape.gradient(loss, [variable.value for variable in learned])
        optimizer.apply_gradients(zip(gradients, learned, strict=True))

    weights = [tf.constant(budget[f"extraction.{name}"]) for name in ("alpha", "beta")]
    sizes = budget["extraction.batch_size"], generator.num_classes, latent_dim
    batch = [*latents.sample(0, 0, *sizes, "onehot"), *weights]
    distiller = distillation.Distiller(preprocessing.standardised(start))
    distiller.compile(keras.optimizers.Adam(1e-4), batch_norm="training", jit_compile=False)
    x = generator(latents.sample(0, 0, budget["batch_size"], *sizes[1:], "onehot"))
    p = tf.nn.softmax(teacher(x))
    return {
        "generator": _milliseconds(lambda: step(*batch), steps, repeats),
        "student": _milliseconds(lambda: distiller.train_on_batch(x, p), steps, repeats),
    }


def _milliseconds(call, steps, repeats):
    """Median time of one call, over `repeats` rounds of `steps` after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        for _ in range(steps):
            call()
        seconds.append((time.perf_counter() - started) / steps)
    return 1e3 * statistics.median(seconds[1:])
