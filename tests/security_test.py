"""Files of strangers: each hole that was found in Keras' reader, in a file made for it.

`SECURITY.md` says what is promised. A canary is a file that code from the file would leave behind;
the secret is one that it would read.
"""

import base64
import io
import json
import marshal
import pickle
import re
import socket
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kegnet_tf
from kegnet_tf import export
from kegnet_tf.export import saved_models

SECRET = 4242.0
READERS = {
    "teacher": kegnet_tf.load_teacher,
    "student": kegnet_tf.load_student,
    "model": export.predictor,
}


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The parts of an honest file: two layers from four numbers to two classes."""
    path = tmp_path_factory.mktemp("honest") / "honest.keras"
    parts = [keras.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(2, name="head")]
    keras.Sequential(parts).save(path)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture
def hostile(members, tmp_path, monkeypatch):
    """Function that writes a hostile file, and checks that nothing comes of reading it."""
    canary, secret = tmp_path / "canary", tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.full((4, 3), SECRET, np.float32)
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))

    def refused(argument, parts, rule=""):
        path = tmp_path / "hostile.keras"
        with zipfile.ZipFile(path, "w") as file:
            for name, content in {**members, **parts}.items():
                if content is not None:
                    file.writestr(name, content)
        before = {each for each in tmp_path.iterdir()}
        with pytest.raises(ValueError, match=f"`{argument}` must .*{rule}") as error:
            READERS[argument](path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)
        assert str(SECRET) not in str(error.value)
        assert {each for each in tmp_path.iterdir()} == before
        assert not canary.exists()
        assert not asked

    refused.canary, refused.secret, refused.members = canary, secret, members
    return refused


def bytecode(canary):
    """A function's code, which leaves the canary, as Keras' `Lambda` keeps it."""
    code = compile(f"lambda x: [open({str(canary)!r}, 'w').close(), x][1]", "evil", "eval")
    function = eval(code)
    dumped = base64.b64encode(marshal.dumps(function.__code__)).decode()
    inner = {"code": dumped, "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": inner}


def pickled(canary):
    class Opens:
        def __reduce__(self):
            return open, (str(canary), "w")

    return base64.b64encode(pickle.dumps(Opens())).decode()


def entry(kind, room="keras.layers", /, **config):
    return {"module": room, "class_name": kind, "config": config, "registered_name": None}


def function(name, module):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def config_with(members, layer=None, **changes):
    """The honest configuration with one more layer, or with changes to its first `Dense`."""
    config = json.loads(members["config.json"])
    found = config["config"]["layers"]
    if layer:
        found.insert(1, layer)
    found[-2]["config"] |= changes
    return {"config.json": json.dumps(config)}


def lambda_layer(code, **more):
    return entry("Lambda", name="evil", function=code, **more)


# What a layer of the file is, made of (canary, secret), by the hole.
LAYERS = {
    "CVE-2024-3660 code in a Lambda": lambda canary, _: lambda_layer(bytecode(canary)),
    "CVE-2024-3660 code as a shape": lambda canary, _: lambda_layer(
        function("relu", "keras.activations"), output_shape=bytecode(canary)
    ),
    "in a layer that wraps one": lambda canary, _: entry(
        "TimeDistributed", name="evil", layer=lambda_layer(bytecode(canary))
    ),
    "in a model in the model": lambda canary, _: entry(
        "Sequential", "keras", name="evil", layers=[lambda_layer(bytecode(canary))]
    ),
    "under its inner name": lambda canary, _: {
        **lambda_layer(bytecode(canary)),
        "module": "keras.src.layers.core.lambda_layer",
    },
    "under a dotted name": lambda canary, _: {
        **lambda_layer(bytecode(canary)),
        "module": "keras",
        "class_name": "layers.Lambda",
    },
    "without its module": lambda canary, _: {
        "class_name": "Lambda",
        "config": {"name": "evil", "function": [bytecode(canary)], "function_type": "lambda"},
    },
    "under another's registered name": lambda canary, _: {
        "class_name": "Lambda",
        "registered_name": "kegnet_tf>TwoClasses",
        "config": {"name": "evil", "function": bytecode(canary)},
    },
    "CVE-2025-1550 any module": lambda canary, _: lambda_layer(
        function("system", "os"), arguments={"command": f"touch {canary}"}
    ),
    "CVE-2025-8747 Keras' downloads": lambda canary, _: lambda_layer(
        function("get_file", "keras.utils"),
        arguments={"fname": str(canary), "origin": "http://localhost:9/x"},
    ),
    "CVE-2025-12060 CVE-2025-12638 CVE-2024-55459 downloaded archives": lambda canary, _: (
        lambda_layer(
            function("get_file", "keras.utils"),
            arguments={"origin": "http://localhost:9/x.tar", "extract": True},
        )
    ),
    "CVE-2025-9906 switching safety off": lambda canary, _: entry(
        "Sequential",
        "keras",
        name="evil",
        layers=[
            lambda_layer(function("enable_unsafe_deserialization", "keras.config")),
            lambda_layer(bytecode(canary)),
        ],
    ),
    "CVE-2025-12058 a vocabulary's path": lambda _, secret: entry(
        "StringLookup", name="evil", vocabulary=str(secret)
    ),
    "CVE-2025-12058 a vocabulary's address": lambda *_: entry(
        "IntegerLookup", name="evil", vocabulary="http://localhost:9/x"
    ),
    "CVE-2025-12058 in text": lambda _, secret: entry(
        "TextVectorization", name="evil", vocabulary=str(secret)
    ),
    "CVE-2025-49655 pickled PyTorch": lambda canary, _: entry(
        "TorchModuleWrapper", name="evil", module=pickled(canary)
    ),
    "CVE-2026-1462 another SavedModel": lambda _, secret: entry(
        "TFSMLayer", "keras.layers", name="evil", filepath=str(secret)
    ),
    "pickled JAX": lambda canary, _: entry(
        "JaxLayer", name="evil", call_fn=bytecode(canary), init_fn=bytecode(canary)
    ),
    "CVE-2026-12479 a path as a name": lambda *_: entry("ReLU", name=".."),
    "a type of TensorFlow's by its module": lambda *_: entry(
        "Activation", name="evil", activation={**entry("__typespec__", "os"), "spec_name": "system"}
    ),
}


@pytest.mark.parametrize("hole", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("argument", READERS)
def test_layer_that_leads_to_code_or_to_other_files_is_refused(hostile, argument, hole):
    layer = hole(hostile.canary, hostile.secret)
    hostile(argument, config_with(hostile.members, layer), "(hold|name) ")


FUNCTIONS = {
    "code": lambda canary: bytecode(canary),
    "CVE-2025-1550 os.system": lambda _: function("system", "os"),
    "eval": lambda _: function("builtins.eval", "keras"),
    "loading a model": lambda _: function("load_model", "keras.models"),
    "loading a model, as a class": lambda _: entry("load_model", "keras.saving"),
    "CVE-2025-9906 switching safety off": lambda _: function(
        "enable_unsafe_deserialization", "keras.config"
    ),
    "weights from the network": lambda _: function("VGG16", "keras.applications"),
    "weights from the network, as a class": lambda _: entry("VGG16", "keras.applications"),
    "data from the network": lambda _: function("load_data", "keras.datasets.mnist"),
    "images from the disk": lambda _: function("load_img", "keras.utils"),
}


@pytest.mark.parametrize("made", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("key", ["activation", "kernel_initializer", "kernel_regularizer"])
def test_function_that_is_not_of_a_layer_is_refused(hostile, made, key):
    changes = {key: made(hostile.canary)}
    hostile("teacher", config_with(hostile.members, **changes), "hold ")


def test_package_that_a_file_names_is_not_even_imported(hostile, tmp_path, monkeypatch):
    # Keras would import it if it had one of four names.
    package = tmp_path / "packages" / "keras_cv"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(hostile.canary)!r}, 'w')")
    monkeypatch.syspath_prepend(package.parent)
    hostile("teacher", config_with(hostile.members, entry("Evil", "keras_cv", name="evil")))
    assert "keras_cv" not in sys.modules


def test_code_of_these_tests_runs_where_the_user_lets_it(members, tmp_path):
    path, canary = tmp_path / "t.keras", tmp_path / "canary"
    with zipfile.ZipFile(path, "w") as file:
        parts = config_with(members, lambda_layer(bytecode(canary)))
        for name, content in {**members, **parts}.items():
            file.writestr(name, content)
    kegnet_tf.load_teacher(path, safe_mode=False)
    assert canary.exists()


def spoilt_weights(members, change):
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "r+") as weights:
        del weights["layers/dense/vars/0"]
        change(weights, "layers/dense/vars/0")
    return {"model.weights.h5": file.getvalue()}


def virtual(weights, name, secret):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(secret, "x", (4, 3))
    weights.create_virtual_dataset(name, layout)


def bomb(weights, name, _):
    weights.create_dataset(name, (2**20, 2**19), "f4", chunks=(2**10, 2**10), compression="gzip")


WEIGHTS = {
    "external link": lambda weights, name, secret: weights.__setitem__(
        name, h5py.ExternalLink(secret, "x")
    ),
    "soft link": lambda weights, name, _: weights.__setitem__(
        name, h5py.SoftLink("/layers/dense/vars/1")
    ),
    "link to a group": lambda weights, name, secret: weights.__setitem__(
        "layers/evil", h5py.ExternalLink(secret, "/")
    ),
    "CVE-2026-1669 external storage": lambda weights, name, secret: weights.create_dataset(
        name, (4, 3), "f4", external=[(str(secret), 0, 48)]
    ),
    "CVE-2026-12480 virtual": virtual,
    "CVE-2026-0897 2 TiB": bomb,
}


@pytest.mark.parametrize("change", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("argument", READERS)
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(hostile, argument, change):
    secret = hostile.secret
    hostile(
        argument,
        spoilt_weights(hostile.members, lambda file, name: change(file, name, secret)),
        r"hold all of its weights, and no paths|declares more than there is",
    )


@pytest.mark.parametrize(
    "name", ["../canary", "assets/../../canary", "/tmp/canary", "assets/..\\..\\canary"]
)
def test_part_of_a_file_that_would_lie_outside_is_refused(hostile, name):
    # GHSA-hqp4-2352-xf5r: with four parts, Keras unpacks them all.
    hostile("teacher", {name: b"evil"}, "its parts are not named")


def test_weights_of_another_format_are_refused(hostile):
    content = io.BytesIO()
    np.savez(content, evil=np.array([{}], dtype=object))
    parts = {"model.weights.h5": None, "model.weights.npz": content.getvalue()}
    hostile("teacher", parts, "no item named 'model.weights.h5'")


@pytest.mark.parametrize("name", ["t.h5", "t.keras", "t.hdf5", "both.h5"])
@pytest.mark.parametrize("argument", READERS)
def test_older_format_is_no_way_around(members, tmp_path, argument, name):
    # CVE-2025-9905: HDF5 files, in which Keras looked for no code.
    path, canary = tmp_path / name, tmp_path / "canary"
    config = json.loads(config_with(members, lambda_layer(bytecode(canary)))["config.json"])
    both = name.startswith("both")
    with h5py.File(path, "w", userblock_size=512 if both else 0) as file:
        file.attrs["model_config"] = json.dumps(config)
    if both:  # HDF5 behind its head, and an archive at its end
        with zipfile.ZipFile(path, "a") as file:
            for part, content in members.items():
                file.writestr(part, content)
    with pytest.raises(ValueError, match=f"`{argument}` must be .*{path}"):
        READERS[argument](path)
    assert not canary.exists()


def test_remote_names_are_no_files():
    for name in ("hf://someone/something", "http://localhost:9/t.keras", "gs://bucket/t.keras"):
        for argument, read in READERS.items():
            with pytest.raises(ValueError, match=f"`{argument}` must .*No such file"):
                read(name)


class Writes(tf.Module):
    """Answers, and writes a file."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def answer(self, x):
        tf.io.write_file(self.path, "evil")
        return x[:, :2]


def test_saved_model_that_writes_files_is_refused(tmp_path):
    model = Writes(str(tmp_path / "canary"))
    tf.saved_model.save(model, str(tmp_path / "evil"), signatures=model.answer)
    with pytest.raises(ValueError, match="must only compute, and has WriteFile"):
        export.predictor(tmp_path / "evil")
    assert not (tmp_path / "canary").exists()


def test_every_operation_of_tensorflow_that_takes_a_path_or_an_address_is_known():
    import inspect

    harmless = {"CTCBeamSearchDecoder", "CudnnRNNBackpropV2", "CudnnRNNBackpropV3"}
    harmless |= {"RegexFullMatch", "RegexReplace", "StaticRegexFullMatch", "StaticRegexReplace"}
    words = re.compile("address|director|file|host|path|pattern|prefix|url|writer")
    found = {
        name
        for name in dir(tf.raw_ops)
        if name[0].isupper()
        and any(map(words.search, inspect.signature(getattr(tf.raw_ops, name)).parameters))
    }
    assert "WriteFile" in found
    assert {name for name in found if not saved_models.OUTSIDE.search(name)} == harmless
    needed = {"Conv2D", "MatMul", "ReadVariableOp", "StatefulPartitionedCall", "VarHandleOp"}
    assert not any(map(saved_models.OUTSIDE.search, needed))
