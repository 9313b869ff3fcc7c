import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers, ops
from numpy.testing import assert_array_equal
from smallest import nested_classifier

from kegnet_tf import teachers
from kegnet_tf.compression import compress, layer_report


def conv_bn(x, filters, name, kernel=3, **kwargs):
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=False, name=name, **kwargs)(x)
    return layers.ReLU()(layers.BatchNormalization(name=f"{name}_bn")(x))


def resnet(widths=(4, 6), blocks=1, size=8):
    """Stages of residual blocks; a shortcut into a wider stage is strided and padded with zeros."""
    inputs = keras.Input((size, size, 3))
    x = conv_bn(inputs, widths[0], "stem")
    for stage, width in enumerate(widths):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            y = conv_bn(x, width, f"stage{stage}_block{block}_conv1", strides=strides)
            y = layers.Conv2D(width, 3, padding="same", name=f"stage{stage}_block{block}_conv2")(y)
            shortcut = x[:, ::strides, ::strides]
            shortcut = ops.pad(shortcut, [(0, 0)] * 3 + [(0, width - x.shape[-1])])
            x = layers.ReLU()(layers.BatchNormalization()(y) + shortcut)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def vgg():
    inputs = x = keras.Input((8, 8, 3))
    for index, filters in enumerate((4, 6)):
        x = layers.MaxPooling2D()(conv_bn(x, filters, f"conv{index}"))
    x = layers.Dropout(0.5)(layers.Dense(8, activation="relu", name="fc")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def mobilenet():
    inputs = keras.Input((8, 8, 3))
    x = conv_bn(inputs, 4, "stem", strides=2)
    y = conv_bn(x, 8, "widen", kernel=1)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(y)
    x = layers.add([x, layers.Conv2D(4, 1, name="narrow")(y)])
    x = layers.SeparableConv2D(6, 3, name="separable")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten()(x)))


def densenet():
    inputs = x = keras.Input((8, 8, 3))
    for index in range(2):
        y = conv_bn(x, 4, f"conv{index}", dilation_rate=1 + index)
        x = layers.concatenate([x, y])
    x = layers.Conv2D(4, 2, strides=2, name="transition")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten()(x)))


def mlp():
    return keras.Sequential(
        [keras.Input((9,))]
        + [layers.Dense(8, activation="elu", name=f"dense{index}") for index in range(3)]
        + [layers.Dense(3, activation="softmax", name="probabilities")]
    )


def shared():
    inputs = keras.Input((6, 6, 3))
    twice = layers.Conv2D(3, 3, padding="same", activation="tanh", name="twice")
    x = layers.Flatten()(twice(twice(inputs)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def lenet():
    return teachers.NETWORKS["lenet5"](num_classes=3, seed=0)


SMALL = [lenet, mobilenet, shared, nested_classifier, resnet, vgg, densenet, mlp]
APPLICATIONS = [  # with the smallest input that each allows
    keras.applications.MobileNetV2,
    keras.applications.ResNet50,
    keras.applications.EfficientNetB0,
    keras.applications.DenseNet121,
    keras.applications.VGG16,
]


def shaken(build, **kwargs):
    """A model with every float variable off its start, so that a lost one shows."""
    keras.utils.set_random_seed(0)
    model = build(**kwargs)
    for variable in model.weights:
        noise = np.random.default_rng(len(variable.shape)).uniform(0, 0.1, variable.shape)
        variable.assign(variable + noise)
    return model


def application(build):
    keras.utils.set_random_seed(0)
    return build(weights=None, input_shape=(32, 32, 3), classes=3, classifier_activation=None)


def examples(model, size=2):
    shape = (size, *model.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def pairs(model, share):
    """Explicit ranks for every dense and every ungrouped convolution, by the layer's name."""
    return {
        layer.name: tuple(max(1, int(share * size)) for size in layer.kernel.shape[-2:])
        for layer in teachers.every_layer(model)
        if type(layer) in (layers.Conv2D, layers.Dense)
    }


def distance(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def answered(model):
    """(model, x, answer): what it answers on random data."""
    x = examples(model)
    return model, x, np.asarray(model(x))


@pytest.fixture(
    scope="module",
    params=[*SMALL[:4], *(pytest.param(build, marks=pytest.mark.slow) for build in SMALL[4:])],
    ids=lambda build: build.__name__,
)
def known(request):
    """`answered` of a small network."""
    return answered(shaken(request.param))


def check_full_rank(model, x, expected):
    student = compress(model, pairs(model, 1.0))
    assert all(row.ranks for row in layer_report(model, student))
    assert distance(student(x), expected) < 1e-4


def halved(model):
    # Iterations change numbers, not what a layer is, and take most of the time.
    return compress(model, pairs(model, 0.5), start="svd")


def check_half_rank(model, x, expected, tmp_path):
    student = halved(model)
    answer = np.asarray(student(x))
    assert distance(answer, expected) > 1e-3
    student.save(tmp_path / "student.keras")
    assert_array_equal(keras.saving.load_model(tmp_path / "student.keras")(x), answer)


def check_export(model, tmp_path):
    x = examples(model)
    student = halved(model)
    student.export(tmp_path / "student.tflite", format="litert", verbose=False)
    interpreter = Interpreter(str(tmp_path / "student.tflite"))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(inputs["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(inputs["index"], x)
    interpreter.invoke()
    assert distance(interpreter.get_tensor(outputs["index"]), np.asarray(student(x))) < 1e-4


def test_full_rank_changes_nothing(known):
    check_full_rank(*known)


def test_half_rank_runs_saves_and_reloads(known, tmp_path):
    check_half_rank(*known, tmp_path)


def test_what_is_skipped_is_copied_bit_for_bit(known):
    model, x, answer = known
    student = compress(model, skip=".*")
    assert [w.tobytes() for w in student.get_weights()] == [
        w.tobytes() for w in model.get_weights()
    ]
    assert_array_equal(student(x), answer)
    assert {row.note for row in layer_report(model, student)} == {"not chosen"}


@pytest.mark.slow
@pytest.mark.parametrize("build", SMALL)
def test_half_rank_exports(build, tmp_path):
    check_export(shaken(build), tmp_path)


@pytest.mark.parametrize(
    "policy",
    [{}, {"ranks": 0.5}, {"ranks": (1, 1)}, {"energy": 0.8}, {"target_ratio": 1.3}],
    ids=str,
)
@pytest.mark.parametrize("build", [vgg, nested_classifier])
def test_the_original_is_untouched(build, policy):
    model = shaken(build)
    config, weights = json.dumps(model.get_config()), [w.tobytes() for w in model.get_weights()]
    answer = np.asarray(model(examples(model)))
    student = compress(model, **policy)
    for variable in student.weights:
        variable.assign(variable + 1.0)
    assert json.dumps(model.get_config()) == config
    assert [w.tobytes() for w in model.get_weights()] == weights
    assert_array_equal(model(examples(model)), answer)


@pytest.mark.slow
@pytest.mark.parametrize("build", APPLICATIONS)
def test_full_rank_changes_nothing_in_known_networks(build):
    check_full_rank(*answered(application(build)))


@pytest.mark.slow
@pytest.mark.parametrize("build", APPLICATIONS)
def test_half_rank_of_known_networks_runs_saves_reloads_and_exports(build, tmp_path):
    model = application(build)
    check_half_rank(*answered(model), tmp_path)
    check_export(model, tmp_path)
