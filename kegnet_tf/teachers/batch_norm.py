"""What a teacher's BatchNorm layers still know of the data that it learned from."""

import keras
import numpy as np
from keras import ops

from kegnet_tf.teachers.showing import showing

_NORM = keras.layers.BatchNormalization


def watched(
    teacher: keras.Model,
) -> tuple[keras.Model, list[keras.layers.BatchNormalization]]:
    """The teacher's BatchNorm layers, and a model that shows what comes to them.

    Args:
        teacher: a Functional or built Sequential model from x to logits. BatchNorm layers are found
            in its graph and in those of the models nested in it that have one input and one output;
            one that is called twice counts twice.

    Returns:
        (shown, layers): a Functional model of the same layers from x to a list, the logits and the
        input of each BatchNorm, [batch, ..., channels] where its axis is the last, or to the logits
        alone where there is none; and those layers, in order.
    """
    shown, found = showing(teacher, lambda _, layer: isinstance(layer, _NORM), inputs=True)
    return shown, [layer for _, layer in found]


def input_moments(model: keras.Model) -> tuple[np.ndarray, float] | None:
    """Mean and deviation of a model's images, where a BatchNorm behind the first convolution tells.

    A convolution is linear, so the moving mean of each of its outputs is the channels' means times
    the sums of its kernel, plus its bias: more equations than unknowns, solved by least squares.
    The moving variances give one deviation in the same way, if the correlation of two pixels is
    taken to be r to the power of their distance, channels in step; of a grid of r the best fit
    counts.

    Args:
        model: a Functional model of images; a `Rescaling` or the like may come first.

    Returns:
        (mean, std): of what enters the convolution, [channels] and a float; None where the model
        does not begin so, or variances fit the rule badly.
    """
    skipped = keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.ZeroPadding2D
    layers = [each for each in getattr(model, "operations", ()) if not isinstance(each, skipped)]
    if len(layers) < 2 or type(layers[0]) is not keras.layers.Conv2D or layers[0].groups != 1:
        return None
    conv, norm = layers[:2]
    if not isinstance(norm, keras.layers.BatchNormalization) or norm.input is not conv.output:
        return None
    kernel = ops.convert_to_numpy(conv.kernel)
    bias = ops.convert_to_numpy(conv.bias) if conv.use_bias else 0.0
    means, variances = map(ops.convert_to_numpy, (norm.moving_mean, norm.moving_variance))
    mean, *_ = np.linalg.lstsq(kernel.sum((0, 1)).T, means - bias, rcond=None)
    height, width, _, filters = kernel.shape
    taps = kernel.sum(2).reshape(-1, filters)
    y, x = np.divmod(np.arange(height * width), width)
    distances = np.hypot(y[:, None] - y, x[:, None] - x)
    fits = []
    for r in np.linspace(0.0, 0.99, 34):
        expected = np.einsum("if,ij,jf->f", taps, r**distances, taps)  # at a deviation of 1
        variance = expected @ variances / max(expected @ expected, 1e-12)
        fits.append((np.mean((variance * expected - variances) ** 2), variance))
    error, variance = min(fits)
    if not variance > 0 or error > 0.1 * np.var(variances):
        return None
    return mean, float(np.sqrt(variance))
