"""Pareto smoothed importance sampling, and leave-one-out cross-validation by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from sklgen._typing import Array
from sklgen.mcmc._diagnostics import ess_mean
from sklgen.mcmc._psis_kernels import smooth_all


def psis(log_weights: ArrayLike, *, r_eff: ArrayLike = 1.0) -> tuple[Array, Array]:
    """Smooth the tails of importance weights [1]_.

    Parameters
    ----------
    log_weights : array-like of shape (S, ...)
        Log importance weights of S draws, up to a constant.
    r_eff : float or array-like of shape (...), default=1.0
        Effective sample size over S of the quantity of interest. Chains that are
        persistent have less of a tail.

    Returns
    -------
    log_weights : ndarray of shape (S, ...)
        Smoothed log weights that sum up to one, as weights, over draws.
    k : ndarray of shape (...)
        Shape of the tails. Means under the weights are reliable below
        `reliable_below(S)`. It is infinite where the tail is too short for a fit, and
        minus infinity where the largest weights are all equal.

    References
    ----------
    .. [1] Vehtari, A., Simpson, D., Gelman, A., Yao, Y. and Gabry, J. (2024). Pareto
       smoothed importance sampling. JMLR, 25(72).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc._psis import psis
    >>> x = np.random.default_rng(0).exponential(size=4000)
    >>> log_weights, k = psis(0.5 * x)  # a Pareto tail of shape 1/2
    >>> round(float(k), 1)
    0.6
    """
    given = np.asarray(log_weights, dtype=np.float64)
    if given.ndim < 1 or len(given) < 1:
        raise ValueError(
            "log_weights must have the shape (S, ...) with S > 0 draws, got "
            f"{given.shape}."
        )
    if np.isnan(given).any() or (given == np.inf).any():
        raise ValueError(
            "log_weights must be finite or -inf, got NaN or inf; leave such draws out."
        )
    shape = given.shape[1:]
    rows = np.array(given.reshape(len(given), -1).T, order="C")
    if not np.isfinite(rows.max(axis=1)).all():
        raise ValueError("log_weights are -inf for all draws of a column.")
    share = np.broadcast_to(np.asarray(r_eff, dtype=np.float64), shape).ravel()
    k = np.empty(len(rows))
    order = np.argsort(rows, axis=1)
    smooth_all(rows, order, _tail_lengths(len(given), share), k)
    return np.ascontiguousarray(rows.T).reshape(given.shape), k.reshape(shape)


def _tail_lengths(S: int, r_eff: Array) -> NDArray[np.int64]:
    # No tail for what cannot be told: it comes back as unreliable.
    share = np.where(r_eff > 0.0, r_eff, np.inf)
    longest = np.minimum(0.2 * S, 3.0 * np.sqrt(S / share))
    return np.minimum(np.ceil(longest), S - 1).astype(np.int64)


def reliable_below(S: int) -> float:
    """Shape of tails below which S draws are enough for a reliable mean."""
    return float(min(1.0 - 1.0 / np.log10(max(S, 2)), 0.7))


@dataclass(frozen=True, repr=False)
class LeaveOneOut:
    """Expected log predictive density of rows that were left out, one by one.

    Parameters
    ----------
    elpd : ndarray of shape (n,)
        Log predictive density of each row given all others.
    k : ndarray of shape (n,)
        Shape of the tail of its importance weights.
    log_density : ndarray of shape (n,)
        Log predictive density of each row given all rows.
    n_draws : int
        Number of draws.
    """

    elpd: Array
    k: Array
    log_density: Array
    n_draws: int

    @property
    def total(self) -> float:
        """Sum of the log predictive densities."""
        return float(self.elpd.sum())

    @property
    def standard_error(self) -> float:
        """Standard error of the sum, for rows drawn anew."""
        n = len(self.elpd)
        return float(np.sqrt(n) * self.elpd.std(ddof=1)) if n > 1 else float("nan")

    @property
    def effective_parameters(self) -> float:
        """Effective number of parameters: what rows gain by being in the fit."""
        return float((self.log_density - self.elpd).sum())

    @property
    def unreliable(self) -> NDArray[np.bool_]:
        """Rows, as flags, whose weights have tails too heavy for these draws."""
        return ~(self.k < reliable_below(self.n_draws))

    def minus(self, other: LeaveOneOut) -> tuple[float, float]:
        """Compare with another model of the same rows.

        Parameters
        ----------
        other : LeaveOneOut
            Its result.

        Returns
        -------
        difference, standard_error : float
            How much better the sum of log densities is here, and its standard error
            for rows drawn anew.
        """
        if len(self.elpd) != len(other.elpd):
            raise ValueError(
                "Results must be of the same rows, got those of "
                f"{len(self.elpd)} and of {len(other.elpd)}."
            )
        gap = self.elpd - other.elpd
        n = len(gap)
        error = np.sqrt(n) * gap.std(ddof=1) if n > 1 else np.nan
        return float(gap.sum()), float(error)

    def __repr__(self) -> str:
        return (
            f"LeaveOneOut(total={self.total:.2f}, "
            f"standard_error={self.standard_error:.2f}, "
            f"effective_parameters={self.effective_parameters:.2f}, "
            f"unreliable={int(self.unreliable.sum())} of {len(self.elpd)})"
        )


def leave_one_out(blocks: Iterable[ArrayLike]) -> LeaveOneOut:
    """Leave-one-out cross-validation from one fit [1]_.

    Parameters
    ----------
    blocks : iterable of array-like of shape (n_chains, n_draws, m)
        Log-likelihood of each row under each draw, a block of rows at a time. Nothing
        but numbers per row is kept.

    Returns
    -------
    result : LeaveOneOut
        Rows are in the order of the blocks.

    References
    ----------
    .. [1] Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model
       evaluation using leave-one-out cross-validation and WAIC. Statistics and
       Computing, 27.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc._psis import leave_one_out
    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=50)
    >>> mu = y.mean() + rng.normal(size=(4, 1000, 1)) / np.sqrt(50)
    >>> result = leave_one_out([-0.5 * (y - mu) ** 2 - 0.5 * np.log(2 * np.pi)])
    >>> round(result.effective_parameters, 1), int(result.unreliable.sum())
    (0.8, 0)
    """
    parts: list[tuple[Array, Array, Array]] = []
    draws: tuple[int, ...] = ()
    for block in blocks:
        given = np.asarray(block, dtype=np.float64)
        if given.ndim != 3:
            raise ValueError(
                "Blocks of log-likelihoods must have the shape (n_chains, n_draws, m), "
                f"got {given.shape}."
            )
        if draws and given.shape[:2] != draws:
            raise ValueError(
                "All blocks must have the same n_chains and n_draws, got "
                f"{given.shape[:2]} after {draws}."
            )
        if not np.isfinite(given).all():
            raise ValueError(
                "Log-likelihoods must be finite, got NaN or inf; a row that is "
                "impossible under a draw of its own posterior points to an error in "
                "the likelihood."
            )
        draws = given.shape[:2]
        parts.append(_leave_out(given))
    if not parts:
        raise ValueError("blocks must have at least one block of rows, got none.")
    elpd, k, log_density = (np.concatenate(part) for part in zip(*parts, strict=True))
    return LeaveOneOut(elpd, k, log_density, draws[0] * draws[1])


def _leave_out(log_likelihood: Array) -> tuple[Array, Array, Array]:
    C, n, m = log_likelihood.shape
    flat = log_likelihood.reshape(C * n, m)
    likelihood = np.exp(log_likelihood - flat.max(axis=0))
    # Where draws cannot tell they count as independent.
    r_eff = np.nan_to_num(ess_mean(likelihood) / (C * n), nan=1.0)
    log_weights, k = psis(-flat, r_eff=r_eff)
    elpd = logsumexp(flat + log_weights, axis=0)
    return elpd, k, logsumexp(flat, axis=0) - np.log(C * n)
