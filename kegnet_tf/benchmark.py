"""Step times, each beside its reference in one run: only the ratio means something elsewhere."""

import os
import pathlib
import statistics
import time

import keras
import tensorflow as tf

from kegnet_tf import ensemble, extraction, latents, report


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
    kegnet = extraction.KegNet(teacher, generator, decoder)
    kegnet.compile(
        keras.optimizers.Adam(),
        alpha,
        jit_compile=jit_compile,
        steps_per_execution=steps,
        **weights,
    )
    shape = (batch_size, generator.num_classes, generator.latent_dim)
    data = iter(latents.stream(0, *shape))
    kegnet.make_train_function()
    before = _memory("VmRSS")
    kegnet.train_function(data)
    memory = _memory("VmHWM") - before

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
        lambda: kegnet.train_function(data),
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


def _memory(kind):
    """Bytes of this process: "VmRSS" for those it holds, "VmHWM" for the most it ever held."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status must tell {kind}.")
