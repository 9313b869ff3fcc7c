"""Ranks by empirical variational Bayes, solved in closed form (Nakajima et al., JMLR 2013).

The paper's symbols: an L x M matrix V, L <= M, has singular values gamma; alpha = L / M; the noise
has variance sigma^2; x_h = gamma_h^2 / (M sigma^2).
"""

import numpy as np
import scipy.optimize


def rank(matrix: np.ndarray, minimum: int = 0) -> int:
    """Rank of the global solution of empirical variational Bayesian matrix factorisation.

    A component is kept where gamma_h^2 > M sigma^2 x_threshold (Theorem 2), with the variance
    sigma^2 that minimises the free energy (Theorem 3).

    Args:
        matrix: [rows, columns], any shape; computed in float64.
        minimum: the least answer, for callers to whom rank 0 is of no use.

    Returns:
        An integer in [minimum, min(rows, columns)].

    Raises:
        ValueError: if `matrix` is not a finite matrix, or `minimum` exceeds its sides.
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError(f"`matrix` must be a finite matrix. Received: shape {matrix.shape}.")
    rows, columns = sorted(matrix.shape)
    if not 0 <= minimum <= rows:
        raise ValueError(f"`minimum` must lie in [0, {rows}]. Received: {minimum}.")
    gamma2 = np.linalg.svd(matrix, compute_uv=False) ** 2
    if gamma2[0] == 0.0:
        return minimum
    gamma2 = gamma2 / gamma2[0]
    alpha = rows / columns
    tau_threshold = _tau_threshold(alpha)
    x_threshold = (1 + tau_threshold) * (1 + alpha / tau_threshold)
    variance = _noise_variance(gamma2, rows, columns, x_threshold)
    return max(minimum, int(np.sum(gamma2 > columns * variance * x_threshold)))


def _tau_threshold(alpha):
    """Root of Phi(tau) + Phi(tau / alpha), Phi(z) = log(1 + z) / z - 1/2; about 2.5 sqrt(alpha)."""

    def phi(z):
        return np.log1p(z) / z - 0.5

    root = np.sqrt(alpha)
    return scipy.optimize.brentq(lambda tau: phi(tau) + phi(tau / alpha), root, 4 * root)


def _noise_variance(gamma2, rows, columns, x_threshold):
    """Minimiser of the free energy over sigma^2, searched between the bounds of Theorem 3."""
    alpha = rows / columns
    most = min(int(np.ceil(rows / (1 + alpha))) - 1, rows - 1)
    upper = gamma2.sum() / (rows * columns)
    lower = max(gamma2[most] / (columns * x_threshold), gamma2[most:].mean() / columns)
    lower = max(lower, upper * np.finfo(np.float64).eps)
    if lower >= upper:
        return upper

    def free_energy(log_variance):
        x = gamma2 / (columns * np.exp(log_variance))
        signal = x[x > x_threshold]
        b = signal - (1 + alpha)
        tau = (b + np.sqrt(b**2 - 4 * alpha)) / 2
        psi1 = np.log1p(tau) + alpha * np.log1p(tau / alpha) - tau
        return np.sum(x - np.log(np.maximum(x, np.finfo(np.float64).tiny))) + np.sum(psi1)

    # Several local minima are possible: bracket the best of a grid, then refine.
    grid = np.linspace(np.log(lower), np.log(upper), 257)
    best = int(np.argmin([free_energy(point) for point in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return np.exp(scipy.optimize.minimize_scalar(free_energy, bounds=bounds, method="bounded").x)
