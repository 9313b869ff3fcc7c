import io
import json
import os
import zipfile

import h5py
import hypothesis
import keras
import numpy as np
import psutil
import pytest
from hypothesis import strategies
from keras import layers

from kegnet_tf import teachers
from kegnet_tf.teachers import keras_files


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """An honest file's path."""
    path = tmp_path_factory.mktemp("honest") / "honest.keras"
    parts = [keras.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(2, name="head")]
    keras.Sequential(parts).save(path)
    return path


@pytest.fixture(scope="module")
def members(honest):
    """Its parts by name."""
    with zipfile.ZipFile(honest) as file:
        return {name: file.read(name) for name in file.namelist()}


def written(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def configured(members, change):
    config = json.loads(members["config.json"])
    change(config["config"]["layers"])
    return {**members, "config.json": json.dumps(config)}


def refused(path, message):
    with pytest.raises(ValueError, match=f"`teacher` must .*{message}") as error:
        teachers.load(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device"])
def test_path_that_is_no_regular_file_is_refused_unopened(tmp_path, kind):
    path = tmp_path / "t.keras"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # opening one waits for a writer
    else:
        path.symlink_to("/dev/zero")  # which never ends
    refused(path, "it is no regular file")


def test_bit_that_flipped_in_a_weight_is_found(honest, tmp_path):
    content = bytearray(honest.read_bytes())
    kernel = keras.saving.load_model(honest).layers[0].kernel.numpy().tobytes()
    content[content.index(kernel) + 3] ^= 1
    (tmp_path / "t.keras").write_bytes(content)
    refused(tmp_path / "t.keras", "Bad CRC-32 for file 'model.weights.h5'")


def test_locked_archive_is_refused(honest, tmp_path):
    content = bytearray(honest.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + offset] |= 1
    (tmp_path / "t.keras").write_bytes(content)
    refused(tmp_path / "t.keras", "password required")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_told_in_one_line(members, tmp_path, opening):
    parts = {**members, "config.json": opening * 100_000}
    refused(written(tmp_path / "t.keras", parts), "recursion")


def test_thousands_of_layers_are_refused_before_keras_makes_one(members, tmp_path):
    def repeat(found):
        found.extend([{"class_name": "ReLU", "config": {}}] * 10_000)

    parts = configured(members, repeat)
    path = written(tmp_path / "t.keras", parts, zipfile.ZIP_DEFLATED)
    refused(path, "have 2000 layers at most, 300 in a row. Received: .*10003 layers")


@pytest.mark.parametrize(("count", "fits"), [(300, True), (301, False)])
def test_layers_in_a_row_are_bounded_since_keras_takes_the_square_of_their_number(count, fits):
    config = {"config": {"layers": [{}] * count}}
    if fits:
        keras_files._check_config(config, True)
    else:
        with pytest.raises(ValueError, match="300 in a row"):
            keras_files._check_config(config, True)


def test_configuration_of_gigabytes_of_nothing_is_not_even_unpacked(members, tmp_path):
    path = tmp_path / "t.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", b" " * (2**24 + 1))
        file.writestr("model.weights.h5", members["model.weights.h5"])
    assert path.stat().st_size < 100_000
    refused(path, "have a configuration of 16777216 bytes at most. Received: .*16777217")


def test_file_that_does_not_fit_in_memory_is_refused(honest, monkeypatch):
    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    refused(honest, "fit in memory. Received: .* 1e.03 are free")


def test_layers_that_ask_for_more_than_the_file_holds_are_refused_before_they_get_it(
    members, tmp_path
):
    def widen(found):
        for layer in found[1:]:
            layer["config"]["units"] = 10**6  # 4 TB between two of them
            del layer["build_config"]

    path = written(tmp_path / "t.keras", configured(members, widen))
    refused(path, "its layers ask for more weights than it holds")
    assert keras.layers.Dense(2).add_weight.__name__ == "add_weight"


def test_weights_that_are_declared_and_not_there_are_refused(members, tmp_path):
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (2**14, 2**14), "f4", chunks=(2**10, 2**10))
    parts = {**members, "model.weights.h5": weights.getvalue()}
    refused(written(tmp_path / "t.keras", parts), "dense/vars/0 declares more than there is")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda x: layers.Softmax()(x), "have weights that can learn. Received: none in"),
        (lambda x: layers.Normalization(mean=0.0, variance=1.0)(x), "have weights that can learn"),
        (lambda x: [layers.Dense(2)(x), layers.Dense(3)(x)], "have one input and one output"),
    ],
)
def test_model_that_cannot_be_a_teacher_is_told_with_its_file(tmp_path, model, message):
    inputs = keras.Input((4,))
    keras.Model(inputs, model(inputs)).save(tmp_path / "t.keras")
    refused(tmp_path / "t.keras", message)


def test_images_that_fit_in_no_memory_are_refused(tmp_path):
    inputs = keras.Input((10**6, 10**6, 3))
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(inputs))
    keras.Model(inputs, 2.0 * outputs).save(tmp_path / "t.keras")  # a head that must be measured
    refused(tmp_path / "t.keras", "expect what fits in memory. Received: .None, 1000000, 1000000,")


def test_refusal_names_the_argument_that_was_given(tmp_path):
    with pytest.raises(ValueError, match="`student` must be a complete .keras file"):
        teachers.Loading(argument="student").load(tmp_path / "s.keras")
    with pytest.raises(ValueError, match="`generator` must be a complete .keras file"):
        teachers.read_model(tmp_path / "g.keras", argument="generator")


def test_networks_that_ship_with_keras_are_let_in(tmp_path):
    # Operations, activations by name, and a layer of its own.
    inputs = keras.Input((32, 32, 3))
    norm = keras.applications.convnext.preprocess_input(inputs)
    x = keras.ops.relu(layers.Conv2D(4, 3, activation="gelu")(norm))
    x = keras.activations.silu(layers.DepthwiseConv2D(3, depthwise_regularizer="l2")(x))
    outputs = layers.Dense(2, bias_constraint="non_neg")(layers.Flatten()(x + 1.0))
    keras.Model(inputs, outputs).save(tmp_path / "t.keras")
    assert teachers.read_model(tmp_path / "t.keras").output_shape == (None, 2)


def spoil(content, data):
    """Some bytes of a file changed, cut off or put in."""
    content = bytearray(content)
    for _ in range(data.draw(strategies.integers(1, 4))):
        place = data.draw(strategies.integers(0, len(content) - 1))
        match data.draw(strategies.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                content[place] ^= data.draw(strategies.integers(1, 255))
            case "cut":
                del content[place : place + data.draw(strategies.integers(1, len(content)))]
                content = content or bytearray(1)
            case _:
                content[place:place] = data.draw(strategies.binary(min_size=1, max_size=8))
    return bytes(content)


def either_loads_or_is_refused(path, content):
    path.write_bytes(content)
    said = ""
    try:
        model = teachers.load(path)
    except ValueError as error:
        said = str(error)
    if said:
        assert said.startswith("`teacher` must ")
        assert "\n" not in said
    else:
        assert np.shape(model.get_weights()[0]) == (4, 3)


SETTINGS = {"deadline": None, "derandomize": True}


@hypothesis.settings(max_examples=10, **SETTINGS)
@hypothesis.given(strategies.data())
def test_spoilt_file_loads_or_is_refused(tmp_path_factory, honest, data):
    path = tmp_path_factory.getbasetemp() / "spoilt.keras"
    either_loads_or_is_refused(path, spoil(honest.read_bytes(), data))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "config.json", "metadata.json", "model.weights.h5"])
@hypothesis.settings(max_examples=200, **SETTINGS)
@hypothesis.given(strategies.data())
def test_spoilt_part_whose_checksum_fits_loads_or_is_refused(
    tmp_path_factory, honest, members, part, data
):
    path = tmp_path_factory.getbasetemp() / "spoilt.keras"
    content = honest.read_bytes()
    if part:
        written(path, {**members, part: spoil(members[part], data)})
        content = path.read_bytes()
    else:
        content = spoil(content, data)
    either_loads_or_is_refused(path, content)
