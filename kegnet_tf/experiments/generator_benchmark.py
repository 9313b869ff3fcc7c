"""A generator's training step beside what it cannot do without, and beside other ways to do it."""

import dataclasses

import keras
import tensorflow as tf

from kegnet_tf import extraction, runs
from kegnet_tf.experiments import timing
from kegnet_tf.experiments.bare_passes import bare_passes
from kegnet_tf.extraction import ExtractionSettings

# What a row says of the settings that were timed.
_WEIGHTS = ("beta", "gamma", "distance", "jitter")


def generator_step(
    teacher: keras.Model,
    generator: keras.Model,
    decoder: keras.Model,
    settings: ExtractionSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """A whole training step of a generator beside the passes that it cannot do without.

    The reference is the teacher's own: its forward pass and the gradient of the classifier loss
    with respect to x, on one fixed batch. Beside it stand the passes of all three networks: forward
    through generator, teacher and decoder and the gradient of classifier and decoder loss with
    respect to (y, z), but no weight's gradient, no other loss, no optimiser, no metric, no latent
    to draw.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        decoder: model from x to z.
        settings: of extraction; XLA compiles both where it says so.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "batch_size", "beta", "gamma", "distance", "jitter";
        "passes_milliseconds" and "passes_ratio" of the passes of all three; and "memory": bytes
        that a new process holds at most in its first training steps, less those before.
    """
    models, given = (teacher, generator, decoder), (steps, repeats)
    with runs.progress.stage("Memory of a generator step"):
        memory = runs.apart(_step_memory, *models, settings, steps)
    step = _training(*models, settings, steps)

    references = bare_passes(*models, settings)
    row, beside = (
        timing.compare(
            "generator step", step, name, lambda call=call: [call() for _ in range(steps)], *given
        )
        for name, call in references.items()
    )
    row["passes_milliseconds"], row["passes_ratio"] = (
        beside["reference_milliseconds"],
        beside["ratio"],
    )
    return row | _said(settings) | {"memory": memory}


def generators_together(
    teacher: keras.Model,
    generators: list[keras.Model],
    decoders: list[keras.Model],
    settings: ExtractionSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """A training step of k generators together beside one of each in k plain Python loops.

    The reference draws a batch and calls `train_on_batch`, `steps` times for each generator in
    turn, without XLA; it trains copies.

    Args:
        teacher: classifier from x to logits.
        generators: k models from (y, z) to x, alike but for their weights.
        decoders: k models from x to z, alike but for their weights.
        settings: of extraction; XLA compiles the step of all where it says so.
        steps: of each generator in one timed call; ours are one execution.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "generators", "batch_size", "beta", "gamma", "distance", "jitter"
        and "jit_compile".
    """
    shape = _shape(generators[0], settings)
    together = extraction.Ensemble(teacher, generators, decoders)
    together.compile(
        keras.optimizers.Adam(),
        settings,
        jit_compile=settings.jit_compile,
        steps_per_execution=steps,
    )
    ours = timing.executed(together, extraction.stream_together(range(len(generators)), *shape))
    alone = []
    for pair in zip(generators, decoders, strict=True):
        copies = (model.from_config(model.get_config()) for model in pair)
        kegnet = extraction.KegNet(teacher, *copies)
        kegnet.compile(keras.optimizers.Adam(), settings, jit_compile=False)
        alone.append(kegnet)

    def loops():
        for seed, kegnet in enumerate(alone):
            for step in range(steps):
                kegnet.train_on_batch(*extraction.sample(seed, step, *shape, "onehot"))

    row = timing.compare(
        "generators together",
        ours,
        "plain loops of train_on_batch, one after another",
        loops,
        steps,
        repeats,
    )
    row |= {"generators": len(generators), **_said(settings)}
    return row | {"jit_compile": settings.jit_compile}


def compilation(
    teacher: keras.Model,
    generator: keras.Model,
    decoder: keras.Model,
    settings: ExtractionSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """A training step of a generator compiled by XLA beside the same without.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        decoder: model from x to z.
        settings: of extraction, but for its choice of XLA.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "batch_size", "beta", "gamma", "distance" and "jitter".
    """
    models = teacher, generator, decoder
    xla, plain = (
        _training(*models, dataclasses.replace(settings, jit_compile=choice), steps)
        for choice in (True, False)
    )
    row = timing.compare("generator step, XLA", xla, "without XLA", plain, steps, repeats)
    return row | _said(settings)


def diversity(
    data_shape: tuple[int, ...],
    latent_dim: int,
    settings: ExtractionSettings,
    *,
    steps: int,
    repeats: int,
) -> dict:
    """The diversity loss and its gradient beside Equation 10 as it is written, all pairs at once.

    Args:
        data_shape: of one example.
        latent_dim: length of z.
        settings: of extraction, whose batch size and distance count.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `timing.compare`, with "batch_size", "distance", "memory" and "reference_memory": bytes
        that a new process holds at most in a first call, less those before.
    """
    shape = data_shape, latent_dim, settings
    losses = extraction.diversity_loss, pairwise_diversity
    memory = [runs.apart(_gradient_memory, loss, *shape) for loss in losses]
    ours, naive = (_gradient(loss, *shape, steps) for loss in losses)
    row = timing.compare("diversity loss", ours, "all pairs at once", naive, steps, repeats)
    row |= {"batch_size": settings.batch_size, "distance": settings.distance}
    return row | dict(zip(("memory", "reference_memory"), memory, strict=True))


def pairwise_diversity(z: tf.Tensor, x: tf.Tensor, distance: str) -> tf.Tensor:
    """Equation 10 with a tensor of all pairs' features, as in the release.

    Args:
        z: latents, [batch, latent_dim].
        x: generated data, [batch, ...], standardised.
        distance: "l1" or "l2".
    """
    power = {"l1": tf.abs, "l2": tf.square}[distance]
    x = tf.reshape(x, (x.shape[0], -1))
    data = tf.reduce_mean(power(x[:, None] - x[None]), axis=2)
    latent = tf.reduce_mean(tf.square(z[:, None] - z[None]), axis=2)
    return tf.exp(-tf.reduce_mean(latent * data))


def _gradient(loss, data_shape, latent_dim, settings, steps=1):
    """A function that computes a diversity loss and its gradient on a fixed batch."""
    z = tf.random.stateless_normal((settings.batch_size, latent_dim), (0, 0))
    x = tf.random.stateless_normal((settings.batch_size, *data_shape), (0, 1))

    @tf.function
    def gradient(z, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(z, x, settings.distance)
        return value, tape.gradient(value, x)

    return lambda: [gradient(z, x) for _ in range(steps)]


# In a process of their own: TensorFlow keeps what was freed, for the next one to take.
def _gradient_memory(*given):
    return runs.peak_memory(_gradient(*given))


def _step_memory(*given):
    return runs.peak_memory(_training(*given))


def _training(teacher, generator, decoder, settings, steps):
    """A function that trains `steps` steps in one execution."""
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile(
        keras.optimizers.Adam(),
        settings,
        jit_compile=settings.jit_compile,
        steps_per_execution=steps,
    )
    return timing.executed(kegnet, extraction.stream(0, *_shape(generator, settings)))


def _shape(generator, settings):
    """Sizes of a batch as `extraction.sample` takes them."""
    return settings.batch_size, generator.num_classes, generator.latent_dim


def _said(settings):
    """What a row says of the settings."""
    return {key: getattr(settings, key) for key in ("batch_size", *_WEIGHTS)}
