"""What a file may lose before it is flagged, and what it has lost."""

import numpy as np

# What a file may lose before it is flagged: accuracy where there are real data, else by `loss` or
# of agreement with the teacher, whichever is less; ours.
BARS = {
    "saved_model": 0.001,
    "keras": 0.001,
    "litert_float32": 0.001,
    "litert_float16": 0.001,
    "litert_dynamic_range": 0.005,
    "litert_int8": 0.005,
    "litert_int8_integer_only": 0.005,
    "litert_int4": 0.005,
    "onnx": 0.001,
}


def loss(logits: np.ndarray, answers: np.ndarray) -> float:
    """By how much less probable than its own answer a model finds others, on average, in [0, 1].

    A flip between two answers that are nearly as likely counts for little.

    Args:
        logits: the model's, [size, num_classes].
        answers: a file's classes, [size].
    """
    exponentials = np.exp(np.float64(logits) - logits.max(axis=-1, keepdims=True))
    p = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return float(np.mean(p.max(axis=-1) - p[np.arange(len(p)), answers]))


def note(lost: float, form: str, real: bool) -> str | None:
    """What is said of a file that has lost more than its bar; None of others.

    Args:
        lost: of accuracy on real data, or what artificial data say, a fraction.
        form: a key of `BARS`.
        real: whether it is the former.
    """
    if lost <= BARS[form]:
        return None
    more = f"more than {100 * BARS[form]:g}"
    if real:
        return f"loses {100 * lost:.2f} points of accuracy on real data, {more}"
    return (
        f"loses {100 * lost:.2f} points on synthetic data, by what the model thinks of its own "
        f"answers, {more}"
    )
