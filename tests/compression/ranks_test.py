import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose

from kegnet_tf import distillation, teachers
from kegnet_tf.compression import compress, compression_ratio, layer_report, trainable_parameters
from kegnet_tf.configs import mnist
from kegnet_tf.datasets.images import ImageDataset
from kegnet_tf.teachers.networks import lenet5, resnet14


def vgg16():
    return keras.applications.VGG16(weights=None, input_shape=(32, 32, 3), classes=3)


def perceptron():
    sizes = [layers.Dense(8, activation="elu", name=f"dense{index}") for index in range(3)]
    head = layers.Dense(3, activation="softmax", name="probabilities")
    return keras.Sequential([keras.Input((9,)), *sizes, head])


def low_rank(rank_in, rank_out, size=12):
    """A convolution whose kernel has exactly these ranks."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((5, 5, size)), layers.Conv2D(size, 3, name="conv")])
    core = rng.normal(size=(3, 3, rank_in, rank_out))
    sides = rng.normal(size=(size, rank_in)), rng.normal(size=(size, rank_out))
    kernel = np.einsum("hwpq,ip,oq->hwio", core, *sides)
    model.layers[0].set_weights([kernel, rng.normal(size=size)])
    return model


@pytest.fixture(scope="module")
def lenet():
    return lenet5(num_classes=3, seed=0)


@pytest.mark.parametrize("ratio", [2, 3, 5])
@pytest.mark.parametrize(
    "build",
    [
        lenet5,
        pytest.param(resnet14, marks=pytest.mark.slow),
        pytest.param(vgg16, marks=pytest.mark.slow),
    ],
)
def test_target_ratio_is_reached_from_above_within_five_percent(build, ratio):
    model = build()
    student = compress(model, target_ratio=ratio, start="svd")
    assert ratio <= compression_ratio(model, student) <= 1.05 * ratio


@pytest.mark.slow
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
    rivals = [compress(teacher, fraction) for fraction in (0.38, 0.39, 0.40)]
    assert all(abs(trainable_parameters(rival) / size - 1) < 0.05 for rival in rivals)
    best = max(distillation.accuracy(rival.predict_on_batch, x, label) for rival in rivals)
    assert distillation.accuracy(student.predict_on_batch, x, label) >= max(best, 0.98)


def test_target_ratio_counts_what_is_frozen():
    model = lenet5(num_classes=3, seed=0)
    size = trainable_parameters(model)
    model.trainable = False
    assert 2 <= size / trainable_parameters(compress(model, target_ratio=2, start="svd")) <= 2.1


def test_target_ratio_of_one_leaves_every_layer_alone(lenet):
    rows = layer_report(lenet, compress(lenet, target_ratio=1))
    assert {row.note for row in rows} == {"worth its size"}


def test_an_unreachable_ratio_is_refused_with_the_largest_there_is():
    model = lenet5()
    with pytest.raises(ValueError, match="`target_ratio` must lie in .* Received: 100.") as caught:
        compress(model, target_ratio=100, skip="fc.*")
    largest = float(str(caught.value).split("[1, ")[1].split("]")[0])
    # One grey channel needs no squeeze.
    smallest = compress(model, {"conv1": (None, 1), "conv[23]": (1, 1)}, start="svd")
    assert_allclose(largest, compression_ratio(model, smallest), atol=0.01)
    student = compress(model, target_ratio=largest, skip="fc.*", start="svd")
    assert trainable_parameters(student) == trainable_parameters(smallest)


def test_energy_of_one_finds_the_ranks_of_the_kernel_and_loses_nothing():
    model = low_rank(2, 3)
    student = compress(model, energy=1.0)
    assert student.get_layer("conv").ranks == (2, 3)
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 12)).astype(np.float32)
    assert_allclose(student(x), model(x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("energy", [0.3, 0.6, 0.9])
def test_energy_is_the_share_that_each_unfolding_keeps(energy):
    model = low_rank(10, 11)
    variable = model.layers[0].kernel
    variable.assign_add(np.random.default_rng(4).uniform(0, 0.1, variable.shape))
    kernel = variable.numpy().astype(float)
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
    assert [row.ranks for row in rows] == [(3, 5), (None, 1), (1, 4)]


def separable():
    return keras.Sequential(
        [
            keras.Input((8, 8, 6)),
            layers.DepthwiseConv2D(3),
            layers.Conv2D(40, 1, name="pointwise"),
            layers.Conv2D(30, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(20, name="fc"),
        ]
    )


@pytest.mark.parametrize("policy", [{"ranks": 0.4}, {"ranks": "vbmf"}, {"energy": 0.8}])
def test_a_matrix_has_two_factors_unless_a_pair_asks_for_three(policy):
    model = separable()
    rows = {row.name: row for row in layer_report(model, compress(model, **policy))}
    for name, size in (("pointwise", 46), ("fc", 50)):
        assert rows[name].ranks[0] is None
        biases = {"pointwise": 40, "fc": 20}[name]
        assert rows[name].parameters[1] == size * rows[name].ranks[1] + biases
    student = compress(model, {"pointwise": (3, 3)})
    assert student.get_layer("pointwise").ranks == (3, 3)
    assert student.get_layer("pointwise").count_params() == 6 * 3 + 3 * 3 + 3 * 40 + 40


def test_at_a_ratio_no_factor_is_kept_that_says_nothing():
    model = separable()
    rows = layer_report(model, compress(model, target_ratio=1.5))
    sizes = {"pointwise": (6, 40), "conv": (40, 30), "fc": (30, 20)}
    decomposed = [row for row in rows if row.ranks]
    assert decomposed
    for row in decomposed:
        assert all(rank != size for rank, size in zip(row.ranks, sizes[row.name], strict=True))


def test_vbmf_is_the_default():
    model = low_rank(2, 3)
    kernel = model.layers[0].kernel
    kernel.assign_add(0.1 * np.random.default_rng(1).normal(size=kernel.shape))
    for arguments in ([], ["vbmf"], [{"conv": "vbmf"}]):
        assert compress(model, *arguments).get_layer("conv").ranks == (2, 3)


def test_only_an_explicit_pair_may_grow_a_layer():
    model = perceptron()
    for policy in ({"ranks": 1.0}, {"energy": 1.0}, {"ranks": {".*": 1.0}}):
        rows = layer_report(model, compress(model, **policy))
        assert {row.note for row in rows} == {"would not shrink"}
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
    model = perceptron()
    rows = layer_report(model, compress(model, (1, 1), **selection))
    assert {row.name for row in rows if row.ranks} == chosen


def test_ranks_that_the_sides_cannot_span_are_filled_up_with_zeros():
    model = perceptron()
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
        ({"skip": "("}, r"`skip` must name layers, .* expressions .*: '\('"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule_and_the_value(lenet, arguments, message):
    with pytest.raises(ValueError, match=message):
        compress(lenet, **arguments)
