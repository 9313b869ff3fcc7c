import keras
import numpy as np
import pytest

from kegnet_tf import evaluation

LOGITS = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [-1.0, -2.0, -3.0], [0.0, 0.1, 0.2]])


def identity(x):
    return x


def test_parameters_count_gamma_and_beta_but_no_moving_statistics(teacher):
    # Convolution 3 * 3 * 1 * 4 + 4, batch norm 2 * 4, dense 3 * 3 * 4 * 3 + 3.
    assert evaluation.trainable_parameters(teacher) == 40 + 8 + 111


def test_compression_ratio_is_above_1_where_the_student_is_smaller():
    teacher, student = (
        keras.Sequential([keras.Input((9,)), keras.layers.Dense(units)]) for units in (6, 2)
    )
    assert evaluation.compression_ratio(teacher, student) == 60 / 20


def test_accuracy_is_the_share_of_labels_with_the_largest_output():
    # The largest outputs are 0, 1, 0, 2.
    assert evaluation.accuracy(identity, LOGITS, np.array([0, 1, 2, 2])) == 0.75


def test_agreement_is_the_share_of_examples_with_the_same_largest_output():
    p = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    assert evaluation.agreement(identity, LOGITS, p) == 0.5  # the first and the last


@pytest.mark.parametrize("size", [1, 500, 501, 1003])
def test_every_example_counts_once_however_many_there_are(size):
    sizes = []

    def predict(x):
        sizes.append(len(x))
        return x

    label = np.zeros(size, int)
    label[-1] = 1  # the only one that is missed
    x = np.tile([[1.0, 0.0]], (size, 1))
    assert evaluation.accuracy(predict, x, label) == (size - 1) / size
    assert sum(sizes) == size
    assert max(sizes) <= 500


def test_latency_calls_ten_times_more_than_count_and_is_never_negative():
    batches = []
    assert evaluation.latency(batches.append, "batch", repeats=5) >= 0
    assert batches == ["batch"] * 15


def test_latency_is_the_median_in_milliseconds(monkeypatch):
    # Each call takes two looks at the clock; the ten that do not count are slow.
    seconds = [100.0] * 10 + [0.002, 9.0, 0.001]
    clock = iter(np.repeat(np.cumsum([0.0, *seconds]), 2)[1:-1])
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: next(clock))
    assert evaluation.latency(identity, None, repeats=3) == pytest.approx(2.0)
