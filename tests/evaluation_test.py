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


class Fake:
    """Generator of one-hot "data" whose class is the one asked for, or the first."""

    num_classes, latent_dim = 3, 2

    def __init__(self, obeys):
        self.obeys = obeys

    def __call__(self, inputs, training):
        y, _ = inputs
        return y if self.obeys else np.eye(3)[np.zeros(len(y), int)]


def test_recognition_is_the_share_of_answers_that_were_asked_for_and_of_each_class():
    def teacher(x, training):
        return x

    accuracy, shares = evaluation.recognition(teacher, Fake(obeys=True), seed=0, size=600)
    assert accuracy == 1.0
    np.testing.assert_allclose(shares, 1 / 3, atol=0.07)  # 600 draws: deviation 0.02
    accuracy, shares = evaluation.recognition(teacher, Fake(obeys=False), seed=0, size=600)
    assert accuracy == pytest.approx(1 / 3, abs=0.07)
    np.testing.assert_array_equal(shares, [1, 0, 0])


def test_recognition_counts_a_size_that_is_no_multiple_of_its_batches():
    accuracy, shares = evaluation.recognition(lambda x, training: x, Fake(True), seed=0, size=301)
    assert (accuracy, sum(shares)) == (1.0, pytest.approx(1.0))


def test_confusion_counts_each_answer_in_the_row_of_its_label():
    # The largest outputs are 0, 1, 0, 2.
    counts = evaluation.confusion(identity, LOGITS, np.array([0, 2, 0, 2]), 3)
    np.testing.assert_array_equal(counts, [[2, 0, 0], [0, 0, 0], [0, 1, 1]])


def test_measures_count_all_examples_alike_or_all_classes_with_examples():
    measures = evaluation.measures(np.array([[3, 1, 0], [0, 0, 0], [3, 0, 3]]))
    assert measures == {
        "accuracy": 0.6,  # 6 of 10
        "balanced_accuracy": 0.625,  # the mean of 0.75 and 0.5
        "recall": [0.75, None, 0.5],
    }


def test_measures_without_counts_are_none():
    assert set(evaluation.measures(None).values()) == {None}
