"""What draws of Markov chains tell about their convergence and their precision.

Draws have the shape (n_chains, n_draws, ...), and diagnostics the shape (...), one
number for each scalar. Everything is computed for many scalars at once. A diagnostic
is NaN where draws cannot tell: fewer than four a chain, draws that are not finite, or
draws that are all equal.

References
----------
.. [1] Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Buerkner, P.-C. (2021).
   Rank-normalization, folding, and localization: an improved R-hat for assessing
   convergence of MCMC. Bayesian Analysis, 16(2).
.. [2] Geyer, C. J. (1992). Practical Markov chain Monte Carlo. Statistical Science.
.. [3] Betancourt, M. (2016). Diagnosing suboptimal cotangent disintegrations in
   Hamiltonian Monte Carlo. arXiv:1604.00695.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from sklgen._typing import Array

# Halves of chains need two draws each for a variance.
_FEWEST_DRAWS = 4
# Draws that are looked at together: a MiB of them, which stays in cache.
_BLOCK = 2**17
_TAILS = (0.05, 0.95)

# A diagnostic of scalars (p, n_chains, n_draws).
_OfChains = Callable[[Array], Array]


def _per_scalar(diagnostic: _OfChains) -> Callable[[ArrayLike], Array]:
    """Make a diagnostic of (n_chains, n_draws, ...) out of one of scalars."""

    @wraps(diagnostic)
    def of_draws(draws: ArrayLike) -> Array:
        given = _as_draws(draws)
        C, n, *shape = given.shape
        flat = given.reshape(C, n, -1)
        found = np.full(flat.shape[2], np.nan)
        if n >= _FEWEST_DRAWS:
            step = max(1, _BLOCK // (C * n))
            for low in range(0, len(found), step):
                block = np.moveaxis(flat[:, :, low : low + step], 2, 0)
                flat_block = block.reshape(len(block), -1)
                told = np.isfinite(flat_block).all(axis=1) & (
                    flat_block != flat_block[:, :1]
                ).any(axis=1)
                at = low + np.flatnonzero(told)
                if len(at):
                    found[at] = diagnostic(np.ascontiguousarray(block[told]))
        return found.reshape(shape)

    return of_draws


def _as_draws(draws: ArrayLike) -> Array:
    given = np.asarray(draws, dtype=np.float64)
    if given.ndim < 2:
        raise ValueError(
            "draws must have the shape (n_chains, n_draws, ...), got "
            f"{given.shape}; give one chain x as x[None]."
        )
    if not given.shape[0] or not given.shape[1]:
        raise ValueError(f"draws must not be empty, got the shape {given.shape}.")
    return given


def _split(chains: Array) -> Array:
    """Halves of chains as chains; the middle draw of an odd number is left out."""
    half = chains.shape[2] // 2
    return np.concatenate([chains[:, :, :half], chains[:, :, -half:]], axis=1)


def _normal_scores(chains: Array) -> Array:
    """Normal quantiles of the ranks of draws among those of all chains."""
    flat = chains.reshape(len(chains), -1)
    share = (_ranks(flat) - 0.375) / (flat.shape[1] + 0.25)
    return np.asarray(ndtri(share)).reshape(chains.shape)


def _ranks(x: Array) -> Array:
    """Ranks in each row, from one; equal numbers share their mean rank.

    SciPy's `rankdata` takes several times as long, most of the time of a diagnostic.
    """
    order = np.argsort(x, axis=1)
    ordered = np.take_along_axis(x, order, axis=1)
    rises = np.diff(ordered, axis=1) > 0.0
    edge = np.ones((len(x), 1), dtype=np.bool_)
    at = np.arange(x.shape[1])
    first = np.where(np.concatenate([edge, rises], axis=1), at, 0)
    last = np.where(np.concatenate([rises, edge], axis=1), at, x.shape[1])
    first = np.maximum.accumulate(first, axis=1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(x.shape)
    np.put_along_axis(ranks, order, 0.5 * (first + last) + 1.0, axis=1)
    return ranks


def _folded(chains: Array) -> Array:
    middle = np.median(chains.reshape(len(chains), -1), axis=1)
    return np.abs(chains - middle[:, None, None])


def _plain_r_hat(chains: Array) -> Array:
    within = chains.var(axis=2, ddof=1).mean(axis=1)
    between = chains.mean(axis=2).var(axis=1, ddof=1)
    n = chains.shape[2]
    # Chains that each stand still at a place of their own have an infinite ratio.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(between / within + (n - 1.0) / n))


def _autocorrelation(chains: Array) -> Array:
    """Autocorrelations (p, n) of all chains, which their disagreement raises."""
    C, n = chains.shape[1:]
    centred = chains - chains.mean(axis=2, keepdims=True)
    size = next_fast_len(2 * n, real=True)
    spectrum = rfft(centred, size, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    covariance = irfft(power, size, axis=1)[:, :n] / n
    total = covariance[:, 0].copy()
    if C > 1:
        total += chains.mean(axis=2).var(axis=1, ddof=1)
    within = covariance[:, :1] * (n / (n - 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1.0 - (within - covariance) / total[:, None]
    rho[:, 0] = 1.0
    return np.asarray(rho)


def _plain_ess(chains: Array) -> Array:
    """Effective sample size of the mean, by Geyer's initial monotone sequence.

    Sums of autocorrelations at lags 2j and 2j + 1 are positive and fall, for chains
    that are reversible. The sum ends before the first that is not positive.
    """
    p, C, n = chains.shape
    rho = _autocorrelation(chains)
    last = max((n - 1) // 2 - 1, 0)
    even = rho[:, : 2 * last + 1 : 2]
    pairs = even + rho[:, 1 : 2 * last + 2 : 2]
    ended = pairs <= 0.0
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), last)
    falling = np.minimum.accumulate(pairs, axis=1)
    falling[np.arange(last + 1) >= end[:, None]] = 0.0
    # The even lag alone makes the sum better for antithetic chains.
    rest = np.maximum(even[np.arange(p), end], 0.0)
    time = 2.0 * falling.sum(axis=1) - 1.0 + rest
    size = C * n
    return np.asarray(size / np.maximum(time, 1.0 / np.log10(size)))


def _ess_below(chains: Array, share: float) -> Array:
    """Effective sample size of the share of draws below a quantile.

    It is NaN where no draw is above it.
    """
    flat = chains.reshape(len(chains), -1)
    below = chains <= np.quantile(flat, share, axis=1)[:, None, None]
    return _plain_ess(_split(below.astype(np.float64)))


@_per_scalar
def r_hat(chains: Array) -> Array:
    """Larger one of rank-normalised split R-hat and that of folded draws.

    The first is large for chains of different places, the second for chains of
    different scales. Values above 1.01 are a reason to run longer.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    r_hat : ndarray of shape (...)
        Huge, or infinite, for chains that stand still at different places.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc._diagnostics import r_hat
    >>> x = np.random.default_rng(0).normal(size=(4, 500))
    >>> bool(r_hat(x) < 1.01), bool(r_hat(x + np.arange(4)[:, None]) > 1.5)
    (True, True)
    """
    halves = _split(chains)
    bulk = _plain_r_hat(_normal_scores(halves))
    tail = _plain_r_hat(_normal_scores(_folded(halves)))
    # Folding can make different draws equal, which then tell nothing.
    return np.fmax(bulk, tail)


@_per_scalar
def ess_bulk(chains: Array) -> Array:
    """Effective sample size of rank-normalised draws.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    ess : ndarray of shape (...)
        At most S log10(S) for S draws.
    """
    return _plain_ess(_normal_scores(_split(chains)))


@_per_scalar
def ess_tail(chains: Array) -> Array:
    """Smaller effective sample size of those of the 5 % and the 95 % quantile.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    ess : ndarray of shape (...)
        A quantile that no draw exceeds is left out.
    """
    low, high = (_ess_below(chains, share) for share in _TAILS)
    return np.fmin(low, high)


@_per_scalar
def ess_mean(chains: Array) -> Array:
    """Effective sample size of the mean.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    ess : ndarray of shape (...)
        The variance of the mean of draws is their variance over this.
    """
    return _plain_ess(_split(chains))


@_per_scalar
def mcse_mean(chains: Array) -> Array:
    """Monte Carlo standard error of the mean.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    error : ndarray of shape (...)
        Standard deviation of the mean of draws about that of their law.
    """
    variance = chains.reshape(len(chains), -1).var(axis=1, ddof=1)
    return np.asarray(np.sqrt(variance / _plain_ess(_split(chains))))


@_per_scalar
def mcse_sd(chains: Array) -> Array:
    """Monte Carlo standard error of the standard deviation.

    It is that of the variance, which needs no normal law, to first order.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Draws.

    Returns
    -------
    error : ndarray of shape (...)
        Standard deviation of that of draws about that of their law.
    """
    flat = chains.reshape(len(chains), -1)
    squares = (chains - flat.mean(axis=1)[:, None, None]) ** 2
    variance = squares.mean(axis=(1, 2))
    kurtosis = ((squares / variance[:, None, None]) ** 2).mean(axis=(1, 2))
    # Draws that are all as far from the mean have squares that tell nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        ess = _plain_ess(_split(squares))
        return np.asarray(np.sqrt(variance * (kurtosis - 1.0) / ess) / 2.0)


def e_bfmi(energy: ArrayLike) -> Array:
    """Estimated Bayesian fraction of missing information of each chain [3]_.

    Parameters
    ----------
    energy : array-like of shape (n_chains, n_draws)
        Energies of Hamiltonian Monte Carlo.

    Returns
    -------
    fraction : ndarray of shape (n_chains,)
        About one where draws of the momentum explore the energies well. Below 0.3 the
        tails are hard to reach: another parametrisation may help.

    References
    ----------
    .. [3] Betancourt, M. (2016). Diagnosing suboptimal cotangent disintegrations in
       Hamiltonian Monte Carlo. arXiv:1604.00695.
    """
    given = _as_draws(energy)
    if given.shape[1] < _FEWEST_DRAWS:
        return np.full(len(given), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = (np.diff(given, axis=1) ** 2).sum(axis=1)
        spread = (given - given.mean(axis=1, keepdims=True)) ** 2
        return np.asarray(steps / spread.sum(axis=1))


def summarize(draws: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    """Moments, quantiles and diagnostics of all scalars.

    Parameters
    ----------
    draws : mapping of str to array-like of shape (n_chains, n_draws, ...)
        Draws of each parameter.

    Returns
    -------
    table : dict of str to ndarray
        Columns with one row a scalar: "parameter", the name with its index, "mean",
        "sd", "mcse_mean", "mcse_sd", "q5", "median", "q95", "ess_bulk", "ess_tail" and
        "r_hat". `pandas.DataFrame(table)` makes a frame of it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc._diagnostics import summarize
    >>> x = np.random.default_rng(0).normal(size=(4, 500, 2))
    >>> table = summarize({"mu": x[..., 0], "beta": x})
    >>> table["parameter"].tolist()
    ['mu', 'beta[0]', 'beta[1]']
    >>> table["r_hat"].round(2).tolist()
    [1.0, 1.0, 1.0]
    """
    parts = {name: _as_draws(x) for name, x in draws.items()}
    names = [label for name, x in parts.items() for label in _labels(name, x.shape[2:])]
    table: dict[str, NDArray[Any]] = {"parameter": np.array(names, dtype=object)}
    for column, of in _COLUMNS.items():
        with np.errstate(invalid="ignore"):  # draws may be infinite
            found = [np.ravel(of(x)) for x in parts.values()]
        table[column] = np.concatenate([np.empty(0), *found])
    return table


def _labels(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    return [f"{name}[{','.join(map(str, index))}]" for index in np.ndindex(*shape)]


def _mean(draws: Array) -> Array:
    return np.asarray(draws.mean(axis=(0, 1)))


def _sd(draws: Array) -> Array:
    few = draws.shape[0] * draws.shape[1] < 2
    return np.full(draws.shape[2:], np.nan) if few else draws.std(axis=(0, 1), ddof=1)


def _quantile(share: float) -> Callable[[Array], Array]:
    return lambda draws: np.asarray(np.quantile(draws, share, axis=(0, 1)))


_COLUMNS: dict[str, Callable[[Array], Array]] = {
    "mean": _mean,
    "sd": _sd,
    "mcse_mean": mcse_mean,
    "mcse_sd": mcse_sd,
    "q5": _quantile(_TAILS[0]),
    "median": _quantile(0.5),
    "q95": _quantile(_TAILS[1]),
    "ess_bulk": ess_bulk,
    "ess_tail": ess_tail,
    "r_hat": r_hat,
}
