import numpy as np
import pytest

from kegnet_tf.compression import vbmf


def low_rank(rows, columns, rank, noise=0.1):
    """Product of Gaussian factors, plus Gaussian noise."""
    rng = np.random.default_rng(rows * columns)
    product = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    return product + noise * rng.normal(size=(rows, columns))


def decaying(rows, columns):
    """Singular values that fall like 1 / k, with no gap to make the choice easy."""
    rng = np.random.default_rng(rows + columns)
    side = min(rows, columns)
    left, _ = np.linalg.qr(rng.normal(size=(rows, side)))
    right, _ = np.linalg.qr(rng.normal(size=(columns, side)))
    return left / np.arange(1, side + 1) @ right.T


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (50, 50)])
@pytest.mark.parametrize("rank", [1, 4, 10])
def test_rank_of_low_rank_matrix_with_noise_is_recovered(shape, rank):
    assert vbmf.rank(low_rank(*shape, rank)) == rank


def test_rank_of_low_rank_matrix_without_noise_is_its_rank():
    assert vbmf.rank(low_rank(12, 20, rank=3, noise=0.0)) == 3


@pytest.mark.parametrize("shape", [(20, 60), (60, 20), (40, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_rank_of_pure_noise_is_zero(shape, seed):
    assert vbmf.rank(np.random.default_rng(seed).normal(size=shape)) == 0


@pytest.mark.parametrize(("share", "expected"), [(0.9, 0), (1.1, 1)])
def test_component_is_kept_from_the_threshold_of_theorem_2_on(share, expected):
    # A square matrix of unit noise: tau = 2.5129 (Nakajima et al., after Theorem 2), so that
    # gamma^2 must exceed M (1 + tau) (1 + 1 / tau) = 4.911 M; noise alone reaches 4 M.
    side = 100
    noise = np.random.default_rng(0).normal(size=(side, side))
    left, gamma, right = np.linalg.svd(noise)
    gamma[0] = np.sqrt(share * 4.911 * side)
    assert vbmf.rank(left * gamma @ right) == expected


@pytest.mark.parametrize("shape", [(6, 54), (16, 150), (40, 45)])
def test_rank_of_transposed_matrix_is_the_same(shape):
    for matrix in (decaying(*shape), low_rank(*shape, rank=3, noise=1.0)):
        assert vbmf.rank(matrix.T) == vbmf.rank(matrix)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e8, -1.0])
def test_rank_of_scaled_matrix_is_the_same(scale):
    matrix = low_rank(20, 30, rank=5, noise=1.0)
    assert vbmf.rank(scale * matrix) == vbmf.rank(matrix)


def test_rank_of_rotated_matrix_is_the_same():
    matrix = decaying(16, 40)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))
    assert 0 < vbmf.rank(rotation @ matrix) == vbmf.rank(matrix)


def test_rank_of_float32_matrix_is_that_of_float64():
    matrix = low_rank(20, 30, rank=5).astype(np.float32)
    assert vbmf.rank(matrix) == vbmf.rank(matrix.astype(np.float64)) == 5


@pytest.mark.parametrize("minimum", [0, 1, 3])
def test_rank_of_zero_matrix_is_the_minimum(minimum):
    assert vbmf.rank(np.zeros((3, 5)), minimum) == minimum


def test_minimum_raises_the_rank_of_noise_and_leaves_that_of_a_signal():
    assert vbmf.rank(np.random.default_rng(0).normal(size=(20, 30)), minimum=2) == 2
    assert vbmf.rank(low_rank(20, 30, rank=5), minimum=2) == 5


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_rank_of_smallest_matrices_lies_between_minimum_and_sides(shape):
    assert 1 <= vbmf.rank(np.ones(shape), minimum=1) <= min(shape)


@pytest.mark.parametrize(
    "matrix", [np.ones(3), np.ones((2, 2, 2)), np.ones((0, 3)), np.full((2, 2), np.nan)]
)
def test_anything_but_a_finite_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="`matrix` must be a finite matrix. Received: shape"):
        vbmf.rank(matrix)


@pytest.mark.parametrize("minimum", [-1, 4])
def test_minimum_outside_the_sides_is_refused(minimum):
    with pytest.raises(ValueError, match=rf"`minimum` must lie in \[0, 3\]. Received: {minimum}"):
        vbmf.rank(np.ones((3, 5)), minimum)
