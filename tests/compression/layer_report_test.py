import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose

from kegnet_tf.compression import (
    LayerReport,
    compress,
    compression_ratio,
    layer_report,
    layer_table,
    trainable_parameters,
)


def called_twice():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    twice = layers.Conv2D(3, 3, padding="same", activation="tanh", name="twice")
    x = layers.Flatten()(twice(twice(inputs)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def test_channels_may_come_first():
    convolution = layers.Conv2D(6, 3, strides=2, data_format="channels_first", name="conv")
    model = keras.Sequential([keras.Input((4, 7, 7)), convolution])
    student = compress(model, (4, 6))
    x = np.random.default_rng(0).normal(size=(2, 4, 7, 7)).astype(np.float32)
    assert_allclose(student(x), model(x), rtol=1e-4, atol=1e-5)
    (row,) = layer_report(model, student)
    # 49 pixels squeezed, 3 x 3 pixels in the core and expanded
    assert row.multiply_adds == (9 * 9 * 4 * 6, 49 * 4 * 4 + 9 * (9 * 4 * 6 + 6 * 6))


def test_report_counts_by_hand():
    model = called_twice()
    student = compress(model, {"twice": (1, 2)})
    row, other = layer_report(model, student)
    assert row.parameters == (9 * 3 * 3 + 3, 3 * 1 + 9 * 1 * 2 + 2 * 3 + 3)
    assert row.multiply_adds == (2 * 36 * 9 * 3 * 3, 2 * 36 * (3 * 1 + 9 * 1 * 2 + 2 * 3))
    kernel = model.get_layer("twice").kernel.numpy()
    approximation = student.get_layer("twice").dense_kernel().numpy()
    lost = np.linalg.norm(approximation - kernel) / np.linalg.norm(kernel)
    assert_allclose(row.error, lost, rtol=1e-6)
    assert row.ranks == (1, 2)
    assert row.note == ""
    assert other.multiply_adds == (108 * 3, 108 * 3)
    assert other.note == "not chosen"


def test_report_leaves_open_what_depends_on_the_size_of_the_input():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(inputs))
    assert layer_report(model, compress(model, 0.5))[0].multiply_adds == (None, None)


def test_report_refuses_a_student_of_another_model():
    other = keras.Sequential([keras.Input((9,)), layers.Dense(3, name="logits")])
    with pytest.raises(ValueError, match="`student` must be made of `model`. .* without 'twice'"):
        layer_report(called_twice(), compress(other))


def test_table_leaves_empty_what_is_not_known_and_divides_thousands():
    rows = [
        LayerReport("conv", (2, 3), (1234, 56), (None, None), 0.12345, ""),
        LayerReport("fc", None, (7, 7), (1000000, 1000000), 0.0, "not chosen"),
    ]
    head, rule, *cells = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in layer_table(rows).splitlines()
    )
    assert head[:4] == ["layer", "ranks", "parameters", "then"]
    assert head[4:] == ["multiply adds", "after", "kernel error", "note"]
    assert {*"".join(rule)} == {"-"}
    assert cells == [
        ["conv", "(2, 3)", "1,234", "56", "", "", "0.123", ""],
        ["fc", "", "7", "7", "1,000,000", "1,000,000", "0.000", "not chosen"],
    ]


def test_table_reads_the_same_of_rows_that_come_back_from_json():
    model = called_twice()
    rows = layer_report(model, compress(model, {"twice": (1, 2)}))
    again = json.loads(json.dumps([dataclasses.asdict(row) for row in rows]))
    assert layer_table([LayerReport(**row) for row in again]) == layer_table(rows)
    assert layer_table([]).startswith("| layer ")


def test_size_counts_what_is_trained_and_the_ratio_divides_two_of_them():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6), layers.BatchNormalization()])
    assert trainable_parameters(model) == 4 * 6 + 6 + 2 * 6
    small = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    assert compression_ratio(model, small) == 42 / 10
