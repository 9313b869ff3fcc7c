import pathlib

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal
from smallest import nested_classifier

from kegnet_tf import teachers
from kegnet_tf.compression import (
    TuckerConv2D,
    TuckerDense,
    compress,
    layer_report,
    load_student,
    trainable_parameters,
)


def convolutional():
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 3))
    for index, filters in enumerate((4, 6)):
        x = layers.Conv2D(filters, 3, padding="same", name=f"conv{index}")(x)
        x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.Dropout(0.5)(layers.Dense(8, activation="relu", name="fc")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def test_state_that_is_no_weight_is_copied_too():
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(np.arange(12.0).reshape(4, 3))
    model = keras.Sequential([keras.Input((3,)), normalization, layers.Dropout(0.5, seed=7)])
    model(np.ones((1, 3)), training=True)  # moves the seed on
    student, x = compress(model), np.ones((8, 3), "float32")
    assert_array_equal(student(x), model(x))
    assert_array_equal(student(x, training=True), model(x, training=True))


def test_only_the_chosen_layers_differ():
    model = convolutional()
    student = compress(model, {"conv1": (2, 3), "fc": 0.25})
    for layer in student.layers:
        if layer.name in ("conv1", "fc"):
            assert type(layer) in (TuckerConv2D, TuckerDense)
        else:
            for weight, before in zip(
                layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True
            ):
                assert_array_equal(weight, before)
    assert student.get_layer("conv1").ranks == (2, 3)


def test_a_layer_shared_across_nested_models_stays_shared():
    dense = layers.Dense(4, name="dense")
    inner = keras.Sequential([keras.Input((4,)), dense], name="inner")
    inputs = keras.Input((4,))
    student = compress(keras.Model(inputs, dense(inner(inner(inputs)))), {"dense": (2, 2)})
    assert student.get_layer("inner").get_layer("dense") is student.get_layer("dense")
    assert trainable_parameters(student) == 4 * 2 + 2 * 2 + 2 * 4 + 4


def test_a_nested_layer_has_a_path_and_a_name():
    model = nested_classifier()
    for name in ("outer/middle/inner/conv", "conv", "outer/.*"):
        rows = layer_report(model, compress(model, {name: (2, 3)}))
        assert {row.name: row.ranks for row in rows} == {
            "outer/middle/inner/conv": (2, 3),
            "logits": None,
        }


@pytest.mark.parametrize("frozen", ["all", "outer", "logits"])
def test_a_frozen_teacher_gives_a_trainable_student(frozen):
    model = nested_classifier()
    (model if frozen == "all" else model.get_layer(frozen)).trainable = False
    kept = [variable.path for variable in model.trainable_variables]
    for student in (compress(model, (1, 1)), compress(model, skip=".*")):
        assert len(student.trainable_variables) == len(student.weights)
    assert [variable.path for variable in model.trainable_variables] == kept


def test_a_compiled_teacher_gives_a_student_that_is_not_compiled():
    model = nested_classifier()
    model.compile("adam", loss=lambda label, logits: ops.mean(logits))
    assert not compress(model).compiled


@keras.saving.register_keras_serializable("compression_test")
class Scale(layers.Dense):
    """A derived class may compute anything, so it is no candidate."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def test_derived_grouped_and_wrapped_layers_are_left_alone():
    inputs = keras.Input((4, 4, 4))
    x = layers.Conv2D(4, 3, groups=2, name="grouped")(inputs)
    x = layers.TimeDistributed(layers.Dense(4), name="wrapped")(x)
    model = keras.Model(inputs, Scale(4, name="derived")(x))
    student = compress(model, (1, 1))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 4)).astype(np.float32)
    assert_array_equal(student(x), model(x))
    assert [(row.name, row.note) for row in layer_report(model, student)] == [
        ("grouped", "grouped")
    ]
    with pytest.raises(
        ValueError, match=r"`ranks` must name layers among \[\]. Received: 'grouped'"
    ):
        compress(model, {"grouped": (1, 1)})


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("make", [Subclassed, lambda: keras.Sequential([layers.Dense(2)])])
def test_a_model_without_a_graph_is_refused_with_the_way_out(make):
    with pytest.raises(ValueError, match="cannot be rewritten.* --student=arch.keras"):
        compress(make())


def test_random_start_keeps_the_shapes_and_what_preprocessing_knows_and_nothing_else():
    inputs = keras.Input((4,))
    x = layers.Normalization(mean=[1.0] * 4, variance=[4.0] * 4)(inputs)
    x = layers.BatchNormalization()(layers.Dense(6, name="fc1")(x))
    model = keras.Model(inputs, layers.Dense(3, name="fc2")(x))
    for weight in model.trainable_weights:
        weight.assign(weight + 1.0)
    settings = {"ranks": {"fc1": (2, 2)}, "start": "random"}
    student, same, other = (compress(model, **settings, seed=seed) for seed in (1, 1, 9))
    decomposed = compress(model, {"fc1": (2, 2)})
    for drawn, again, weight in zip(student.weights, same.weights, decomposed.weights, strict=True):
        assert_array_equal(drawn, again)
        assert drawn.shape == weight.shape
        assert drawn.path == weight.path
    assert_array_equal(student.layers[1].mean, model.layers[1].mean)
    assert_array_equal(student.layers[3].gamma, np.ones(6))
    assert_array_equal(student.layers[4].bias, np.zeros(3))
    for kernels in (
        [each.layers[2].core.kernel for each in (student, other)],
        [each.layers[2].core.kernel for each in (student, decomposed)],
        [student.layers[4].kernel, model.layers[3 + 1].kernel],
    ):
        assert np.abs(kernels[0] - kernels[1]).min() > 0


def test_start_is_hooi_svd_or_random():
    with pytest.raises(ValueError, match="`start` must be one of hooi, svd, random. Rec.*'zero'"):
        compress(convolutional(), 0.5, start="zero")


def test_svd_start_differs_from_the_iterated_one_only_in_what_is_decomposed():
    model = convolutional()
    iterated, started = (
        compress(model, {"conv1": (2, 3)}, start=start) for start in ("hooi", "svd")
    )
    for one, other in zip(iterated.layers, started.layers, strict=True):
        for weight, twin in zip(one.get_weights(), other.get_weights(), strict=True):
            if isinstance(one, TuckerConv2D):
                assert weight.shape == twin.shape
            else:
                assert_array_equal(weight, twin)
    errors = [row.error for s in (iterated, started) for row in layer_report(model, s) if row.ranks]
    assert errors[0] < errors[1]


def test_random_start_draws_what_a_wrapper_holds_as_well():
    inputs = keras.Input((5, 4))
    x = layers.TimeDistributed(layers.Dense(4), name="wrapper")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="head")(layers.Flatten()(x)))
    student, other = (compress(model, skip=".*", start="random", seed=seed) for seed in (1, 9))
    wrapped = [each.get_layer("wrapper").layer.kernel for each in (model, student, other)]
    assert np.abs(wrapped[0] - wrapped[1]).min() > 0
    assert np.abs(wrapped[1] - wrapped[2]).min() > 0


def test_student_loads_from_its_file_trainable_throughout(tmp_path):
    model = convolutional()
    student = compress(model, {"conv1": (2, 3)})
    student.get_layer("fc").trainable = False
    student.save(tmp_path / "s.keras")
    loaded = load_student(tmp_path / "s.keras")
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    assert_array_equal(loaded(x), student(x))
    assert len(loaded.trainable_variables) == len(student.trainable_variables) + 2
    (row,) = [row for row in layer_report(model, loaded) if row.ranks]
    assert (row.name, row.ranks) == ("conv1", (2, 3))


def test_student_answers_in_logits_whatever_its_head_looks_like(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    model.save(tmp_path / "s.keras")
    x = np.ones((2, 4), np.float32)
    loading = teachers.Loading(output="probabilities")  # of the teacher
    assert_array_equal(load_student(tmp_path / "s.keras", loading)(x), model(x))


def test_student_saved_before_the_rooms_loads_and_answers_the_same():
    path = pathlib.Path(__file__).parent / "saved_before" / "student.keras"
    before = np.load(path.with_suffix(".npz"))
    loaded = load_student(path)
    kinds = [type(layer) for layer in loaded.layers if hasattr(layer, "ranks")]
    assert kinds == [TuckerConv2D, TuckerDense]
    assert_allclose(loaded(before["x"]), before["logits"], atol=1e-6)
