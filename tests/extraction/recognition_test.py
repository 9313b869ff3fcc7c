import dataclasses
import json

import numpy as np
import pytest

from kegnet_tf import extraction


class Fake:
    """Generator of one-hot "data" whose class is the one asked for, or the first."""

    num_classes, latent_dim = 3, 2

    def __init__(self, obeys):
        self.obeys = obeys

    def __call__(self, inputs, training):
        y, _ = inputs
        return y if self.obeys else np.eye(3)[np.zeros(len(y), int)]


def teacher(x, training):
    return x


teacher.input_shape = (None, 3)


def test_recognition_is_the_share_of_answers_that_were_asked_for_and_of_each_class():
    accuracy, shares = extraction.recognition(teacher, Fake(obeys=True), seed=0, size=600)
    assert accuracy == 1.0
    np.testing.assert_allclose(shares, 1 / 3, atol=0.07)  # 600 draws: deviation 0.02
    accuracy, shares = extraction.recognition(teacher, Fake(obeys=False), seed=0, size=600)
    assert accuracy == pytest.approx(1 / 3, abs=0.07)
    np.testing.assert_array_equal(shares, [1, 0, 0])


def test_recognition_counts_a_size_that_is_no_multiple_of_its_batches():
    accuracy, shares = extraction.recognition(teacher, Fake(obeys=True), seed=0, size=301)
    assert (accuracy, sum(shares)) == (1.0, pytest.approx(1.0))


def test_twice_chance_is_asked_of_many_classes_and_three_quarters_of_two():
    assert extraction.least_recognition(10) == 0.2
    assert extraction.least_recognition(3) == pytest.approx(2 / 3)
    assert extraction.least_recognition(2) == 0.75


def test_result_reads_back_from_json_as_it_was_written():
    result = extraction.GeneratorResult(1, 2.5, 400, False, 0.9, [0.5, 0.5], classifier_loss=0.1)
    row = json.loads(json.dumps(dataclasses.asdict(result)))
    assert row["diversity_loss"] is None
    assert extraction.GeneratorResult(**row) == result
