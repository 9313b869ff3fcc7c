import statistics
import time

import numpy as np

from kegnet_tf import latents


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


def recognition(teacher, generator, seed, size=1000):
    """What the teacher answers where a generator was asked for one class at a time.

    Args:
        teacher: classifier from x to logits.
        generator: model from (y, z) to x.
        seed: integer of the latents and labels.
        size: how many examples.

    Returns:
        (accuracy, shares): the share of answers that are the label asked for, and the share of
        each class among the answers, [num_classes].
    """
    right, counts = 0, np.zeros(generator.num_classes, np.int64)
    for step in range(-(-size // 250)):
        rows = min(250, size - 250 * step)
        shape = rows, generator.num_classes, generator.latent_dim
        y, z = latents.sample(seed, step, *shape, "onehot")
        logits = teacher(generator((y, z), training=False), training=False)
        answers = np.argmax(logits, axis=-1)
        right += np.sum(answers == np.argmax(y, axis=-1))
        counts += np.bincount(answers, minlength=generator.num_classes)
    return float(right / size), counts / size


def confusion(predict, x, label, num_classes):
    """How often each class is answered for each label.

    Args:
        predict: function from a batch to logits or probabilities, arrays.
        x: data, [size, ...].
        label: integers, [size].
        num_classes: how many classes there are.

    Returns:
        Counts, [label, answer].
    """
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (label, _answers(predict, x)), 1)
    return counts


def measures(counts):
    """Accuracy in all, as a mean over the classes, and of each class.

    Args:
        counts: [label, answer], as from `confusion`, or None.

    Returns:
        {"accuracy", "balanced_accuracy", "recall"}: fractions, the last a list with None for a
        label without examples; all None without counts.
    """
    if counts is None:
        return dict.fromkeys(("accuracy", "balanced_accuracy", "recall"))
    totals, right = counts.sum(axis=1), np.diag(counts)
    recall = [float(r / total) if total else None for r, total in zip(right, totals, strict=True)]
    return {
        "accuracy": float(right.sum() / counts.sum()),
        "balanced_accuracy": float(np.mean([share for share in recall if share is not None])),
        "recall": recall,
    }


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
