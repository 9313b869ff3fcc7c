import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal
from smallest import nested_classifier

from kegnet_tf import teachers
from kegnet_tf.compression import compress, multiply_adds, plain, trainable_parameters
from kegnet_tf.teachers.networks import lenet5

KNOWN = """
import sys
sys.modules["kegnet_tf"] = None
import keras
import numpy as np
student = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], student(np.load(sys.argv[3])))
"""


def examples(model):
    shape = (4, *model.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def ours(model):
    return [layer for layer in teachers.every_layer(model) if "kegnet" in type(layer).__module__]


def shaken(model):
    """With biases that are not 0, which would show nothing."""
    for variable in model.trainable_variables:
        noise = np.random.default_rng(1).uniform(0.05, 0.1, variable.shape)
        variable.assign(variable + noise)
    return model


def row(*parts, shape=(6, 6, 4)):
    keras.utils.set_random_seed(0)
    return shaken(keras.Sequential([keras.Input(shape), *parts]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "ranks"),
    [
        (lenet5(num_classes=3, seed=0), (1, 1)),
        (nested_classifier(), (1, 2)),
        (row(layers.Conv2D(5, 3), layers.Conv2D(6, 3), layers.Flatten(), layers.Dense(3)), (2, 3)),
        (row(layers.Dense(6), layers.Dense(1, "sigmoid"), shape=(5,)), {"dense.*": 0.3}),
    ],
    ids=["lenet5", "nested", "linear", "two classes"],
)
def test_plain_student_is_the_same_function_of_keras_own_layers(model, ranks):
    student = teachers.load(compress(shaken(model), ranks), output="")
    x, before = examples(student), student.get_weights()
    made = plain(student)
    assert ours(made) == []
    assert_allclose(made(x), student(x), rtol=1e-5, atol=1e-5)
    for weight, kept in zip(student.get_weights(), before, strict=True):
        assert_array_equal(weight, kept)


def test_expand_and_the_squeeze_behind_it_become_one_layer_with_nothing_between():
    model = row(
        layers.Conv2D(8, 3, name="one"),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="two"),
        layers.Conv2D(8, 3, name="three"),
    )
    student = compress(model, (2, 3))
    made = plain(student)
    names = [layer.name for layer in made.layers[1:]]
    assert names == [
        *("one_squeeze", "one_core", "one_expand_two_squeeze", "two_core"),
        *("two_expand", "three_squeeze", "three_core", "three_expand"),
    ]
    # 3 channels to 8 and those to 2, on 16 pixels, are 3 to 2
    assert multiply_adds(student) - multiply_adds(made) == 16 * (3 * 8 + 8 * 2 - 3 * 2)
    assert_allclose(made(examples(model)), student(examples(model)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "between", [layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D()]
)
def test_layers_with_something_between_them_stay_apart(between):
    student = compress(row(layers.Conv2D(8, 3), between, layers.Conv2D(8, 2)), (2, 3))
    assert len(plain(student).layers) == len(student.layers) + 4


def test_what_two_layers_take_is_kept():
    inputs = keras.Input((6,))
    first = layers.Dense(5, name="first")(inputs)
    second = layers.Dense(5, name="second")(first)
    model = keras.Model(inputs, layers.Add()([first, second]))
    student = compress(model, {"first": (None, 2), "second": (None, 2)})
    made = plain(student)
    assert trainable_parameters(made) == trainable_parameters(student)
    assert_allclose(made(examples(model)), student(examples(model)), rtol=1e-5, atol=1e-5)


def test_three_factors_of_a_matrix_become_two():
    student = compress(row(layers.Dense(7, "relu", name="fc"), shape=(9,)), {"fc": (2, 2)})
    assert [part.kernel.shape for part in plain(student).layers[1:]] == [(9, 2), (2, 7)]


@pytest.mark.slow
def test_file_of_a_plain_student_is_read_where_this_package_is_not_installed(tmp_path):
    model = shaken(lenet5(num_classes=3, seed=0))
    student = compress(model, target_ratio=3, start="svd")
    x = examples(student)
    plain(student).save(tmp_path / "student.keras")
    np.save(tmp_path / "x.npy", x)
    subprocess.run(
        [sys.executable, "-P", "-c", KNOWN, "student.keras", "y.npy", "x.npy"],
        check=True,
        cwd=tmp_path,
    )
    assert_allclose(np.load(tmp_path / "y.npy"), student(x), rtol=1e-5, atol=1e-5)


def test_layers_of_code_are_copied_as_any_other():
    model = row(layers.Dense(6), layers.Lambda(lambda x: 2 * x), layers.Dense(3), shape=(5,))
    x = examples(model)
    student = compress(model, {"dense.*": 0.3})
    assert_allclose(plain(student)(x), student(x), rtol=1e-5, atol=1e-5)
    assert_allclose(plain(model)(x), model(x), rtol=1e-5, atol=1e-5)


class Halved(layers.Dense):
    def call(self, inputs, training=None):
        return super().call(inputs, training) / 2


class HalvedImage(layers.Conv2D):
    def call(self, inputs):
        return super().call(inputs) / 2


@pytest.mark.parametrize(
    "model",
    [row(Halved(9), Halved(3), shape=(5,)), row(HalvedImage(9, 1), HalvedImage(3, 1))],
    ids=["dense", "conv"],
)
def test_layers_of_derived_classes_stay_apart(model):
    made = plain(model)
    assert [type(layer) for layer in made.layers[1:]] == [type(layer) for layer in model.layers]
    assert_allclose(made(examples(model)), model(examples(model)), rtol=1e-5, atol=1e-5)
