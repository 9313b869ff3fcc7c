import keras
import numpy as np
import pytest
import tensorflow as tf

from kegnet_tf.distillation import DistillationSettings
from kegnet_tf.experiments import student_benchmark


@pytest.mark.parametrize(
    ("timed", "name"),
    [
        (student_benchmark.student_step, "student step"),
        pytest.param(
            student_benchmark.input_pipeline, "student step, fresh data", marks=pytest.mark.slow
        ),
    ],
)
def test_student_is_timed_on_one_batch_and_on_fresh_ones(timed, name):
    student = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    x = np.ones((2, 4), np.float32)
    data = tf.data.Dataset.from_tensors((x, tf.nn.softmax(student(x)))).repeat()
    row = timed(student, data, DistillationSettings(loss="auto"), steps=2, repeats=1)
    assert row["milliseconds"] > 0 < row["reference_milliseconds"]
    assert (row["name"], row["batch_size"]) == (name, 2)
