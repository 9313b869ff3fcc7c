import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf import teachers
from kegnet_tf.compression import compress, layer_report
from kegnet_tf.configs import mnist
from kegnet_tf.datasets.images import ImageDataset
from kegnet_tf.evaluation import accuracy, compression_ratio, trainable_parameters
from kegnet_tf.layers import TuckerConv2D, TuckerDense
from kegnet_tf.networks.lenet5 import lenet5


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


def resnet14():
    return resnet((16, 32, 64), blocks=2, size=32)


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


def nested():
    """A Sequential in a Functional in a Sequential; the middle one is called twice."""
    inner = keras.Sequential([layers.Conv2D(4, 3, padding="same", name="conv")], name="inner")
    inputs = keras.Input((6, 6, 4))
    middle = keras.Model(inputs, inputs + inner(inputs), name="middle")
    inputs = keras.Input((6, 6, 4))
    twice = keras.Model(inputs, middle(middle(inputs)), name="outer")
    return keras.Sequential([twice, layers.Flatten(), layers.Dense(3, name="logits")])


def lenet():
    return lenet5(num_classes=3, seed=0)


SMALL = [lenet, resnet, vgg, mobilenet, densenet, mlp, shared, nested]
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
        for layer in model._flatten_layers()
        if type(layer) in (layers.Conv2D, layers.Dense)
    }


def distance(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


def check_full_rank(model):
    x = examples(model)
    student = compress(model, pairs(model, 1.0))
    assert all(row["ranks"] for row in layer_report(model, student))
    assert distance(student(x), np.asarray(model(x))) < 1e-4


def check_half_rank(model, tmp_path):
    x = examples(model)
    student = compress(model, pairs(model, 0.5))
    answer = np.asarray(student(x))
    assert distance(answer, np.asarray(model(x))) > 1e-3
    student.save(tmp_path / "student.keras")
    assert_array_equal(keras.saving.load_model(tmp_path / "student.keras")(x), answer)


def check_export(model, tmp_path):
    x = examples(model)
    student = compress(model, pairs(model, 0.5))
    student.export(tmp_path / "student.tflite", format="litert", verbose=False)
    interpreter = Interpreter(str(tmp_path / "student.tflite"))
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(inputs["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(inputs["index"], x)
    interpreter.invoke()
    assert distance(interpreter.get_tensor(outputs["index"]), np.asarray(student(x))) < 1e-4


@pytest.mark.parametrize("build", SMALL)
def test_full_rank_changes_nothing(build):
    check_full_rank(shaken(build))


@pytest.mark.parametrize("build", SMALL)
def test_half_rank_runs_saves_and_reloads(build, tmp_path):
    check_half_rank(shaken(build), tmp_path)


# A conversion takes a second; what any network has of Tucker layers, these two have.
@pytest.mark.parametrize(
    "build",
    [pytest.param(b, marks=[] if b in (resnet, densenet) else pytest.mark.slow) for b in SMALL],
)
def test_half_rank_exports(build, tmp_path):
    check_export(shaken(build), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("build", APPLICATIONS)
def test_full_rank_changes_nothing_in_known_networks(build):
    check_full_rank(application(build))


@pytest.mark.slow
@pytest.mark.parametrize("build", APPLICATIONS)
def test_half_rank_of_known_networks_runs_saves_reloads_and_exports(build, tmp_path):
    check_half_rank(application(build), tmp_path)
    check_export(application(build), tmp_path)


@pytest.mark.parametrize("ratio", [2, 3, 5])
@pytest.mark.parametrize(
    "build",
    [
        lenet5,
        pytest.param(resnet14, marks=pytest.mark.slow),
        pytest.param(lambda: application(keras.applications.VGG16), marks=pytest.mark.slow),
    ],
    ids=["lenet5", "resnet14", "vgg16"],
)
def test_target_ratio_is_reached_from_above_within_five_percent(build, ratio):
    model = build()
    assert ratio <= compression_ratio(model, compress(model, target_ratio=ratio)) <= 1.05 * ratio


@pytest.mark.data
def test_target_ratio_loses_no_more_accuracy_than_any_fraction_of_the_same_size():
    data = {**mnist.get_config().data, "splits": {"test": "test[:2000]"}}
    dataset = ImageDataset(**data)
    if not dataset.is_prepared():
        pytest.skip("TFDS_DATA_DIR holds no mnist")
    x, label = dataset.load("test")
    teacher = teachers.load(teachers.pretrained("mnist"))
    student = compress(teacher, target_ratio=3)
    size = trainable_parameters(student)
    rivals = [compress(teacher, fraction) for fraction in (0.36, 0.37, 0.38)]
    assert all(abs(trainable_parameters(rival) / size - 1) < 0.05 for rival in rivals)
    best = max(accuracy(rival.predict_on_batch, x, label) for rival in rivals)
    assert accuracy(student.predict_on_batch, x, label) >= max(best, 0.98)


def test_target_ratio_counts_what_is_frozen():
    model = shaken(vgg)
    size = trainable_parameters(model)
    model.trainable = False
    assert 2 <= size / trainable_parameters(compress(model, target_ratio=2)) <= 2.1


def test_target_ratio_of_one_leaves_every_layer_alone():
    model = shaken(vgg)
    rows = layer_report(model, compress(model, target_ratio=1))
    assert {row["note"] for row in rows} == {"worth its size"}


def test_an_unreachable_ratio_is_refused_with_the_largest_there_is():
    model = lenet5()
    with pytest.raises(ValueError, match="`target_ratio` must lie in .* Received: 100.") as caught:
        compress(model, target_ratio=100, skip="fc.*")
    largest = float(str(caught.value).split("[1, ")[1].split("]")[0])
    smallest = compress(model, {"conv.*": (1, 1)})
    assert_allclose(largest, compression_ratio(model, smallest), atol=0.01)
    student = compress(model, target_ratio=largest, skip="fc.*")
    assert trainable_parameters(student) == trainable_parameters(smallest)


@pytest.mark.parametrize(
    "policy",
    [{}, {"ranks": 0.5}, {"ranks": (1, 1)}, {"energy": 0.8}, {"target_ratio": 1.3}],
    ids=str,
)
@pytest.mark.parametrize("build", [vgg, nested])
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


@pytest.mark.parametrize("build", [resnet, mobilenet, nested])
def test_what_is_skipped_is_copied_bit_for_bit(build):
    model = shaken(build)
    student = compress(model, skip=".*")
    assert [w.tobytes() for w in student.get_weights()] == [
        w.tobytes() for w in model.get_weights()
    ]
    assert_array_equal(student(examples(model)), model(examples(model)))
    assert {row["note"] for row in layer_report(model, student)} == {"not chosen"}


def test_state_that_is_no_weight_is_copied_too():
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(np.arange(12.0).reshape(4, 3))
    model = keras.Sequential([keras.Input((3,)), normalization, layers.Dropout(0.5, seed=7)])
    model(np.ones((1, 3)), training=True)  # moves the seed on
    student, x = compress(model), np.ones((8, 3), "float32")
    assert_array_equal(student(x), model(x))
    assert_array_equal(student(x, training=True), model(x, training=True))


def test_only_the_chosen_layers_differ():
    model = shaken(vgg)
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
    model = shaken(nested)
    for name in ("outer/middle/inner/conv", "conv", "outer/.*"):
        rows = layer_report(model, compress(model, {name: (2, 3)}))
        assert {row["name"]: row["ranks"] for row in rows} == {
            "outer/middle/inner/conv": (2, 3),
            "logits": None,
        }


@pytest.mark.parametrize("frozen", ["all", "outer", "logits"])
def test_a_frozen_teacher_gives_a_trainable_student(frozen):
    model = shaken(nested)
    (model if frozen == "all" else model.get_layer(frozen)).trainable = False
    kept = [variable.path for variable in model.trainable_variables]
    for student in (compress(model, (1, 1)), compress(model, skip=".*")):
        assert len(student.trainable_variables) == len(student.weights)
    assert [variable.path for variable in model.trainable_variables] == kept


def test_a_compiled_teacher_gives_a_student_that_is_not_compiled():
    model = shaken(nested)
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
    assert_array_equal(student(examples(model)), model(examples(model)))
    assert [(row["name"], row["note"]) for row in layer_report(model, student)] == [
        ("grouped", "grouped")
    ]
    with pytest.raises(
        ValueError, match=r"`ranks` must name layers among \[\]. Received: 'grouped'"
    ):
        compress(model, {"grouped": (1, 1)})


def test_channels_may_come_first():
    convolution = layers.Conv2D(6, 3, strides=2, data_format="channels_first", name="conv")
    model = keras.Sequential([keras.Input((4, 7, 7)), convolution])
    student = compress(model, (4, 6))
    assert distance(student(examples(model)), np.asarray(model(examples(model)))) < 1e-6
    (row,) = layer_report(model, student)
    # 49 pixels squeezed, 3 x 3 pixels in the core and expanded
    assert row["multiply_adds"] == (9 * 9 * 4 * 6, 49 * 4 * 4 + 9 * (9 * 4 * 6 + 6 * 6))


def test_report_counts_by_hand():
    model = shaken(shared)
    student = compress(model, {"twice": (1, 2)})
    row, other = layer_report(model, student)
    assert row["parameters"] == (9 * 3 * 3 + 3, 3 * 1 + 9 * 1 * 2 + 2 * 3 + 3)
    assert row["multiply_adds"] == (2 * 36 * 9 * 3 * 3, 2 * 36 * (3 * 1 + 9 * 1 * 2 + 2 * 3))
    kernel = model.get_layer("twice").kernel.numpy()
    approximation = student.get_layer("twice").dense_kernel().numpy()
    assert_allclose(row["error"], distance(approximation, kernel), rtol=1e-6)
    assert row["ranks"] == (1, 2)
    assert row["note"] == ""
    assert other["multiply_adds"] == (108 * 3, 108 * 3)
    assert other["note"] == "not chosen"


def test_report_leaves_open_what_depends_on_the_size_of_the_input():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(inputs))
    assert layer_report(model, compress(model, 0.5))[0]["multiply_adds"] == (None, None)


def low_rank(rank_in, rank_out, size=12):
    """A convolution whose kernel has exactly these ranks."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((5, 5, size)), layers.Conv2D(size, 3, name="conv")])
    core = rng.normal(size=(3, 3, rank_in, rank_out))
    sides = rng.normal(size=(size, rank_in)), rng.normal(size=(size, rank_out))
    kernel = np.einsum("hwpq,ip,oq->hwio", core, *sides)
    model.layers[0].set_weights([kernel, rng.normal(size=size)])
    return model


def test_energy_of_one_finds_the_ranks_of_the_kernel_and_loses_nothing():
    model = low_rank(2, 3)
    student = compress(model, energy=1.0)
    assert student.get_layer("conv").ranks == (2, 3)
    assert distance(student(examples(model)), np.asarray(model(examples(model)))) < 1e-5


@pytest.mark.parametrize("energy", [0.3, 0.6, 0.9])
def test_energy_is_the_share_that_each_unfolding_keeps(energy):
    model = shaken(lambda: low_rank(10, 11))
    kernel = model.layers[0].kernel.numpy().astype(float)
    ranks = compress(model, energy=energy).get_layer("conv").ranks
    for mode, rank in zip((2, 3), ranks, strict=True):
        values = np.linalg.svd(np.moveaxis(kernel, mode, 0).reshape(12, -1), compute_uv=False)
        shares = np.cumsum(values**2) / np.sum(values**2)
        assert shares[rank - 1] >= energy
        assert rank == 1 or shares[rank - 2] < energy


def test_a_fraction_is_of_the_channels_but_no_more_than_the_core_spans():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 12)),
            layers.Conv2D(20, 3, name="square"),  # a quarter of 12 and 20
            layers.Conv2D(2, 1, name="narrow"),  # 5 of 20, but 1 of 2
            layers.Conv2D(64, 2, name="wide"),  # 1 of 2, and with 4 pixels it spans 4 of 64
        ]
    )
    rows = layer_report(model, compress(model, 0.25))
    assert [row["ranks"] for row in rows] == [(3, 5), (1, 1), (1, 4)]


def test_vbmf_is_the_default():
    model = low_rank(2, 3)
    kernel = model.layers[0].kernel
    kernel.assign_add(0.1 * np.random.default_rng(1).normal(size=kernel.shape))
    for arguments in ([], ["vbmf"], [{"conv": "vbmf"}]):
        assert compress(model, *arguments).get_layer("conv").ranks == (2, 3)


def test_only_an_explicit_pair_may_grow_a_layer():
    model = shaken(mlp)
    for policy in ({"ranks": 1.0}, {"energy": 1.0}, {"ranks": {".*": 1.0}}):
        rows = layer_report(model, compress(model, **policy))
        assert {row["note"] for row in rows} == {"would not shrink"}
    student = compress(model, {"dense1": (8, 8)})
    assert student.get_layer("dense1").ranks == (8, 8)
    assert trainable_parameters(student) > trainable_parameters(model)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"layers": "dense0"}, {"dense0"}),
        ({"layers": ["dense[01]", "prob.*"]}, {"dense0", "dense1", "probabilities"}),
        ({"skip": "dense.*"}, {"probabilities"}),
        ({"layers": "dense.", "skip": ["dense2", "dense1"]}, {"dense0"}),
        ({"layers": None, "skip": None}, {"dense0", "dense1", "dense2", "probabilities"}),
    ],
)
def test_layers_and_skip_choose_by_name_or_expression(selection, chosen):
    model = shaken(mlp)
    rows = layer_report(model, compress(model, (1, 1), **selection))
    assert {row["name"] for row in rows if row["ranks"]} == chosen


def test_ranks_that_the_sides_cannot_span_are_filled_up_with_zeros():
    model = shaken(mlp)
    student = compress(model, {"dense0": (9, 3), "dense1": (6, 2), "dense2": (2, 7)})
    assert [layer.ranks for layer in student.layers[1:4]] == [(9, 3), (6, 2), (2, 7)]
    for name, rank in (("dense0", 3), ("dense1", 2), ("dense2", 2)):
        u, s, v = np.linalg.svd(model.get_layer(name).kernel.numpy(), full_matrices=False)
        best = (u[:, :rank] * s[:rank]) @ v[:rank]
        assert_allclose(student.get_layer(name).dense_kernel(), best, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ranks": {"conv2": (3, 40)}}, r"`ranks` must lie in \[1, 16\] for layer 'conv2'.*: 40"),
        ({"ranks": {"conv2": (0, 4)}}, r"`ranks` must lie in \[1, 6\] for layer 'conv2'.*: 0"),
        ({"ranks": {"conv2": (3, 4, 5)}}, r"`ranks` must be two integers.*: \(3, 4, 5\)"),
        ({"ranks": {"conv2": (0.5, 0.5)}}, r"`ranks` must be two integers.*: \(0.5, 0.5\)"),
        ({"ranks": {"conv9": "vbmf"}}, "`ranks` must name layers among .*'conv1'.*: 'conv9'"),
        ({"ranks": {"pool1": 0.5}}, "`ranks` must name layers among .*: 'pool1'"),
        ({"ranks": {"conv1": 0.5}, "skip": "conv1"}, "`ranks` must name layers among .*'conv1'"),
        ({"ranks": 0.0}, r"`ranks` must be 'vbmf', .* in \(0, 1\]. Received: 0.0"),
        ({"ranks": "svd"}, r"`ranks` must be 'vbmf', .*. Received: 'svd'"),
        ({"ranks": {"conv1": 1.5}}, r"`ranks` must be 'vbmf', .*. Received: 1.5"),
        ({"energy": 1.5}, r"`energy` must lie in \(0, 1\]. Received: 1.5"),
        ({"energy": "all"}, r"`energy` must lie in \(0, 1\]. Received: 'all'"),
        ({"target_ratio": 0.5}, r"`target_ratio` must lie in \[1, .*. Received: 0.5"),
        ({"target_ratio": "3"}, r"`target_ratio` must lie in \[1, .*. Received: '3'"),
        ({"ranks": 0.5, "energy": 0.9}, "At most one of .* must be given. Received: 0.5, 0.9"),
        ({"energy": 0.5, "target_ratio": 2}, "At most one of .* must be given"),
        ({"layers": "fc[34]"}, r"`layers` must name layers among .*: 'fc\[34\]'"),
        ({"layers": ["fc1", "conv"]}, "`layers` must name layers among .*: 'conv'"),
        ({"skip": "bn.*"}, r"`skip` must name layers among .*: 'bn\.\*'"),
        ({"skip": "("}, r"`skip` must name layers among .*: '\('"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule_and_the_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        compress(lenet(), **arguments)


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("model", [Subclassed(), keras.Sequential([layers.Dense(2)])])
def test_a_model_without_a_graph_is_refused_with_the_way_out(model):
    with pytest.raises(ValueError, match="cannot be rewritten.* --student=arch.keras"):
        compress(model)


def test_report_refuses_a_student_of_another_model():
    with pytest.raises(ValueError, match="`student` must be made of `model`. .* without 'conv0'"):
        layer_report(vgg(), compress(mlp()))


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
        compress(vgg(), 0.5, start="zero")


def test_svd_start_differs_from_the_iterated_one_only_in_what_is_decomposed():
    model = vgg()
    iterated, started = (
        compress(model, {"conv1": (2, 3)}, start=start) for start in ("hooi", "svd")
    )
    for one, other in zip(iterated.layers, started.layers, strict=True):
        for weight, twin in zip(one.get_weights(), other.get_weights(), strict=True):
            if isinstance(one, TuckerConv2D):
                assert weight.shape == twin.shape
            else:
                assert_array_equal(weight, twin)
    errors = [
        row["error"] for s in (iterated, started) for row in layer_report(model, s) if row["ranks"]
    ]
    assert errors[0] < errors[1]
