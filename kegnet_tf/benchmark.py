"""Times, each beside its reference in one run: only the ratio means something elsewhere."""

import os
import pathlib
import statistics
import time

import keras
import tensorflow as tf

from kegnet_tf import (
    compression,
    distillation,
    ensemble,
    extraction,
    latents,
    losses,
    pipeline,
    preprocessing,
    report,
    stages,
    synthesis,
)
from kegnet_tf.networks.decoder import Decoder


def training_steps(config, steps, repeats):
    """Times the steps of extraction, synthesis and distillation of a preset.

    Args:
        config: a preset that names a network.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        The rows of `generator_step`, `compilation`, `diversity` and `input_pipeline`, of
        `generators_together` for a table, and of `student_step` for each student.
    """
    timing = {"steps": steps, "repeats": repeats}
    # What a network has learned does not change a step's time.
    source = pipeline.build_network(config)
    teacher = preprocessing.standardised(source)
    seeds = range(config.num_generators)
    generators = [stages.build_generator(config, teacher, seed) for seed in seeds]
    shape, latent_dim = teacher.input_shape[1:], generators[0].latent_dim
    decoders = [Decoder(shape, latent_dim, seed=seed, **config.decoder) for seed in seeds]
    keys = "alpha", "beta", "gamma", "distance", "jitter", "batch_size", "jit_compile"
    settings = {key: config.extraction[key] for key in keys} | timing
    first = teacher, generators[0], decoders[0]
    rows = [generator_step(*first, **settings)]
    either = {key: value for key, value in settings.items() if key != "jit_compile"}
    rows.append(compilation(*first, **either))
    rows.append(diversity(shape, latent_dim, config.extraction, **timing))
    if len(shape) == 1:
        rows.append(generators_together(teacher, generators, decoders, **settings))
    students = {
        name: preprocessing.standardised(compression.compress(source, **policy))
        for name, policy in config.students.to_dict().items()
    }
    drawn = stages.artificial(config, source, generators)
    data = synthesis.stream(teacher, config.source, batch_size=config.batch_size, seed=0, **drawn)
    rows.append(input_pipeline(next(iter(students.values())), data, config.distillation, **timing))
    for name, student in students.items():
        row = student_step(student, data, config.distillation, **timing)
        rows.append({**row, "name": f"{row['name']}, {name}"})
    return rows


def compare(name, run, reference_name, reference, steps, repeats):
    """Times two functions in turns, so that a drift of the machine meets both.

    Args:
        name: what `run` is.
        run: function without arguments that does `steps` steps.
        reference_name: what `reference` is.
        reference: likewise.
        steps: in one call of either.
        repeats: counted calls of each, after one that is not.

    Returns:
        {"name", "reference", "milliseconds", "reference_milliseconds", "ratio", "spread", "cores",
        "versions"}: medians for one step, their ratio, and the least and the largest ratio of two
        neighbouring calls.
    """
    seconds = []
    for _ in range(repeats + 1):
        pair = []
        for call in (run, reference):
            started = time.perf_counter()
            call()
            pair.append((time.perf_counter() - started) / steps)
        seconds.append(pair)
    ours, theirs = zip(*seconds[1:], strict=True)
    ratios = [a / b for a, b in seconds[1:]]
    return {
        "name": name,
        "reference": reference_name,
        "milliseconds": 1e3 * statistics.median(ours),
        "reference_milliseconds": 1e3 * statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "cores": len(os.sched_getaffinity(0)),
        "versions": report.versions(),
    }


def generator_step(
    teacher, generator, decoder, *, alpha, batch_size, jit_compile, steps, repeats, **weights
):
    """A whole training step of a generator beside the passes that it cannot do without.

    The reference is the forward pass of generator, teacher and decoder and the gradient of
    classifier and decoder loss with respect to (y, z), on one fixed batch: no weight's gradient,
    no diversity loss, no optimiser, no metric, no latent to draw.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        decoder: model from x to z.
        alpha: weight of the decoder loss.
        batch_size: latents in a step.
        jit_compile: whether XLA compiles both.
        steps: in one timed call.
        repeats: timed calls.
        **weights: `beta`, `gamma`, `distance` and `jitter` of `extraction.KegNet.compile`.

    Returns:
        As `compare`, with "batch_size", `weights` and "memory": bytes that the process holds at
        most in its first training steps, less those that it held before.
    """
    shape = (batch_size, generator.num_classes, generator.latent_dim)
    step = _generator_steps(teacher, generator, decoder, alpha, shape, jit_compile, steps, weights)
    memory = _peak(step)

    bare = extraction.KegNet(teacher, generator, decoder)
    bare.compile(keras.optimizers.SGD(), alpha)
    y, z = latents.sample(0, 0, *shape, "onehot")

    @tf.function(jit_compile=jit_compile)
    def passes(y, z):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((y, z))
            terms, _ = bare.compute_losses(y, z, training=True)
        return tape.gradient(terms["loss"], (y, z))

    row = compare(
        "generator step",
        step,
        "forward and input-gradient pass",
        lambda: [passes(y, z) for _ in range(steps)],
        steps,
        repeats,
    )
    return row | {"batch_size": batch_size, **weights, "memory": memory}


def generators_together(
    teacher, generators, decoders, *, alpha, batch_size, jit_compile, steps, repeats, **weights
):
    """A training step of k generators together beside one of each in k plain Python loops.

    The reference draws a batch and calls `train_on_batch`, `steps` times for each generator in
    turn, without XLA; it trains copies.

    Args:
        teacher: classifier from x to logits.
        generators: k models from (y, z) to x, alike but for their weights.
        decoders: k models from x to z, likewise.
        alpha: weight of the decoder loss.
        batch_size: latents of a generator in a step.
        jit_compile: whether XLA compiles the step of all.
        steps: of each generator in one timed call; ours are one execution.
        repeats: timed calls.
        **weights: as in `generator_step`.

    Returns:
        As `compare`, with "generators", "batch_size", `weights` and "jit_compile".
    """
    shape = (batch_size, generators[0].num_classes, generators[0].latent_dim)
    settings = {"alpha": alpha, **weights}
    together = ensemble.Ensemble(teacher, generators, decoders)
    together.compile(
        keras.optimizers.Adam(), jit_compile=jit_compile, steps_per_execution=steps, **settings
    )
    together.make_train_function()
    data = iter(ensemble.stream(range(len(generators)), *shape))
    alone = []
    for pair in zip(generators, decoders, strict=True):
        kegnet = extraction.KegNet(
            teacher, *(model.from_config(model.get_config()) for model in pair)
        )
        kegnet.compile(keras.optimizers.Adam(), jit_compile=False, **settings)
        alone.append(kegnet)

    def loops():
        for seed, kegnet in enumerate(alone):
            for step in range(steps):
                kegnet.train_on_batch(*latents.sample(seed, step, *shape, "onehot"))

    row = compare(
        "generators together",
        lambda: together.train_function(data),
        "plain loops of train_on_batch, one after another",
        loops,
        steps,
        repeats,
    )
    of = {"generators": len(generators), "batch_size": batch_size, **weights}
    return row | of | {"jit_compile": jit_compile}


def compilation(teacher, generator, decoder, *, alpha, batch_size, steps, repeats, **weights):
    """A training step of a generator compiled by XLA beside the same without.

    Args:
        teacher: as in `generator_step`, like all that follows.
        generator: likewise.
        decoder: likewise.
        alpha: likewise.
        batch_size: likewise.
        steps: likewise.
        repeats: likewise.
        **weights: likewise.

    Returns:
        As `compare`, with "batch_size" and `weights`.
    """
    shape = (batch_size, generator.num_classes, generator.latent_dim)
    xla, plain = (
        _generator_steps(teacher, generator, decoder, alpha, shape, choice, steps, weights)
        for choice in (True, False)
    )
    row = compare("generator step, XLA", xla, "without XLA", plain, steps, repeats)
    return row | {"batch_size": batch_size, **weights}


def diversity(data_shape, latent_dim, settings, *, steps, repeats):
    """The diversity loss and its gradient beside Equation 10 as it is written, all pairs at once.

    Args:
        data_shape: of one example.
        latent_dim: length of z.
        settings: with "batch_size" and "distance", of `extraction.extract`.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `compare`, with "batch_size", "memory" and "reference_memory", bytes as in
        `generator_step`.
    """
    batch_size, distance = settings["batch_size"], settings["distance"]
    z = tf.random.stateless_normal((batch_size, latent_dim), (0, 0))
    x = tf.random.stateless_normal((batch_size, *data_shape), (0, 1))

    def call(loss):
        @tf.function
        def gradient(z, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(z, x, distance)
            return value, tape.gradient(value, x)

        return lambda: [gradient(z, x) for _ in range(steps)]

    ours, naive = call(losses.diversity_loss), call(pairwise_diversity)
    memory = {"memory": _peak(ours), "reference_memory": _peak(naive)}
    row = compare("diversity loss", ours, "all pairs at once", naive, steps, repeats)
    return row | {"batch_size": batch_size, "distance": distance} | memory


def pairwise_diversity(z, x, distance):
    """Equation 10 with a tensor of all pairs' features, as in the release."""
    power = {"l1": tf.abs, "l2": tf.square}[distance]
    x = tf.reshape(x, (x.shape[0], -1))
    data = tf.reduce_mean(power(x[:, None] - x[None]), axis=2)
    latent = tf.reduce_mean(tf.square(z[:, None] - z[None]), axis=2)
    return tf.exp(-tf.reduce_mean(latent * data))


def input_pipeline(student, data, settings, *, steps, repeats):
    """A training step of a student on fresh artificial data beside the same on one fixed batch.

    Args:
        student: classifier from x to logits.
        data: endless `tf.data.Dataset` of (x, p), as from `synthesis.stream`.
        settings: of `distillation.distil`.
        steps: in one timed call.
        repeats: timed calls.

    Returns:
        As `compare`, with "batch_size".
    """
    fixed = _one_batch(data)
    fresh, same = (_student_steps(student, each, settings, steps) for each in (data, fixed))
    row = compare("student step, fresh data", fresh, "on one batch", same, steps, repeats)
    return row | {"batch_size": fixed.element_spec[0].shape[0]}


def student_step(student, data, settings, *, steps, repeats):
    """A training step of a student beside its forward and backward pass, on one fixed batch.

    The reference has no optimiser and no metric.

    Args:
        student: as in `input_pipeline`, like all that follows.
        data: likewise.
        settings: likewise.
        steps: likewise.
        repeats: likewise.

    Returns:
        As `compare`, with "batch_size".
    """
    fixed = _one_batch(data)
    x, p = next(iter(fixed))
    bare = _distiller(student, settings, steps)
    learned = [variable.value for variable in student.trainable_variables]

    @tf.function
    def passes(x, p):
        with tf.GradientTape() as tape:
            loss = bare.compute_distillation_loss(p, student(x, training=bare.training))
        return tape.gradient(loss, learned)

    row = compare(
        "student step",
        _student_steps(student, fixed, settings, steps),
        "forward and backward pass",
        lambda: [passes(x, p) for _ in range(steps)],
        steps,
        repeats,
    )
    return row | {"batch_size": x.shape[0]}


def _generator_steps(teacher, generator, decoder, alpha, shape, jit_compile, steps, weights):
    """A function that trains `steps` steps in one execution; `shape` as in `latents.stream`."""
    kegnet = extraction.KegNet(teacher, generator, decoder)
    choices = {"jit_compile": jit_compile, "steps_per_execution": steps}
    kegnet.compile(keras.optimizers.Adam(), alpha, **choices, **weights)
    return _executed(kegnet, latents.stream(0, *shape))


def _student_steps(student, data, settings, steps):
    """A function that trains a student for `steps` steps in one execution."""
    return _executed(_distiller(student, settings, steps), data)


def _distiller(student, settings, steps):
    distiller = distillation.Distiller(student)
    choices = {key: settings[key] for key in ("temperature", "jit_compile")}
    # Where a pilot is to choose, what it chooses most often.
    for key, often in (("loss", "logits"), ("batch_norm", "training")):
        choices[key] = often if settings[key] == "auto" else settings[key]
    distiller.compile(keras.optimizers.Adam(), steps_per_execution=steps, **choices)
    return distiller


def _executed(trainer, data):
    trainer.make_train_function()
    batches = iter(data)
    return lambda: trainer.train_function(batches)


def _one_batch(data):
    """The first batch of a stream, again and again."""
    return tf.data.Dataset.from_tensors(next(iter(data))).repeat()


def _peak(call):
    """Bytes that the process holds at most in a call, less those that it held before."""
    before = _memory("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the most so far
    call()
    return _memory("VmHWM") - before


def _memory(kind):
    """Bytes of this process: "VmRSS" for those it holds, "VmHWM" for the most it ever held."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status must tell {kind}.")
