"""What a layer's kernel keeps at each pair of ranks, all from one decomposition."""

import functools
import math

import keras
import numpy as np
from keras import ops

from kegnet_tf.compression import ranks as rank_policies


class Spectrum:
    """Truncations of a kernel by its channels' singular vectors, which are found once.

    Args:
        layer: a built `Conv2D` of one group, or `Dense`.

    Attributes:
        shape: (pixels of the window, in, out) of the kernel.
        ranks: every pair (in, out), [choices, 2]; of a matrix, where one rank says all, equal ones.
        kept: share of the kernel's squared norm that each pair keeps, [choices].
    """

    def __init__(self, layer: keras.layers.Layer):
        self.layer, self.shape = layer, rank_policies.shape_of(layer)
        if self.shape[0] == 1:
            kept = np.cumsum(np.maximum(self._matrix[0], 0.0))
            self.ranks = np.repeat(np.arange(len(kept))[:, None], 2, axis=1) + 1
        else:
            _, core, _ = self._factors
            kept = np.sum(core**2, axis=0).cumsum(0).cumsum(1).ravel()
            self.ranks = np.indices(self.shape[1:]).reshape(2, -1).T + 1
        self.kept = kept / (kept[-1] or 1.0)

    @property
    def losses(self) -> np.ndarray:
        """Minus the logarithm of `kept`, [choices]."""
        return -np.log(np.clip(self.kept, 1e-9, 1))

    def truncated(self, ranks: tuple[int | None, int | None]) -> np.ndarray:
        """The kernel at some ranks, None for a side without a factor.

        It is that of `Tucker.from_layer` without iterations.
        """
        if self.shape[0] == 1:
            _, vectors = self._matrix
            vectors = vectors[:, : min(rank for rank in ranks if rank is not None)]
            matrix = self._kernel[0]
            left = self.shape[1] <= self.shape[2]
            kernel = vectors @ (vectors.T @ matrix) if left else matrix @ vectors @ vectors.T
        else:
            u_in, core, u_out = self._factors
            r_in, r_out = ranks
            kernel = core[:, :r_in, :r_out]
            kernel = u_in[:, :r_in] @ kernel @ u_out[:, :r_out].T
        return kernel.reshape(self.layer.kernel.shape)

    @property
    def _kernel(self):
        """In float64, [window, in, out]."""
        return ops.convert_to_numpy(self.layer.kernel).astype(np.float64).reshape(self.shape)

    @functools.cached_property
    def _matrix(self):
        """Squared singular values of a matrix, and the vectors of its shorter side as columns."""
        kernel = self._kernel[0]
        gram = kernel @ kernel.T if self.shape[1] <= self.shape[2] else kernel.T @ kernel
        values, vectors = np.linalg.eigh(gram)
        return values[::-1], vectors[:, ::-1]

    @functools.cached_property
    def _factors(self):
        """Singular vectors of both unfoldings as columns, the largest first, and the core."""
        u_in, u_out = (
            np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1]
            for matrix in rank_policies.unfoldings(self.layer)
        )
        return u_in, u_in.T @ self._kernel @ u_out, u_out


def menu(
    spectrum: Spectrum, cost: np.ndarray, whole: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a layer can become: ever dearer ones that lose ever less, and last itself as it is.

    Args:
        spectrum: of the layer.
        cost: of each pair of the spectrum, [choices].
        whole: cost of the layer as it is; only what costs less is on the menu.

    Returns:
        Ranks, [items - 1, 2]; costs, [items]; losses, [items].
    """
    losses = spectrum.losses
    order = np.lexsort((losses, cost))
    order = order[cost[order] < whole]
    least = np.minimum.accumulate(np.append(math.inf, losses[order]))
    order = order[losses[order] < least[:-1]]
    ranks, cost, losses = spectrum.ranks[order], cost[order], losses[order]
    return ranks, np.append(cost, whole), np.append(losses, 0.0)
