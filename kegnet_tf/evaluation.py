import statistics
import time

import numpy as np


def trainable_parameters(model):
    """Trainable parameters: gamma and beta of a BatchNorm count, its moving statistics do not."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def compression_ratio(teacher, student):
    """Trainable parameters of the teacher over those of the student; above 1 is smaller."""
    return trainable_parameters(teacher) / trainable_parameters(student)


def accuracy(predict, x, label):
    """Share of examples whose largest output is their label.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        label: integers, [size].

    Returns:
        A fraction.
    """
    return float(np.mean(_answers(predict, x) == label))


def agreement(predict, x, p):
    """Share of examples whose largest output is the teacher's.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        p: the teacher's probabilities, [size, num_classes].

    Returns:
        A fraction.
    """
    return float(np.mean(_answers(predict, x) == np.argmax(p, axis=-1)))


def latency(predict, x, repeats=100):
    """Median time of one call in milliseconds, after ten calls that do not count.

    Args:
        predict: function from a batch to outputs.
        x: the batch.
        repeats: calls that count.
    """
    seconds = []
    for _ in range(10 + repeats):
        started = time.perf_counter()
        predict(x)
        seconds.append(time.perf_counter() - started)
    return 1e3 * statistics.median(seconds[10:])


def _answers(predict, x, batch_size=500):
    batches = [x[start : start + batch_size] for start in range(0, len(x), batch_size)]
    return np.concatenate([np.argmax(predict(batch), axis=-1) for batch in batches])
