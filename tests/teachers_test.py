import functools
import importlib
import json
import pathlib
import pickle
import sys
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers
from kegnet_tf.layers import LogProbabilities

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


class Subclassed(keras.Model):
    """A model without a configuration, which Keras cannot load."""

    def __init__(self, activation=None):
        super().__init__()
        self.dense = layers.Dense(3, activation, trainable=False)

    def call(self, x):
        return self.dense(ops.add(*x) if isinstance(x, list) else x)


class Unsavable(layers.Layer):
    def __init__(self, size):
        super().__init__()
        self.dense = layers.Dense(int(size))

    def call(self, x):
        return self.dense(x)


def built(model, x=X):
    model(x)
    return model


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
def test_softmax_headed_teacher_gives_the_very_logits_and_digest_of_its_twin(head, sequential):
    twin, model = mlp(sequential=sequential), mlp(**head, sequential=sequential)
    loaded = teachers.load(model)
    assert_array_equal(loaded(X), teachers.load(twin)(X))
    assert_array_equal(loaded(X), twin(X))
    assert teachers.digest(loaded) == teachers.digest(teachers.load(twin)) == teachers.digest(twin)
    assert [layer.name for layer in loaded.layers[1:]] == ["hidden", "norm", "head"]


def test_file_and_model_give_the_same_teacher(tmp_path):
    model = mlp(activation="softmax")
    model.save(tmp_path / "t.keras")
    loaded = teachers.load(tmp_path / "t.keras")
    assert_array_equal(loaded(X), teachers.load(model)(X))
    assert isinstance(loaded, keras.Function)
    assert (loaded.name, loaded.input_shape, loaded.output_shape) == ("mlp", (None, 6), (None, 3))


def test_loaded_teacher_comes_back_from_its_own_file_the_same(tmp_path):
    for model in (mlp(1, "sigmoid"), deepened(ops.softmax), mlp(closing=[layers.Softmax()])):
        loaded = teachers.load(model)
        loaded.save(tmp_path / "t.keras")
        assert_array_equal(teachers.load(tmp_path / "t.keras")(X), loaded(X))


@pytest.mark.parametrize("sequential", [False, True])
def test_source_stays_as_it_is_and_the_copy_is_trainable(sequential):
    model = mlp(activation="softmax", sequential=sequential)
    model.get_layer("hidden").trainable = False
    model.compile("sgd", "mse")
    before, p = model.to_json(), model(X)
    loaded = teachers.load(model)
    assert len(loaded.trainable_variables) == 6  # all but the two statistics of the norm
    for variable in loaded.trainable_variables:
        variable.assign_add(ops.ones_like(variable))
    assert model.to_json() == before
    assert_array_equal(model(X), p)
    assert len(model.trainable_variables) == 4


def test_subclassed_model_is_called_and_stays_as_it_is():
    model = built(Subclassed("softmax"))
    weights = model.get_weights()
    loaded = teachers.load(model)
    assert (loaded.input_shape, loaded.output_shape) == ((None, 6), (None, 3))
    assert not model.trainable_variables
    for before, after in zip(weights, model.get_weights(), strict=True):
        assert_array_equal(after, before)


def test_one_unit_is_two_classes_with_the_sigmoid_as_probability_of_the_second():
    p = mlp(1, "sigmoid")(X)
    for model in (mlp(1, "sigmoid"), mlp(1), mlp(1, closing=[layers.Activation("sigmoid")])):
        logits = teachers.load(model)(X)
        assert_allclose(softmax(logits), np.concatenate([1 - p, p], axis=-1), atol=1e-6)
        assert_array_equal(logits[:, 0], -logits[:, 1])


@pytest.mark.parametrize(
    "model",
    [
        deepened(ops.softmax),
        deepened(lambda x: layers.Reshape((3,))(layers.Softmax()(x))),
        keras.Sequential([keras.Input((6,)), mlp(activation="softmax", sequential=True)]),
        mlp(activation="softmax", closing=[layers.Activation("linear", dtype="float32")]),
        built(Subclassed("softmax")),
    ],
    ids=["operation", "reshape", "nested", "linear activation", "subclassed"],
)
def test_probabilities_that_the_graph_does_not_tell_are_measured(model):
    assert_allclose(softmax(teachers.load(model)(X)), model(X), atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        deepened(lambda x: x / 2.0),
        deepened(ops.relu),
        keras.Sequential([keras.Input((6,)), mlp(sequential=True)]),
        built(Subclassed()),
    ],
    ids=["operation", "relu", "nested", "subclassed"],
)
def test_logits_that_the_graph_does_not_tell_are_measured(model):
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


def test_output_is_followed_against_what_the_head_shows():
    model = mlp(activation="softmax")
    assert_array_equal(teachers.load(model, output="logits")(X), model(X))
    assert_array_equal(teachers.load(model, output="probabilities")(X), mlp()(X))
    positive = deepened(ops.exp)  # up to a constant, exp undoes the logarithm
    logits = teachers.load(positive, output="probabilities")(X)
    assert_allclose(logits, mlp()(X), atol=1e-5)
    several = mlp(3, "sigmoid")
    assert_array_equal(teachers.load(several, output="logits")(X), several(X))
    one = keras.Sequential([keras.Input((6,)), mlp(1, "sigmoid", sequential=True)])
    logits = teachers.load(one, output="probabilities")(X)
    assert_allclose(logits, teachers.load(mlp(1))(X), atol=1e-5)


def test_probability_of_zero_gives_a_finite_logit():
    x = ops.convert_to_tensor([[0.0, 1.0]])
    # log 1e-7 = -16.118, the guard
    assert_allclose(LogProbabilities()(x), [[-16.118, 0.0]], atol=1e-3)
    assert_allclose(LogProbabilities()(x[:, :1]), [[-16.118]], atol=1e-3)


def test_single_tensor_in_a_list_or_dict_is_bare_in_the_teacher():
    model = mlp()
    name = model.inputs[0].name
    for structure in ([model.inputs[0]], {name: model.inputs[0]}):
        loaded = teachers.load(keras.Model(structure, {"y": model.outputs[0]}))
        assert_array_equal(loaded(X), model(X))


def test_lambda_of_a_model_in_hand_needs_no_permission_and_of_a_file_does(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: 2 * x), layers.Dense(3)])
    assert_array_equal(teachers.load(model)(X), model(X))
    model.save(tmp_path / "t.keras")
    assert_array_equal(teachers.load(tmp_path / "t.keras", safe_mode=False)(X), model(X))


CUSTOM = """
import keras
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3, "softmax", trainable=False)
    def call(self, x):
        return self.dense(x)
number = 3
"""


@pytest.fixture
def custom(tmp_path, monkeypatch):
    """File of a teacher with the custom layer `kegnet_custom:Doubled`, not imported yet."""
    (tmp_path / "kegnet_custom.py").write_text(CUSTOM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "kegnet_custom", raising=False)
    scope = {}
    exec(CUSTOM, scope)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3), scope["Doubled"]()])
    model.save(tmp_path / "custom.keras")
    yield tmp_path / "custom.keras", model
    for name in ("Doubled", "Net"):
        keras.saving.get_custom_objects().pop(name, None)


def test_custom_object_is_imported_by_name_and_known_from_then_on(custom, tmp_path):
    path, model = custom
    loaded = teachers.load(path, custom_objects=["kegnet_custom:Doubled"])
    assert_array_equal(loaded(X), model(X))
    loaded.save(tmp_path / "again.keras")
    assert_array_equal(keras.saving.load_model(tmp_path / "again.keras")(X), model(X))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("kegnet_nowhere:Doubled", "No module named 'kegnet_nowhere'"),
        ("kegnet_custom:Tripled", "has no attribute 'Tripled'"),
        ("kegnet_custom:number", "neither a class nor a function"),
        ("kegnet custom", "invalid format"),
    ],
)
def test_custom_object_that_cannot_be_had_is_named(custom, entry, reason):
    with pytest.raises(ValueError, match=rf"`custom_objects` must .*'{entry}'.*{reason}") as error:
        teachers.load(custom[0], custom_objects=[entry])
    assert "\n" not in str(error.value)


def test_subclassed_model_of_a_file_teaches_by_its_name(custom, tmp_path):
    model = built(importlib.import_module("kegnet_custom").Net())
    model.save(tmp_path / "t.keras")
    loaded = teachers.load(tmp_path / "t.keras", custom_objects=["kegnet_custom:Net"])
    assert_allclose(softmax(loaded(X)), model(X), atol=1e-6)
    assert len(loaded.trainable_variables) == 2


def test_unknown_custom_object_of_a_file_is_named(custom):
    with pytest.raises(ValueError, match="--custom_objects.*Could not locate class 'Doubled'"):
        teachers.load(custom[0])


def convolutional(*shape, **head):
    return keras.Sequential([keras.Input(shape), layers.Conv2D(3, 1, **head)])


def functional(shape, function=None, **kwargs):
    function = function or layers.Dense(3)
    inputs = keras.Input(shape, **kwargs)
    return keras.Model(inputs, function(inputs))


def two_inputs():
    inputs = keras.Input((3,)), keras.Input((3,))
    return keras.Model(inputs, layers.add(inputs))


def poisoned(value):
    model = mlp()
    model.get_layer("head").bias.assign([0.0, value, 0.0])
    return model


WRONG_MODELS = {
    "two inputs": (two_inputs, "one input and one output. Received: inputs .*, .*, outputs"),
    "two outputs of a subclassed": (
        lambda: built(Subclassed(lambda x: (x, x))),
        "one input and one output",
    ),
    "two outputs": (lambda: functional((6,), lambda x: [x, -x]), "one input and one output"),
    "string input": (
        lambda: functional(
            (1,), layers.StringLookup(vocabulary=["a"], output_mode="multi_hot"), dtype="string"
        ),
        "floating-point numbers. Received: string",
    ),
    "integer input": (
        lambda: functional((4,), lambda x: layers.Dense(3)(ops.cast(x, "float32")), dtype="int32"),
        "floating-point numbers. Received: int32",
    ),
    "sequences": (
        lambda: functional((7, 2), layers.LSTM(3)),
        r"\[batch, features\].* Received: \(None, 7, 2\)",
    ),
    "open size": (
        lambda: functional((None, None, 3), layers.GlobalAveragePooling2D()),
        r"open in the batch alone. Received: \(None, None, None, 3\)",
    ),
    "fixed batch": (
        lambda: functional(None, batch_shape=(2, 6)),
        r"open in the batch alone. Received: \(2, 6\)",
    ),
    "segmentation": (
        lambda: convolutional(5, 5, 2, activation="softmax"),
        r"\[batch, num_classes\]. Received: \(None, 5, 5, 3\)",
    ),
    "no class": (
        lambda: functional((6,), lambda x: x[:, :0]),
        r"2 classes or more. Received: \(None, 0\)",
    ),
    "one softmax": (lambda: mlp(1, "softmax"), "2 classes or more. Received: 1 unit of softmax"),
    "one unit untold": (
        lambda: functional((6,), lambda x: ops.tanh(x[:, :1])),
        "--teacher_output.* Received: 1 unit of Tanh",
    ),
    "several sigmoids": (
        lambda: mlp(4, "sigmoid"),
        "--teacher_output.* says .* Received: 4 units of sigmoid",
    ),
    "NaN": (lambda: poisoned(np.nan), "finite weights. Received: NaN or infinity in .*head/bias"),
    "infinity": (lambda: poisoned(np.inf), "finite weights"),
    "list of inputs": (
        lambda: built(Subclassed(), [X, X]),
        "built on one tensor. Received: Subclassed",
    ),
    "not built": (lambda: keras.Sequential([layers.Dense(3)]), "whose input shape is unknown"),
    "not savable": (lambda: functional((6,), Unsavable(np.array(3))), "Keras can save and load"),
}


@pytest.mark.parametrize(("make", "message"), WRONG_MODELS.values(), ids=WRONG_MODELS)
def test_wrong_model_is_told_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"`teacher` must .*{message}") as error:
        teachers.load(make())
    assert "\n" not in str(error.value)


def saved(model, path):
    keras.saving.save_model(model, path)
    return path.read_bytes()


WRONG_FILES = {
    "missing": (lambda path: None, "complete .keras file.*No such file"),
    "empty": (lambda path: b"", "complete .keras file.*not a zip"),
    "pickled": (lambda path: pickle.dumps({"w": X}), "complete .keras file.*not a zip"),
    "HDF5": (lambda path: b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "complete .keras file"),
    "truncated": (lambda path: saved(mlp(), path)[:-500], "complete .keras file"),
    "broken inside": (
        lambda path: saved(mlp(), path).replace(b"\x89HDF", b"junk"),
        "complete .keras file.*model.weights.h5",
    ),
    "zip of something else": (
        lambda path: zipfile.ZipFile(path, "w").writestr("notes.txt", "") or path.read_bytes(),
        "complete .keras file.*no item named 'config.json'",
    ),
    "layer": (
        lambda path: saved(mlp().get_layer("head"), path),
        "complete .keras file of a model. .*it holds a Dense",
    ),
    "Lambda": (
        lambda path: saved(functional((6,), layers.Lambda(lambda x: x)), path),
        "hold no Lambda layers, unless --nosafe_mode",
    ),
}


@pytest.mark.parametrize(("content", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_wrong_file_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "t.keras"
    if (content := content(path)) is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"`teacher` must .*{message}") as error:
        teachers.load(path)
    assert "\n" not in str(error.value)


def test_unknown_output_is_told():
    with pytest.raises(ValueError, match="`output` must .* Received: 'softmax'"):
        teachers.load(mlp(), output="softmax")


def test_digest_is_of_the_weights_alone():
    model, other = mlp(), mlp()
    assert teachers.digest(model) == teachers.digest(other)
    other.get_layer("head").bias.assign([0.0, 1.0, 0.0])
    assert teachers.digest(model) != teachers.digest(other)


def test_pretrained_teacher_is_a_file_that_loads_or_is_told():
    assert teachers.load(teachers.pretrained("mnist")).output_shape == (None, 10)
    with pytest.raises(ValueError, match="`teacher` must be given: none ships"):
        teachers.pretrained("mist")


LABELS = np.array([0, 1, 2, 0])


@pytest.fixture(scope="module")
def trained():
    """(model, history) of three epochs on `X` and `LABELS`."""
    model, data = mlp(), (X, LABELS)
    settings = {"epochs": 3, "batch_size": 2, "learning_rate": 0.1, "seed": 0, "verbose": 0}
    return model, teachers.train(model, data, data, **settings).history


def test_training_keeps_the_weights_of_the_best_epoch(trained):
    model, history = trained
    assert np.mean(model(X).numpy().argmax(axis=1) == LABELS) == max(history["val_accuracy"])


def images_of_halves(size=64):
    """Images that are dark on the left and light on the right, with noise."""
    x = np.random.default_rng(0).normal(0, 0.1, (size, 8, 8, 1)).astype(np.float32)
    x[:, :, 4:] += 1.0
    return x, np.zeros(size, int)


class Seen(keras.layers.Layer):
    """Keeps how light the left and right halves were that it met in training."""

    def build(self, shape):
        self.sums = self.add_weight(shape=(3,), initializer="zeros", trainable=False)

    def call(self, x, training=None):
        if training:
            means = keras.ops.mean(keras.ops.reshape(x, (-1, 8, 2, 4)), axis=(0, 1, 3))
            self.sums.assign(self.sums + keras.ops.append(means, 1.0))
        return x


def seeing():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(Seen(name="seen")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


@functools.cache
def train_seeing(**kwargs):
    """Model, and how light left and right halves were; tests share what it trained."""
    model, data = seeing(), images_of_halves()
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "seed": 0, "verbose": 0}
    teachers.train(model, data, data, **settings, **kwargs)
    *sums, steps = model.get_layer("seen").get_weights()[0]
    return model, sums[0] / steps, sums[1] / steps


def test_training_without_augmentation_meets_the_images_as_they_are():
    _, left, right = train_seeing()
    np.testing.assert_allclose([left, right], [0, 1], atol=0.02)


def test_flipped_training_images_are_mirrored_about_half_of_the_time():
    _, left, right = train_seeing(flip=True)
    assert 0.25 < left < 0.75
    np.testing.assert_allclose(left + right, 1, atol=0.04)


def test_shifted_training_images_move_by_the_given_share_at_most():
    _, left, right = train_seeing(shift=0.125)  # one pixel of eight
    assert 0 < left < 0.25 + 0.02
    assert 0.75 - 0.02 < right < 1


def test_augmentation_is_no_part_of_the_trained_model():
    x, _ = images_of_halves(2)
    for model, *_ in (train_seeing(flip=True), train_seeing(shift=0.125)):
        assert [type(layer).__name__ for layer in model.layers][1] == "Seen"
        np.testing.assert_array_equal(model(x, training=False), model(x, training=False))


def test_weight_decay_shrinks_the_weights():
    norms = [
        np.linalg.norm(train_seeing(**decay)[0].layers[-1].get_weights()[0])
        for decay in ({}, {"weight_decay": 50.0})
    ]
    assert norms[1] < 0.9 * norms[0]


def test_normalization_is_adapted_to_the_training_data():
    inputs = keras.Input((6,))
    x = keras.layers.Normalization(name="normalization")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    raw = 5.0 + 3.0 * X
    settings = {"epochs": 1, "batch_size": 2, "learning_rate": 0.1, "seed": 0, "verbose": 0}
    teachers.train(model, (raw, LABELS), (raw, LABELS), **settings)
    standardised = np.asarray(model.get_layer("normalization")(raw))
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(axis=0), 1, atol=1e-5)


def test_trained_model_is_saved_without_its_optimiser(trained, tmp_path):
    trained[0].save(tmp_path / "model.keras")
    assert not keras.saving.load_model(tmp_path / "model.keras").compiled


@pytest.mark.parametrize("path", sorted(pathlib.Path(teachers.__file__).parent.glob("*/*.keras")))
def test_teacher_that_ships_is_small_and_the_one_that_its_json_tells_of(path):
    assert path.stat().st_size < 1_000_000
    made = json.loads(path.with_suffix(".json").read_text())
    assert teachers.digest(keras.saving.load_model(path)) == made["digest"]
