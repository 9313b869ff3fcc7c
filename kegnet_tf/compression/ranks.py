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
    window, size_in, size_out = _shape(layer)
    # One side of a core spans no more than the other side times the window.
    pair = min(pair[0], window * pair[1]), min(pair[1], window * pair[0])
    shrinks = _factors_size(_shape(layer), *pair) < window * size_in * size_out
    return _without_idle(_shape(layer), pair) if shrinks else "would not shrink"


def _on_both_sides(layer, rank_of):
    """What `rank_of` makes of each unfolding; those of a matrix are transposes, so one will do."""
    window, _, _ = _shape(layer)
    ranks = [rank_of(unfolding) for unfolding in _unfoldings(layer)[: 1 if window == 1 else 2]]
    return ranks[0], ranks[-1]


def _energy_rank(matrix, share):
    """The least rank that keeps this share of the squared singular values, up to rounding."""
    kept = np.cumsum(_squared_singular_values(matrix))
    return 1 + int(np.sum(kept < (share - 1e-12) * kept[-1]))


def spend(
    layers: Sequence[keras.layers.Layer], total: int, ratio: float
) -> dict[keras.layers.Layer, tuple[int, int] | str]:
    """Ranks for several layers at once, for a ratio of the whole model that they stand in.

    Args:
        layers: built `Conv2D` of one group, or `Dense`.
        total: trainable parameters of the whole model.
        ratio: `total` over those of the student, at least 1.

    Returns:
        By layer, (in, out), None for a side without a factor, or a text that says why it is left
        alone.

    Raises:
        ValueError: if `ratio` is out of reach.
    """
    menus = [_menu(layer) for layer in layers]
    fixed = total - sum(cost[-1] for _, cost, _ in menus)
    largest = total / (fixed + sum(min(cost) for _, cost, _ in menus))
    if not 1 <= ratio <= largest:
        raise ValueError(
            f"`target_ratio` must lie in [1, {math.floor(100 * largest) / 100}] for this model and "
            f"these layers. Received: {ratio!r}."
        )
    picks = _knapsack(menus, total / ratio - fixed)
    answers = {}
    for layer, (ranks, _, _), pick in zip(layers, menus, picks, strict=True):
        spared = "worth its size" if len(ranks) else "would not shrink"
        pair = _without_idle(_shape(layer), ranks[pick].tolist()) if pick < len(ranks) else spared
        answers[layer] = pair
    return answers


def _menu(layer):
    """What a layer can become: smaller ones, and last itself as it is.

    Returns:
        Ranks, [choices - 1, 2]; sizes of the kernel, [choices]; losses, [choices]: minus the
        logarithm of the share of squared norm that truncated higher-order SVD keeps.
    """
    unfoldings, shape = _unfoldings(layer), _shape(layer)
    if shape[0] == 1:
        kept = np.cumsum(_squared_singular_values(unfoldings[0]))
        ranks = np.repeat(np.arange(len(kept))[:, None], 2, axis=1) + 1
    else:
        u_in, u_out = (np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1] for matrix in unfoldings)
        core = u_in.T @ ops.convert_to_numpy(layer.kernel).reshape(shape) @ u_out
        kept = np.sum(core**2, axis=0).cumsum(0).cumsum(1).ravel()
        ranks = np.indices(shape[1:]).reshape(2, -1).T + 1
    cost = _factors_size(shape, *ranks.T)
    loss = -np.log(np.clip(kept / (kept[-1] or 1.0), 1e-9, 1))
    smaller = cost < math.prod(shape)
    return ranks[smaller], np.append(cost[smaller], math.prod(shape)), np.append(loss[smaller], 0.0)


def _knapsack(menus, budget):
    """A pick from each menu, within a budget, at the least sum of losses that is found."""

    def at_price(exponent):
        return [int(np.argmin(loss + 10.0**exponent * cost)) for _, cost, loss in menus]

    def rest(picks):
        return budget - sum(cost[pick] for (_, cost, _), pick in zip(menus, picks, strict=True))

    dear, cheap = 10.0, -30.0
    for _ in range(60):
        middle = (dear + cheap) / 2
        dear, cheap = (middle, cheap) if rest(at_price(middle)) >= 0 else (dear, middle)
    picks = at_price(dear)
    for index, pick in enumerate(at_price(cheap)):
        if pick != picks[index]:  # between the two prices it jumps past the budget
            _, cost, loss = menus[index]
            fits = cost <= cost[picks[index]] + rest(picks)
            picks[index] = int(np.argmin(np.where(fits, loss, np.inf)))
    return picks


def _shape(layer):
    """(pixels of the window, in, out) of a layer's kernel."""
    *window, size_in, size_out = layer.kernel.shape
    return math.prod(window), size_in, size_out


def _without_idle(shape, pair):
    """Ranks with None for each side whose factor would say nothing."""
    window, *sizes = shape
    if window == 1:  # a matrix: its core and its squeeze are one
        return None, pair[1]
    return tuple(None if rank == size else rank for rank, size in zip(pair, sizes, strict=True))


def _factors_size(shape, r_in, r_out):
    """Parameters of the factors that `_without_idle` leaves, for ranks or arrays of them."""
    window, size_in, size_out = shape
    if window == 1:
        return r_out * (size_in + size_out)
    squeeze = np.where(r_in == size_in, 0, size_in * r_in)
    expand = np.where(r_out == size_out, 0, r_out * size_out)
    return squeeze + window * r_in * r_out + expand


def _unfoldings(layer):
    """A kernel's two channel unfoldings, [in, rest] and [out, rest], in float64."""
    kernel = ops.convert_to_numpy(layer.kernel).astype(np.float64)
    return [np.moveaxis(kernel, mode, 0).reshape(kernel.shape[mode], -1) for mode in (-2, -1)]


def _squared_singular_values(matrix):
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
