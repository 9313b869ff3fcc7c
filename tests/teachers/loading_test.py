import importlib
import json
import pathlib
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


def mlp(activation=None, sequential=False):
    """Classifier of 6 features whose weights depend on the seed alone, not on the head."""
    keras.utils.set_random_seed(0)
    body = [layers.Dense(4, "relu", name="hidden"), layers.BatchNormalization(name="norm")]
    parts = [keras.Input((6,)), *body, layers.Dense(3, activation, name="head")]
    model = keras.Sequential(parts, name="mlp")
    model(3 * X + 1, training=True)  # the norm has seen data
    return model if sequential else keras.Model(model.inputs[0], model.outputs[0], name="mlp")


class Subclassed(keras.Model):
    """A model without a configuration, which Keras cannot load."""

    def __init__(self, activation=None):
        super().__init__()
        self.dense = layers.Dense(3, activation, trainable=False)

    def call(self, x):
        return self.dense(x)


def built(model):
    model(X)
    return model


def test_file_and_model_give_the_same_teacher(tmp_path):
    model = mlp(activation="softmax")
    model.save(tmp_path / "t.keras")
    loaded = teachers.load(tmp_path / "t.keras")
    assert_array_equal(loaded(X), teachers.load(model)(X))
    assert isinstance(loaded, keras.Function)
    assert (loaded.name, loaded.input_shape, loaded.output_shape) == ("mlp", (None, 6), (None, 3))


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
    assert_allclose(ops.softmax(loaded(X)), model(X), atol=1e-6)
    assert len(loaded.trainable_variables) == 2


def test_unknown_custom_object_of_a_file_is_named(custom):
    with pytest.raises(ValueError, match="--custom_objects.*Could not locate class 'Doubled'"):
        teachers.load(custom[0])


def test_unknown_output_is_told():
    with pytest.raises(ValueError, match="`output` must .* Received: 'softmax'"):
        teachers.load(mlp(), output="softmax")


def test_loading_is_what_load_is_given_besides_the_source():
    model = mlp(activation="softmax")
    assert_array_equal(teachers.Loading().load(model)(X), teachers.load(model)(X))
    assert_array_equal(teachers.Loading(output="logits").load(model)(X), model(X))
    with pytest.raises(ValueError, match="`custom_objects` must .*'kegnet_nowhere:Layer'"):
        teachers.Loading(custom_objects=["kegnet_nowhere:Layer"]).load(model)


def test_digest_is_of_the_weights_alone():
    model, other = mlp(), mlp()
    assert teachers.digest(model) == teachers.digest(other)
    other.get_layer("head").bias.assign([0.0, 1.0, 0.0])
    assert teachers.digest(model) != teachers.digest(other)


def test_pretrained_teacher_is_a_file_that_loads_or_is_told():
    assert teachers.load(teachers.pretrained("mnist")).output_shape == (None, 10)
    with pytest.raises(ValueError, match="`teacher` must be given: none ships"):
        teachers.pretrained("mist")


def test_folder_of_what_ships_leaves_the_function_of_the_same_name_alone():
    importlib.import_module("kegnet_tf.teachers.pretrained")
    assert teachers.pretrained("mnist").endswith("pretrained/mnist.keras")


@pytest.mark.parametrize("path", sorted(pathlib.Path(teachers.__file__).parent.glob("*/*.keras")))
def test_teacher_that_ships_is_small_and_the_one_that_its_json_tells_of(path):
    assert path.stat().st_size < 1_000_000
    made = json.loads(path.with_suffix(".json").read_text())
    assert teachers.digest(keras.saving.load_model(path)) == made["digest"]
