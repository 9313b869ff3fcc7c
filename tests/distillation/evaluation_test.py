import numpy as np
import pytest

from kegnet_tf import distillation

LOGITS = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [-1.0, -2.0, -3.0], [0.0, 0.1, 0.2]])


def identity(x):
    return x


def test_accuracy_is_the_share_of_labels_with_the_largest_output():
    # The largest outputs are 0, 1, 0, 2.
    assert distillation.accuracy(identity, LOGITS, np.array([0, 1, 2, 2])) == 0.75


def test_agreement_is_the_share_of_examples_with_the_same_largest_output():
    p = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]])
    assert distillation.agreement(identity, LOGITS, p) == 0.5  # the first and the last


@pytest.mark.parametrize("size", [1, 500, 501, 1003])
def test_every_example_counts_once_however_many_there_are(size):
    sizes = []

    def predict(x):
        sizes.append(len(x))
        return x

    label = np.zeros(size, int)
    label[-1] = 1  # the only one that is missed
    x = np.tile([[1.0, 0.0]], (size, 1))
    assert distillation.accuracy(predict, x, label) == (size - 1) / size
    assert sum(sizes) == size
    assert max(sizes) <= 500


def test_confusion_counts_each_answer_in_the_row_of_its_label():
    # The largest outputs are 0, 1, 0, 2.
    counts = distillation.confusion(identity, LOGITS, np.array([0, 2, 0, 2]), 3)
    np.testing.assert_array_equal(counts, [[2, 0, 0], [0, 0, 0], [0, 1, 1]])


def test_measures_count_all_examples_alike_or_all_classes_with_examples():
    measures = distillation.measures(np.array([[3, 1, 0], [0, 0, 0], [3, 0, 3]]))
    # 6 of 10, and the mean of 0.75 and 0.5.
    assert measures == distillation.Measures(0.6, 0.625, [0.75, None, 0.5])


def test_measures_without_counts_are_none():
    assert distillation.measures(None) == distillation.Measures(None, None, None)
