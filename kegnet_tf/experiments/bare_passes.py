"""What a generator's training step cannot do without, as functions to be timed."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kegnet_tf import extraction
from kegnet_tf.extraction import ExtractionSettings


def bare_passes(
    teacher: keras.Model,
    generator: keras.Model,
    decoder: keras.Model,
    settings: ExtractionSettings,
) -> dict[str, Callable[[], object]]:
    """Passes on one fixed batch: no weight's gradient, no optimiser, no metric, no latent to draw.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        decoder: model from x to z.
        settings: of extraction; XLA compiles the passes where it says so.

    Returns:
        By name: the teacher's own, forward and the gradient of the classifier loss with respect to
        x; and those of all three, the gradient of classifier and decoder loss with respect to
        (y, z).
    """
    bare = extraction.KegNet(teacher, generator, decoder)
    bare.compile(keras.optimizers.SGD(), ExtractionSettings(alpha=settings.alpha))
    shape = settings.batch_size, generator.num_classes, generator.latent_dim
    y, z = extraction.sample(0, 0, *shape, "onehot")
    x = generator((y, z), training=True)

    @tf.function(jit_compile=settings.jit_compile)
    def of_all(y, z):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((y, z))
            terms, _ = bare.compute_losses(y, z, training=True)
        return tape.gradient(terms["loss"], (y, z))

    @tf.function(jit_compile=settings.jit_compile)
    def of_teacher(x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            loss = extraction.classifier_loss(y, teacher(x, training=False))
        return tape.gradient(loss, x)

    return {
        "teacher's forward and input-gradient pass": lambda: of_teacher(x, y),
        "forward and input-gradient pass of all three": lambda: of_all(y, z),
    }
