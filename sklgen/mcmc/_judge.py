"""What is wrong with chains, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.mcmc._diagnostics import _labels, e_bfmi, ess_bulk, ess_tail, r_hat
from sklgen.mcmc._runner import Chains
from sklgen.mcmc._tempering import Exchange, Tempered

# Chains of different places, or scales, have a larger R-hat.
R_HAT = 1.01
# That of good chains is above one by this over their length, seldom by more.
_R_HAT_DRAWS = 10.0
# Effective draws that each chain should have, for quantiles to mean something.
ESS = 100
# A smaller fraction of missing information means tails that are hard to reach.
E_BFMI = 0.3
# Share of the trees that may diverge: one or two do by chance where tails are light.
_DIVERGENT = 0.001
# Share of the trees that may be cut short, and of the proposals a chain must accept.
_CUT, _STUCK = 0.01, 0.01
# Draws of chains that do not agree at all run away if they are this far out, or in
# their last third so many times as far as in their first one.
_FAR, _FARTHER, _APART = 1e7, 3.0, 1.1
# Where transforms end, draws that run away agree; other laws hardly get there.
_SMALLEST, _LARGEST = 1e-250, 1e250
# Ways through all temperatures and back that each chain should have seen.
_TRIPS = 5
_LOG_DENSITY = "log density"
_SHOWN = 3


def diagnose(
    chains: Chains, draws: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, float], list[str]]:
    """Judge chains by their draws.

    Parameters
    ----------
    chains : Chains
        How they went.
    draws : mapping of str to ndarray of shape (C, n, ...)
        Draws of each parameter.

    Returns
    -------
    diagnostics : dict of str to float
        The largest R-hat and smallest effective sample sizes of parameters and the log
        density, and what the sampler tells.
    problems : list of str
        Sentences that say what is wrong and what to do; empty if nothing is.
    """
    scalars = {**draws, _LOG_DENSITY: chains.log_densities}
    labels = np.array(
        [la for k, x in scalars.items() for la in _labels(k, x.shape[2:])]
    )
    worst = np.concatenate([r_hat(x).ravel() for x in scalars.values()])
    walkers = [_by_walker(x, chains.n_walkers) for x in scalars.values()]
    bulk, tail = (
        np.concatenate([of(x).ravel() for x in walkers]) for of in (ess_bulk, ess_tail)
    )
    energy = e_bfmi(chains.energies)
    cut = chains.depths >= chains.settings.max_depth
    n_chains = len(chains.positions)
    numbers = {
        "r_hat": _extreme(np.nanmax, worst),
        "ess_bulk": _extreme(np.nanmin, bulk),
        "ess_tail": _extreme(np.nanmin, tail),
        "n_divergent": int(chains.divergent.sum()),
        "n_max_depth": int(cut.sum()),
        "e_bfmi": _extreme(np.nanmin, energy),
        "accept_statistic": float(chains.accept_statistics.mean()),
        "step_size": float(chains.step_sizes.mean()),
        "n_leapfrogs": int(chains.n_leapfrogs.sum()),
        "n_evaluations": chains.n_evaluations,
    }
    if isinstance(chains.state, Tempered):
        numbers |= _ladder(chains.state.exchange)
    problems = [
        *_interruption(chains),
        *_flight(scalars, labels, worst),
        *_still(chains),
        *_disagreement(labels, worst, chains.positions.shape[1]),
        *_scarcity(labels, bulk, tail, n_chains),
        *_divergences(chains, numbers["n_divergent"]),
        *_missing_information(energy),
        *_cut_short(cut, chains.settings.max_depth),
        *_few_trips(chains),
    ]
    return numbers, problems


def _by_walker(x: Array, n_walkers: int) -> Array:
    """Draws with a chain for each walker, if there are enough of them."""
    C, n = x.shape[:2]
    each = n // n_walkers
    if n_walkers == 1 or each < 4:
        return x
    apart = x[:, : each * n_walkers].reshape(C, each, n_walkers, *x.shape[2:])
    return np.swapaxes(apart, 1, 2).reshape(C * n_walkers, each, *x.shape[2:])


def _extreme(of: Any, values: Array) -> float:
    told = values[~np.isnan(values)]
    return float(of(told)) if len(told) else float("nan")


def _named(
    labels: NDArray[Any], values: Array, order: NDArray[np.intp], form: str
) -> str:
    """Names of the first few, and the number of the others."""
    first = [f"{labels[i]} ({values[i]:{form}})" for i in order[:_SHOWN]]
    more = len(order) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _interruption(chains: Chains) -> list[str]:
    if not chains.interrupted:
        return []
    return [
        f"The run was interrupted after {chains.positions.shape[1]} of "
        f"{chains.settings.n_draws} draws of each chain, which are kept; fit with "
        "warm_start=True to go on."
    ]


def _flight(
    scalars: Mapping[str, Array], labels: NDArray[Any], r_hats: Array
) -> list[str]:
    """Find draws that go farther and farther out."""
    away = np.concatenate([_runs_away(x).ravel() for x in scalars.values()])
    away &= ~(r_hats < _APART)
    away |= np.concatenate([_at_an_end(x).ravel() for x in scalars.values()])
    if not away.any():
        return []
    names = ", ".join(labels[away][:_SHOWN])
    return [
        f"Draws of {names} run away: the density may have an infinite integral (an "
        "improper posterior). Give every parameter a proper prior, or bounds."
    ]


def _runs_away(x: Array) -> NDArray[np.bool_]:
    third = max(1, x.shape[1] // 3)
    with np.errstate(invalid="ignore", over="ignore"):
        first, last = np.abs(x[:, :third]), np.abs(x[:, -third:])
        largest = last.max(axis=(0, 1))
        grown = largest > _FARTHER * first.max(axis=(0, 1))
    return np.asarray(grown | ~(largest < _FAR))


def _at_an_end(x: Array) -> NDArray[np.bool_]:
    size = np.abs(x.astype(np.float64, copy=False))
    return np.asarray(
        (size.max(axis=(0, 1)) > _LARGEST)
        | ((size > 0.0) & (size < _SMALLEST)).any(axis=(0, 1))
    )


def _still(chains: Chains) -> list[str]:
    accepted = chains.accept_statistics.mean(axis=1)
    moved = (chains.positions != chains.positions[:, :1]).any(axis=(1, 2))
    still = np.flatnonzero(~moved | (accepted < _STUCK))
    if not len(still) or chains.positions.shape[1] == 1:
        return []
    return [
        f"Chain {', '.join(map(str, still))} of {len(moved)} hardly moved. Start it "
        "elsewhere with another random_state, give it a longer n_warmup, or put "
        "parameters on comparable scales."
    ]


def largest_r_hat(n_draws: int) -> float:
    """R-hat that chains of so many draws should not have.

    Parameters
    ----------
    n_draws : int
        Number of draws of each chain.

    Returns
    -------
    r_hat : float
        1.01 from 1000 draws on, more for fewer: those vary by chance.
    """
    return max(R_HAT, 1.0 + _R_HAT_DRAWS / n_draws)


def _disagreement(labels: NDArray[Any], values: Array, n_draws: int) -> list[str]:
    limit = largest_r_hat(n_draws)
    bad = np.flatnonzero(values > limit)
    if not len(bad):
        return []
    bad = bad[np.argsort(-values[bad], kind="stable")]
    return [
        f"Chains do not agree yet: R-hat is above {limit:.3g} for "
        f"{_named(labels, values, bad, '.3f')}. Raise n_warmup and n_draws; "
        "if it stays so, there may be several modes, or parameters that nothing tells."
    ]


def _scarcity(labels: NDArray[Any], bulk: Array, tail: Array, C: int) -> list[str]:
    smaller = np.fmin(bulk, tail)
    bad = np.flatnonzero(smaller < ESS * C)
    if not len(bad):
        return []
    bad = bad[np.argsort(smaller[bad], kind="stable")]
    return [
        f"Too few effective draws: bulk or tail ESS is below {ESS} a chain for "
        f"{_named(labels, smaller, bad, '.0f')}. Raise n_draws, or state the model in "
        "parameters that are less dependent."
    ]


def _divergences(chains: Chains, n: float) -> list[str]:
    if n <= _DIVERGENT * chains.divergent.size:
        return []
    return [
        f"{n} of {chains.divergent.size} transitions diverged, so that draws may miss "
        "a part of the law. Raise target_accept (0.95, 0.99), or state the model in "
        "other parameters (not centred, if it is a hierarchy)."
    ]


def _missing_information(energy: Array) -> list[str]:
    bad = np.flatnonzero(energy < E_BFMI)
    if not len(bad):
        return []
    return [
        f"Tails are hard to reach: E-BFMI is {energy[bad].min():.2g}, below {E_BFMI}, "
        f"in {len(bad)} of {len(energy)} chains. State the model in other parameters, "
        "or give it priors with lighter tails."
    ]


def _cut_short(cut: NDArray[np.bool_], max_depth: int) -> list[str]:
    if cut.mean() <= _CUT:
        return []
    return [
        f"{cut.mean():.0%} of the trajectories were cut short at "
        f"max_depth={max_depth}, so that draws depend on each other more than they "
        "need to. Raise n_warmup for a better metric, or max_depth."
    ]


def _ladder(exchange: Exchange) -> dict[str, float]:
    """Tell how exchanges between temperatures went."""
    return {
        "n_temperatures": len(exchange.powers),
        "swap_rate": float(1 - exchange.rejection.max()),
        "n_round_trips": int(exchange.trips.min()),
    }


def _few_trips(chains: Chains) -> list[str]:
    if not isinstance(chains.state, Tempered):
        return []
    trips = chains.state.exchange.trips
    if trips.min() >= _TRIPS:
        return []
    return [
        f"Only {trips.min()} times, in chain {trips.argmin()}, did a position go from "
        "the coldest lane to the hottest and back, so that modes may have wrong "
        "weights. Raise n_draws, or n_warmup for better temperatures; a density "
        "without prior needs light tails."
    ]
