"""How far a layer is squeezed: by variational Bayes, a fraction, its spectrum, or a budget.

A kernel has one unfolding for its input channels and one for its output channels, matrices
[channels, rest]; ranks are (in, out).
"""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kegnet_tf.compression import vbmf
from kegnet_tf.teachers import rules


def vbmf_ranks(layer: keras.layers.Layer) -> tuple[int, int]:
    """Ranks (in, out) by variational Bayes on the two channel unfoldings of a layer's kernel."""
    return _on_both_sides(layer, lambda unfolding: vbmf.rank(unfolding, minimum=1))


def check_ranks(ranks: str | float | Sequence[int]) -> None:
    """Refuses what asks for no ranks, of whatever layer.

    Args:
        ranks: as in `choose`.

    Raises:
        ValueError: if it is neither "vbmf", nor a share, nor two integers.
    """
    if isinstance(ranks, tuple | list):
        given = [rank for rank in ranks if rank is not None]
        if len(ranks) != 2 or not given or not all(map(rules.is_whole, given)):
            raise rules.refusal("ranks", "be two integers, (in, out), or one and None", ranks)
    elif not (isinstance(ranks, str) and ranks == "vbmf"):
        check_share("ranks", ranks, "be 'vbmf', a pair (in, out) or a fraction in")


def check_share(name: str, value: float, rule: str) -> None:
    """Refuses what is no share.

    Args:
        name: of the argument.
        value: of the argument.
        rule: how the message begins to say what it must do, before "(0, 1]".

    Raises:
        ValueError: if the value does not lie in (0, 1].
    """
    if not rules.is_number(value) or not 0 < value <= 1:
        raise rules.refusal(name, f"{rule} (0, 1]", value)


def choose(
    layer: keras.layers.Layer,
    ranks: str | float | Sequence[int],
    energy: float | None = None,
) -> tuple[int, int] | str:
    """Ranks for one layer by "vbmf", a fraction, a pair, or a share of the spectrum.

    But for a pair, which is taken as it is, no factor is kept that says nothing: a matrix has two,
    and a side of full rank has none.

    Args:
        layer: a built `Conv2D` of one group, or `Dense`.
        ranks: "vbmf", a fraction of the channels in (0, 1], or a pair (in, out).
        energy: share in (0, 1] of the squared singular values that each channel unfolding keeps;
            where it is not None, `ranks` counts only if it is a pair.

    Returns:
        (in, out), None for a side without a factor, or a text that says why the layer is left
        alone.
    """
    if isinstance(ranks, tuple | list):
        return tuple(None if rank is None else int(rank) for rank in ranks)
    if energy is not None:
        pair = _on_both_sides(layer, lambda unfolding: _energy_rank(unfolding, energy))
    elif isinstance(ranks, str) and ranks == "vbmf":
        pair = vbmf_ranks(layer)
    else:
        pair = [max(1, round(ranks * size)) for size in layer.kernel.shape[-2:]]
    window, size_in, size_out = shape_of(layer)
    # One side of a core spans no more than the other side times the window.
    pair = min(pair[0], window * pair[1]), min(pair[1], window * pair[0])
    shrinks = factors_size(shape_of(layer), *pair) < window * size_in * size_out
    return without_idle(shape_of(layer), pair) if shrinks else "would not shrink"


def _on_both_sides(layer, rank_of):
    """What `rank_of` makes of each unfolding; those of a matrix are transposes, so one will do."""
    window, _, _ = shape_of(layer)
    ranks = [rank_of(unfolding) for unfolding in unfoldings(layer)[: 1 if window == 1 else 2]]
    return ranks[0], ranks[-1]


def _energy_rank(matrix, share):
    """The least rank that keeps this share of the squared singular values, up to rounding."""
    kept = np.cumsum(_squared_singular_values(matrix))
    return 1 + int(np.sum(kept < (share - 1e-12) * kept[-1]))


def shape_of(layer: keras.layers.Layer) -> tuple[int, int, int]:
    """(pixels of the window, in, out) of a layer's kernel."""
    *window, size_in, size_out = layer.kernel.shape
    return math.prod(window), size_in, size_out


def without_idle(shape: tuple[int, int, int], pair: Sequence[int]) -> tuple[int | None, int | None]:
    """Ranks with None for each side whose factor would say nothing."""
    window, *sizes = shape
    if window == 1:  # a matrix: its core and its squeeze are one
        return None, pair[1]
    return tuple(None if rank == size else rank for rank, size in zip(pair, sizes, strict=True))


def factors_size(
    shape: tuple[int, int, int], r_in: int | np.ndarray, r_out: int | np.ndarray
) -> int | np.ndarray:
    """Parameters of the factors that `_without_idle` leaves, for ranks or arrays of them."""
    window, size_in, size_out = shape
    if window == 1:
        return r_out * (size_in + size_out)
    squeeze = np.where(r_in == size_in, 0, size_in * r_in)
    expand = np.where(r_out == size_out, 0, r_out * size_out)
    return squeeze + window * r_in * r_out + expand


def unfoldings(layer: keras.layers.Layer) -> list[np.ndarray]:
    """A kernel's two channel unfoldings, [in, rest] and [out, rest], in float64."""
    kernel = ops.convert_to_numpy(layer.kernel).astype(np.float64)
    return [np.moveaxis(kernel, mode, 0).reshape(kernel.shape[mode], -1) for mode in (-2, -1)]


def _squared_singular_values(matrix):
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
