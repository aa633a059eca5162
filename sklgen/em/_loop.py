"""The one fitting loop: expectation, maximisation, acceleration, convergence."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

# Above this rate of convergence an extrapolation is tried after two plain steps.
_SLOW_RATE = 0.8
# A run whose steps once shrank slowly is trusted to hide no more than such steps.
_SLOWEST_RATE = 0.999
# A parameter that an extrapolation moves further, in its unit, is lost in rounding.
_LONGEST_LEAP = 1e3
# A leap that fails makes the next ones shorter by this factor, one that succeeds makes
# them longer; none is shorter than this many steps.
_LENGTHENING = 4.0
_SHORTEST_LEAP = 2.0
# Gains below this share of the bound are rounding.
_ROUNDING = 1e-14
# Exponent of the step size of online EM (Cappe and Moulines, 2009).
_FORGETTING = 0.7


class Statistics(Protocol):
    """What an E-step returns: additive sums that know the bound they were taken at."""

    @property
    def bound(self) -> float:
        """Log-likelihood, or its lower bound, summed over the weights."""

    @property
    def weight(self) -> float:
        """Sum of the weights."""


class Model(Protocol):
    """A latent structure at fixed parameters."""

    def m_step(self, statistics: Any) -> Self:
        """The model that maximises the expected log-likelihood."""

    def pack(self) -> NDArray[np.float64]:
        """Free parameters as a vector; not finite where it has no such form."""

    def unpack(self, vector: NDArray[np.float64]) -> Self:
        """The model whose `pack` is `vector`."""


M = TypeVar("M", bound=Model)
Expectation = Callable[[M], Any]


@dataclass(frozen=True)
class Run(Generic[M]):
    """Where a run of `run` ended.

    Parameters
    ----------
    model : Model
        The last model.
    statistics : Statistics
        Sums taken under `model`, not yet used for a step.
    bounds : tuple of float
        Mean bound per unit weight at the start and after each step that was kept;
        the last is the one at `model`.
    converged : bool
        Whether the gain left fell below `tol`.
    n_iter : int
        Number of E-steps after the first, extrapolations that failed included.
    """

    model: M
    statistics: Any
    bounds: tuple[float, ...]
    converged: bool
    n_iter: int


def run(
    model: M,
    expectation: Expectation[M],
    *,
    tol: float,
    max_iter: int,
    monitor: Callable[[float], object] = lambda bound: None,
) -> Run[M]:
    """Iterate EM until the gain that is left, per unit weight, is below `tol`.

    What is left is Aitken's estimate from the last two gains [1]_. Where the steps
    shrink slowly, the two last ones are extrapolated (SQUAREM [2]_); the
    extrapolation is kept only if the bound rises, and one that fails makes the next
    ones shorter.

    Parameters
    ----------
    model : Model
        The start. It offers `m_step(statistics)`, the model that maximises, and
        `pack()` and `unpack(vector)`, its free parameters as a vector and back.
    expectation : callable
        The E-step: `expectation(model)` gives statistics with the attributes `bound`,
        the log-likelihood of `model` or its lower bound, summed over the weights, and
        `weight`, the sum of the weights.
    tol : float
        Gain left, in nats per unit weight, below which the run ends. With 0 it takes
        `max_iter` E-steps.
    max_iter : int
        Largest number of E-steps after the first.
    monitor : callable, default=lambda bound: None
        Called with the mean bound after each plain step.

    Returns
    -------
    run : Run
        The last model, its statistics and the bounds on the way.

    Notes
    -----
    Each iteration is one E-step and at most one M-step. Three models are kept at a
    time, and `pack` is called only where the steps shrink slowly.

    References
    ----------
    .. [1] Bohning, D., Dietz, E., Schaub, R., Schlattmann, P. and Lindsay, B. G.
       (1994). The distribution of the likelihood ratio for mixtures of densities from
       the one-parameter exponential family. Ann. Inst. Stat. Math. 46(2).
    .. [2] Varadhan, R. and Roland, C. (2008). Simple and globally convergent methods
       for accelerating the convergence of any EM algorithm. Scand. J. Stat. 35(2).
    """
    statistics = expectation(model)
    trail = _Trail(model, statistics.bound / statistics.weight)
    bounds = [trail.bound]
    converged = False
    n_iter = 0
    while n_iter < max_iter and not converged:
        ahead_model = model.m_step(statistics)
        ahead = expectation(ahead_model)
        n_iter += 1
        fall = trail.bound - ahead.bound / ahead.weight
        if fall > _ROUNDING * max(1.0, abs(trail.bound)):
            # The M-step has come to the end of what the digits resolve.
            converged = fall < tol
            break
        model, statistics = ahead_model, ahead
        trail.step(model, statistics.bound / statistics.weight)
        bounds.append(trail.bound)
        monitor(trail.bound)
        converged = trail.arrived(tol)
        if converged or n_iter == max_iter or not trail.slow:
            continue
        leap = trail.extrapolate()
        if leap is None:
            trail.rest()
            continue
        n_iter += 1
        ahead = expectation(leap)
        if ahead.bound > statistics.bound:
            model, statistics = leap, ahead
            trail.land(model, statistics.bound / statistics.weight)
            bounds.append(trail.bound)
        else:
            trail.fall_back()
    return Run(model, statistics, tuple(bounds), converged, n_iter)


class _Trail:
    """The last three models of plain steps, and what their gains say."""

    def __init__(self, model: Any, bound: float) -> None:
        self._slowest = 0.0
        self._near = False
        self._longest = np.inf
        self._length = 0.0
        self.jump(model, bound)

    def jump(self, model: Any, bound: float) -> None:
        self._models = [model]
        self._bounds = [bound]

    def land(self, model: Any, bound: float) -> None:
        """Go on from a leap that raised the bound; the next one may be longer."""
        self.jump(model, bound)
        self._longest *= _LENGTHENING

    def fall_back(self) -> None:
        """Stay where the leap began, and make the next one shorter."""
        self.rest()
        self._longest = max(self._length / _LENGTHENING, _SHORTEST_LEAP)

    def rest(self) -> None:
        """Forget the way here, so that the next leap waits for two more steps."""
        self.jump(self._models[-1], self.bound)

    def step(self, model: Any, bound: float) -> None:
        self._models = [*self._models[-2:], model]
        self._bounds = [*self._bounds[-2:], bound]
        if self.rate < 1.0:
            self._slowest = max(self._slowest, min(self.rate, _SLOWEST_RATE))

    @property
    def bound(self) -> float:
        return self._bounds[-1]

    @property
    def rate(self) -> float:
        if len(self._bounds) < 3:
            return np.inf
        before, last = np.diff(self._bounds)
        return float(last / before) if before > 0 else np.inf

    @property
    def slow(self) -> bool:
        return _SLOW_RATE < self.rate < np.inf

    def arrived(self, tol: float) -> bool:
        """Whether little is left, for the second time in a row.

        One such step may be a plateau that the next one leaves.
        """
        if len(self._bounds) < 3:
            return False
        was_near, self._near = self._near, self._left < tol
        return was_near and self._near

    @property
    def _left(self) -> float:
        """Gain that the coming steps would still make.

        The rate is the slowest of the run so far: right after a leap the steps shrink
        fast, until what the leap left of the slow direction shows again.
        """
        gain = self._bounds[-1] - self._bounds[-2]
        if gain <= _ROUNDING * max(1.0, abs(self.bound)):
            return 0.0
        if self.rate >= 1.0:
            return np.inf
        return gain * max(1.0, self._slowest / (1.0 - self._slowest))

    def extrapolate(self) -> Any | None:
        first, second, third = (model.pack() for model in self._models)
        with np.errstate(invalid="ignore"):
            step = second - first
            bend = (third - second) - step
        curvature = float(np.linalg.norm(bend))
        if not 0.0 < curvature < np.inf:
            return None
        length = min(float(np.linalg.norm(step)) / curvature, self._longest)
        if length <= 1.0:
            return None
        self._length = length
        vector = first + 2.0 * length * step + length**2 * bend
        if np.abs(vector - third).max() > _LONGEST_LEAP:
            return None
        try:
            with np.errstate(over="raise"):
                return self._models[-1].unpack(vector)
        except FloatingPointError:
            return None


def best(
    starts: Iterable[M], expectation: Expectation[M], *, n_iter: int, keep: int
) -> list[M]:
    """The best of several starts after a few plain steps, best first.

    Of starts that are equally good, the earlier one wins.

    Parameters
    ----------
    starts : iterable of Model
        At least one start; each is asked for when its turn comes.
    expectation : callable
        The E-step, as in `run`.
    n_iter : int
        Number of steps that each start takes.
    keep : int
        Number of models to return, or fewer where there are fewer starts.

    Returns
    -------
    models : list of Model
        Where the best starts are after their steps.

    Notes
    -----
    Takes `n_iter` + 1 E-steps for each start.
    """
    runs: list[tuple[float, M]] = []
    for model in starts:
        for _ in range(n_iter):
            model = model.m_step(expectation(model))
        statistics = expectation(model)
        runs.append((statistics.bound / statistics.weight, model))
    kept: list[M] = []
    while runs and len(kept) < keep:
        at = first_best([bound for bound, _ in runs])
        kept.append(runs.pop(at)[1])
    return kept


def first_best(bounds: Sequence[float]) -> int:
    """The first of several bounds that is the best of them, or as good.

    Parameters
    ----------
    bounds : sequence of float
        Mean bounds, at least one.

    Returns
    -------
    index : int
        Where the first bound lies that misses the highest by less than a millionth of
        its size, or of one nat: what rounding or another dtype may change.
    """
    highest = max(bounds)
    enough = highest - 1e-6 * max(1.0, abs(highest))
    return next(index for index, bound in enumerate(bounds) if bound >= enough)


def blend(before: Any, batch: Any) -> Any:
    """Blend statistics of earlier batches and of one more, for an M-step of online EM.

    Parameters
    ----------
    before : Statistics
        Those of all batches so far, by the parameters that the M-step starts from.
    batch : Statistics
        Those of one more batch, about the same parameters.

    Returns
    -------
    statistics : Statistics
        A blend in which the batch counts by its share of all weight so far, to the
        power 0.7; its weight is all weight so far.
    """
    weight = before.weight + batch.weight
    share = (batch.weight / weight) ** _FORGETTING
    mixed = before * ((1 - share) / before.weight) + batch * (share / batch.weight)
    return mixed * weight


def warn_unconverged(
    found: Any, estimator: Any, remedy: str, *, stacklevel: int
) -> None:
    """Warn that a run ended before it converged, and say why.

    Parameters
    ----------
    found : Run or object
        The run, or what else has its `converged` and `n_iter`.
    estimator : object
        What was fitted, with `max_iter` and `tol`.
    remedy : str
        What to do where rounding ended the run.
    stacklevel : int
        Frames to the call of the user, from here.
    """
    if found.converged or not estimator.max_iter:
        return
    name, n_iter = type(estimator).__name__, found.n_iter
    message = (
        f"{name} did not converge in max_iter={n_iter} iterations: the gain left is "
        f"above tol={estimator.tol}. Raise max_iter or tol."
        if n_iter >= estimator.max_iter
        else f"{name} stopped after {n_iter} iterations, where rounding outweighs what "
        f"a step gains: {remedy}"
    )
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel + 1)
