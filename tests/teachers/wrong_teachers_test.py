import pickle
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops

from kegnet_tf import teachers

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


class Subclassed(keras.Model):
    """A model that Keras knows no graph of."""

    def __init__(self, activation=None):
        super().__init__()
        self.dense = layers.Dense(3, activation)

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


def mlp():
    inputs = keras.Input((6,))
    hidden = layers.Dense(4, "relu")(inputs)
    return keras.Model(inputs, layers.Dense(3, name="head")(hidden))


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
