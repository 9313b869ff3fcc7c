"""Tucker decomposition of a kernel over its channels, by higher-order orthogonal iteration."""

import math
from collections.abc import Sequence

import numpy as np
import tensorly.decomposition


def tucker2(
    kernel: np.ndarray,
    ranks: Sequence[int | None],
    modes: tuple[int, int],
    name: str,
    iterate: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A kernel's core and its two orthonormal factors.

    Args:
        kernel: [..., in, out].
        ranks: (in, out), each in [1, channels], or one of them None for all, with the identity as
            its factor.
        modes: the axes of the input's and of the output's channels.
        name: of the layer, for the error.
        iterate: False leaves it at the SVD start.

    Returns:
        (core, u_in, u_out): [..., ranks[0], ranks[1]], [in, ranks[0]] and [out, ranks[1]], in
        float64.

    Raises:
        ValueError: if a rank lies outside.
    """
    if all(rank is None for rank in ranks):
        raise ValueError(f"`ranks` must hold a number for layer {name!r}. Received: {ranks}.")
    pairs = zip(ranks, modes, strict=True)
    ranks = [kernel.shape[mode] if rank is None else rank for rank, mode in pairs]
    for rank, mode in zip(ranks, modes, strict=True):
        if not 1 <= rank <= kernel.shape[mode]:
            raise ValueError(
                f"`ranks` must lie in [1, {kernel.shape[mode]}] for layer {name!r}. "
                f"Received: {rank}."
            )
    kernel = kernel.astype(np.float64)
    sizes = [kernel.shape[mode] for mode in modes]
    if kernel.size == math.prod(sizes) or ranks[0] == sizes[0] or ranks[1] == sizes[1]:
        # One SVD a side is the optimum, where iterations on a large matrix would take minutes.
        u_in = _leading(np.moveaxis(kernel, modes[0], 0), ranks[0])
        core = np.moveaxis(np.tensordot(kernel, u_in, (modes[0], 0)), -1, modes[0])
        u_out = _leading(np.moveaxis(core, modes[1], 0), ranks[1])
        return core @ u_out, u_in, u_out
    # Outputs first, as the release iterates: with TensorLy's own tolerance its students come out.
    (core, (u_out, u_in)), _ = tensorly.decomposition.partial_tucker(
        np.moveaxis(kernel, modes, (1, 0)),
        rank=list(ranks)[::-1],
        modes=[0, 1],
        n_iter_max=100 if iterate else 0,  # TensorLy's default, or the start alone
        random_state=0,
    )
    return np.moveaxis(core, (1, 0), modes), u_in, u_out


def _leading(tensor, rank):
    """Leading left singular vectors, [rows, rank], of a tensor unfolded to [rows, rest]."""
    matrix = tensor.reshape(len(tensor), -1)
    rows, rest = matrix.shape
    if rank == rows:
        return np.eye(rows)
    if rows <= rest:
        return np.linalg.eigh(matrix @ matrix.T)[1][:, : -rank - 1 : -1]
    # The longest of orthogonal columns first; QR turns the zeros beyond them into more directions.
    columns = matrix @ np.linalg.eigh(matrix.T @ matrix)[1][:, ::-1]
    return np.linalg.qr(np.pad(columns, ((0, 0), (0, max(0, rank - rest))))[:, :rank])[0]
