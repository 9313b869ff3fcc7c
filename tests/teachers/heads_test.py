import pathlib

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def mlp(units=3, activation=None, closing=(), sequential=False):
    """Classifier of 6 features whose weights depend on the seed alone, not on the head."""
    keras.utils.set_random_seed(0)
    body = [layers.Dense(4, "relu", name="hidden"), layers.BatchNormalization(name="norm")]
    parts = [keras.Input((6,)), *body, layers.Dense(units, activation, name="head"), *closing]
    model = keras.Sequential(parts, name="mlp")
    model(3 * X + 1, training=True)  # the norm has seen data
    return model if sequential else keras.Model(model.inputs[0], model.outputs[0], name="mlp")


def deepened(function):
    """The classifier with an operation behind it that no activation tells of."""
    model = mlp()
    return keras.Model(model.inputs[0], function(model.outputs[0]))


def nested(model):
    return keras.Sequential([keras.Input((6,)), model])


class Subclassed(keras.Model):
    """A model without a graph."""

    def __init__(self, activation=None):
        super().__init__()
        self.dense = layers.Dense(3, activation, trainable=False)

    def call(self, x):
        return self.dense(x)


def built(model, x=X):
    model(x)
    return model


@pytest.fixture(scope="module")
def twin():
    """The classifier that answers in logits."""
    return mlp()


def softmax(logits):
    return ops.convert_to_numpy(ops.softmax(logits))


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(
    "head",
    [
        {"activation": "softmax"},
        {"closing": (layers.Softmax(),)},
        {"closing": (layers.Activation("softmax"),)},
    ],
    ids=["activation", "layer", "closing activation"],
)
def test_softmax_headed_teacher_gives_the_very_logits_and_digest_of_its_twin(
    twin, head, sequential
):
    loaded = teachers.load(mlp(**head, sequential=sequential))
    for each in (twin, teachers.load(twin)):
        assert_array_equal(loaded(X), each(X))
        assert teachers.digest(loaded) == teachers.digest(each)
    assert [layer.name for layer in loaded.layers[1:]] == ["hidden", "norm", "head"]


def test_one_unit_is_two_classes_with_the_sigmoid_as_probability_of_the_second():
    p = mlp(1, "sigmoid")(X)
    for model in (mlp(1, "sigmoid"), mlp(1), mlp(1, closing=[layers.Activation("sigmoid")])):
        logits = teachers.load(model)(X)
        assert_allclose(softmax(logits), np.concatenate([1 - p, p], axis=-1), atol=1e-6)
        assert_array_equal(logits[:, 0], -logits[:, 1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: deepened(ops.softmax),
        lambda: deepened(lambda x: layers.Reshape((3,))(layers.Softmax()(x))),
        lambda: nested(mlp(activation="softmax", sequential=True)),
        lambda: mlp(activation="softmax", closing=[layers.Activation("linear", dtype="float32")]),
        lambda: built(Subclassed("softmax")),
    ],
    ids=["operation", "reshape", "nested", "linear activation", "subclassed"],
)
def test_probabilities_that_the_graph_does_not_tell_are_measured(make):
    model = make()
    assert_allclose(softmax(teachers.load(model)(X)), model(X), atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: deepened(lambda x: x / 2.0),
        lambda: deepened(ops.relu),
        lambda: nested(mlp(sequential=True)),
        lambda: built(Subclassed()),
    ],
    ids=["operation", "relu", "nested", "subclassed"],
)
def test_logits_that_the_graph_does_not_tell_are_measured(make):
    model = make()
    assert_array_equal(teachers.load(model)(X), model(X))


def test_mixed_precision_teacher_answers_in_float32():
    inputs = keras.Input((6,))
    x = layers.Dense(3, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))
    logits = teachers.load(model)(X)
    assert logits.dtype == "float32"
    assert_allclose(softmax(logits), model(X), atol=1e-6)


def test_layer_that_also_answers_elsewhere_keeps_its_softmax():
    inputs = keras.Input((3,))
    head = layers.Dense(3, "softmax")
    model = keras.Model(inputs, head(head(inputs)))
    assert_allclose(softmax(teachers.load(model)(X[:, :3])), model(X[:, :3]), atol=1e-6)


@pytest.mark.slow
def test_output_is_followed_against_what_the_head_shows():
    model = mlp(activation="softmax")
    assert_array_equal(teachers.load(model, output="logits")(X), model(X))
    assert_array_equal(teachers.load(model, output="probabilities")(X), mlp()(X))
    positive = deepened(ops.exp)  # up to a constant, exp undoes the logarithm
    logits = teachers.load(positive, output="probabilities")(X)
    assert_allclose(logits, mlp()(X), atol=1e-5)
    several = mlp(3, "sigmoid")
    assert_array_equal(teachers.load(several, output="logits")(X), several(X))
    one = nested(mlp(1, "sigmoid", sequential=True))
    logits = teachers.load(one, output="probabilities")(X)
    assert_allclose(logits, teachers.load(mlp(1))(X), atol=1e-5)


def test_probability_of_zero_gives_a_finite_logit():
    x = ops.convert_to_tensor([[0.0, 1.0]])
    # log 1e-7 = -16.118, the guard
    assert_allclose(teachers.LogProbabilities()(x), [[-16.118, 0.0]], atol=1e-3)
    assert_allclose(teachers.LogProbabilities()(x[:, :1]), [[-16.118]], atol=1e-3)


def test_loaded_teacher_comes_back_from_its_own_file_the_same(tmp_path):
    for model in (mlp(1, "sigmoid"), deepened(ops.softmax), mlp(closing=[layers.Softmax()])):
        loaded = teachers.load(model)
        loaded.save(tmp_path / "t.keras")
        assert_array_equal(teachers.load(tmp_path / "t.keras")(X), loaded(X))


WRONG_HEADS = {
    "one softmax": (lambda: mlp(1, "softmax"), "2 classes or more. Received: 1 unit of softmax"),
    "one unit untold": (
        lambda: deepened(lambda x: ops.tanh(x[:, :1])),
        "--teacher_output.* Received: 1 unit of Tanh",
    ),
    "several sigmoids": (
        lambda: mlp(4, "sigmoid"),
        "--teacher_output.* says .* Received: 4 units of sigmoid",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_HEADS.values(), ids=WRONG_HEADS)
def test_head_that_is_no_classifiers_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"`teacher` must .*{message}") as error:
        teachers.load(make())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["two_classes", "log_probabilities"])
def test_teacher_saved_before_the_rooms_loads_and_answers_the_same(name):
    path = pathlib.Path(__file__).parent / "saved_before" / f"{name}.keras"
    before = np.load(path.with_suffix(".npz"))
    loaded = teachers.load(path)
    assert teachers.digest(loaded) == before["digest"]
    assert_allclose(loaded(before["x"]), before["logits"], atol=1e-6)
