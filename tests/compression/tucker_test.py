import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kegnet_tf.compression import TuckerConv2D, TuckerDense

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype(np.float32)
MATRIX = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
IMAGES = np.random.default_rng(2).normal(size=(2, 9, 8, 4)).astype(np.float32)
VECTORS = np.random.default_rng(3).normal(size=(2, 5)).astype(np.float32)


def convolution(kernel=KERNEL, name="conv2", **kwargs):
    layer = keras.layers.Conv2D(kernel.shape[-1], kernel.shape[:2], name=name, **kwargs)
    layer.build((None, None, None, kernel.shape[-2] * layer.groups))
    bias = [np.arange(kernel.shape[-1], dtype=np.float32)] if layer.use_bias else []
    layer.set_weights([kernel, *bias])
    return layer


def dense(kernel=MATRIX, name="fc1", **kwargs):
    layer = keras.layers.Dense(kernel.shape[1], name=name, **kwargs)
    layer.build((None, kernel.shape[0]))
    bias = [np.arange(kernel.shape[1], dtype=np.float32)] if layer.use_bias else []
    layer.set_weights([kernel, *bias])
    return layer


def truncated(matrix, rank):
    """Best approximation of a rank (Eckart and Young)."""
    left, gamma, right = np.linalg.svd(matrix, full_matrices=False)
    return left[:, :rank] * gamma[:rank] @ right[:rank]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strides": 2, "padding": "same"},
        {"strides": (2, 1)},
        {"dilation_rate": 2},
        {"dilation_rate": (1, 3), "padding": "same"},
        {"use_bias": False},
        {"activation": "relu"},
        {"activation": "tanh", "use_bias": False, "strides": 3, "padding": "same"},
    ],
)
def test_convolution_of_full_rank_equals_the_dense_one(arguments):
    layer = convolution(**arguments)
    tucker = TuckerConv2D.from_layer(layer, (4, 6))
    outputs = layer(IMAGES)
    assert tucker.name == "conv2"
    assert tucker.compute_output_shape(IMAGES.shape) == outputs.shape
    assert_allclose(tucker(IMAGES), outputs, rtol=1e-4, atol=1e-4)


def test_full_rank_of_a_kernel_with_more_channels_than_its_unfolding_has_columns_is_exact():
    kernel = np.random.default_rng(4).normal(size=(1, 1, 2, 7)).astype(np.float32)
    tucker = TuckerConv2D.from_layer(convolution(kernel), (2, 7))
    assert_allclose(tucker.dense_kernel(), kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_dense_of_full_rank_equals_the_dense_one(arguments):
    layer = dense(**arguments)
    tucker = TuckerDense.from_layer(layer, (5, 4))
    assert tucker.name == "fc1"
    assert tucker.compute_output_shape(VECTORS.shape) == (2, 4)
    assert_allclose(tucker(VECTORS), layer(VECTORS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ranks", [(None, 6), (4, None), (4, 6)])
@pytest.mark.parametrize("options", [{}, {"activation": "relu", "strides": 2, "use_bias": False}])
def test_convolution_without_a_factor_is_the_dense_one_at_full_rank_and_reloads(ranks, options):
    layer = convolution(**options)
    tucker = TuckerConv2D.from_layer(layer, ranks)
    assert len(tucker.parts) == 3 - (None in ranks)
    assert_allclose(tucker(IMAGES), layer(IMAGES), rtol=1e-4, atol=1e-4)
    assert_allclose(tucker.dense_kernel(), KERNEL, rtol=1e-4, atol=1e-5)
    copy = TuckerConv2D.from_config(tucker.get_config())
    copy.build(IMAGES.shape)
    copy.set_weights(tucker.get_weights())
    assert_array_equal(copy(IMAGES), tucker(IMAGES))
    assert copy.compute_output_shape(IMAGES.shape) == layer(IMAGES).shape


@pytest.mark.parametrize("rank", [1, 3])
def test_two_factors_of_a_matrix_say_all_that_three_do(rank):
    two, three = (TuckerDense.from_layer(dense(), ranks) for ranks in ((None, rank), (rank, rank)))
    assert two.count_params() == three.count_params() - rank * rank
    assert_allclose(two.dense_kernel(), truncated(MATRIX, rank), atol=1e-5)
    assert_allclose(two(VECTORS), three(VECTORS), rtol=1e-4, atol=1e-5)
    copy = TuckerDense.from_config(two.get_config())
    copy.build(VECTORS.shape)
    assert copy.compute_output_shape(VECTORS.shape) == (2, 4)


@pytest.mark.parametrize("make", [TuckerDense, TuckerConv2D])
def test_a_layer_without_any_rank_is_refused(make):
    layer = dense() if make is TuckerDense else convolution()
    with pytest.raises(ValueError, match="`ranks` must hold a number for layer"):
        make.from_layer(layer, (None, None))


def test_dense_kernel_of_full_rank_equals_the_kernel():
    assert_allclose(
        TuckerConv2D.from_layer(convolution(), (4, 6)).dense_kernel(), KERNEL, rtol=1e-4, atol=1e-5
    )
    assert_allclose(
        TuckerDense.from_layer(dense(), (5, 4)).dense_kernel(), MATRIX, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("ranks", [(1, 1), (2, 5), (4, 3)])
def test_convolution_of_low_rank_equals_the_convolution_with_its_dense_kernel(ranks):
    tucker = TuckerConv2D.from_layer(convolution(strides=2, padding="same"), ranks)
    kernel = np.asarray(tucker.dense_kernel())
    outputs = convolution(kernel, strides=2, padding="same")(IMAGES)
    assert_allclose(tucker(IMAGES), outputs, rtol=1e-4, atol=1e-4)


def test_dense_of_low_rank_equals_the_dense_one_with_its_dense_kernel():
    tucker = TuckerDense.from_layer(dense(), (2, 3))
    outputs = dense(np.asarray(tucker.dense_kernel()))(VECTORS)
    assert_allclose(tucker(VECTORS), outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_dense_of_equal_ranks_is_the_truncated_singular_value_decomposition(rank):
    tucker = TuckerDense.from_layer(dense(), (rank, rank))
    assert_allclose(tucker.dense_kernel(), truncated(MATRIX, rank), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ranks", [(1, 1), (2, 5), (3, 3)])
def test_convolution_is_at_least_as_close_as_the_truncation_of_both_unfoldings(ranks):
    error = np.sum((TuckerConv2D.from_layer(convolution(), ranks).dense_kernel() - KERNEL) ** 2)
    # De Lathauwer et al., 2000: the squared error lies between the larger and the sum of what the
    # two unfoldings lose, their dropped squared singular values.
    dropped = [
        np.sum(np.linalg.svd(unfolded, compute_uv=False)[rank:] ** 2)
        for unfolded, rank in (
            (np.moveaxis(KERNEL, 2, 0).reshape(4, -1), ranks[0]),
            (KERNEL.reshape(-1, 6), ranks[1]),
        )
    ]
    assert max(dropped) * 0.999 <= error <= sum(dropped) * 1.001


def test_kernel_of_low_rank_is_found_exactly():
    rng = np.random.default_rng(5)
    core = rng.normal(size=(3, 3, 2, 3))
    kernel = np.einsum(
        "ip,hwpq,qo->hwio", rng.normal(size=(4, 2)), core, rng.normal(size=(3, 6))
    ).astype(np.float32)
    tucker = TuckerConv2D.from_layer(convolution(kernel), (2, 3))
    assert_allclose(tucker.dense_kernel(), kernel, rtol=1e-4, atol=1e-4)


def test_convolution_counts_the_parameters_of_its_three_factors():
    tucker = TuckerConv2D.from_layer(convolution(), (2, 3))
    assert tucker.count_params() == 4 * 2 + 3 * 3 * 2 * 3 + 3 * 6 + 6
    assert [part.kernel.shape for part in (tucker.squeeze, tucker.core, tucker.expand)] == [
        (1, 1, 4, 2),
        (3, 3, 2, 3),
        (1, 1, 3, 6),
    ]


def test_dense_counts_the_parameters_of_its_three_factors():
    assert TuckerDense.from_layer(dense(), (2, 3)).count_params() == 5 * 2 + 2 * 3 + 3 * 4 + 4


@pytest.mark.filterwarnings("ignore:Trying to compute SVD")
@pytest.mark.parametrize(
    ("layer", "ranks"),
    [
        (convolution(), (2, 3)),
        (dense(), (1, 3)),
        (dense(), (5, 4)),
        (convolution(KERNEL[:1, :1]), (2, 6)),
    ],
)
def test_decomposing_twice_gives_the_same_bytes(layer, ranks):
    kind = TuckerDense if isinstance(layer, keras.layers.Dense) else TuckerConv2D
    first, second = (kind.from_layer(layer, ranks).get_weights() for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert_array_equal(other, one)


def test_decomposing_leaves_the_layer_as_it_is():
    for layer, kind in ((convolution(), TuckerConv2D), (dense(), TuckerDense)):
        before = layer.get_weights()
        kind.from_layer(layer, (2, 2))
        for old, new in zip(before, layer.get_weights(), strict=True):
            assert_array_equal(new, old)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strides": (2, 1), "padding": "same", "activation": "relu"},
        {"dilation_rate": 2, "use_bias": False},
    ],
)
def test_model_of_tucker_layers_reloads_to_the_same_answers(arguments, tmp_path):
    inputs = x = keras.Input((9, 8, 4))
    x = TuckerConv2D.from_layer(convolution(**arguments), (2, 3))(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    matrix = np.random.default_rng(6).normal(size=(6, 3)).astype(np.float32)
    model = keras.Model(inputs, TuckerDense.from_layer(dense(matrix, use_bias=False), (3, 2))(x))
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    for layer, copy in zip(model.layers, reloaded.layers, strict=True):
        assert copy.get_config() == layer.get_config()
    assert_array_equal(reloaded(IMAGES), model(IMAGES))


@pytest.mark.parametrize(
    ("ranks", "largest", "received"), [((40, 3), 4, 40), ((0, 3), 4, 0), ((2, 7), 6, 7)]
)
def test_convolution_refuses_a_rank_out_of_range(ranks, largest, received):
    message = rf"`ranks` must lie in \[1, {largest}\] for layer 'conv2'. Received: {received}\."
    with pytest.raises(ValueError, match=message):
        TuckerConv2D.from_layer(convolution(), ranks)


@pytest.mark.parametrize(("ranks", "largest", "received"), [((6, 3), 5, 6), ((2, 0), 4, 0)])
def test_dense_refuses_a_rank_out_of_range(ranks, largest, received):
    message = rf"`ranks` must lie in \[1, {largest}\] for layer 'fc1'. Received: {received}\."
    with pytest.raises(ValueError, match=message):
        TuckerDense.from_layer(dense(), ranks)


def test_grouped_convolution_is_refused():
    grouped = convolution(KERNEL[:, :, :2], groups=2)
    with pytest.raises(ValueError, match="`layer` must have one group. Received: 'conv2', 2."):
        TuckerConv2D.from_layer(grouped, (1, 1))


def test_start_without_iterations_is_the_projection_on_each_sides_leading_singular_vectors():
    tucker = TuckerConv2D.from_layer(convolution(), (2, 3), iterate=False)
    u_in, u_out = (
        np.linalg.svd(np.moveaxis(KERNEL, side, 0).reshape(KERNEL.shape[side], -1))[0][:, :rank]
        for side, rank in ((2, 2), (3, 3))
    )
    projected = np.einsum("hwio,ip,jp,oq,rq->hwjr", KERNEL, u_in, u_in, u_out, u_out)
    assert_allclose(tucker.dense_kernel(), projected, rtol=1e-4, atol=1e-5)


def test_iterations_do_not_lose_to_their_start():
    errors = [
        np.linalg.norm(
            TuckerConv2D.from_layer(convolution(), (2, 3), iterate).dense_kernel() - KERNEL
        )
        for iterate in (True, False)
    ]
    assert errors[0] < errors[1]
