"""Posteriors as densities over vectors without bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import numpy as np
from scipy.special import ndtri

from sklgen._typing import Array
from sklgen.mcmc._compiled import CompiledDensity
from sklgen.mcmc._differences import Differences
from sklgen.mcmc._evaluate import first_failure
from sklgen.mcmc._model import BayesianModel, Likelihood, Params
from sklgen.mcmc._starts import Frame
from sklgen.mcmc._transforms import Coordinates, Joint
from sklgen.mcmc.priors._base import Prior

Answer = TypeVar("Answer")

# Numbers of log-likelihoods that are made at once.
BLOCK = 1 << 18
# Draws of priors that tell where they are.
FRAME_DRAWS = 400


class Posterior(ABC):
    """The posterior of a model, given data, for the samplers of this package.

    Attributes
    ----------
    n_dim : int
        Length of the vectors without bounds.
    has_gradient : bool
        Whether `value_and_gradient` can be asked for.
    frame : Frame
        Where, and in what units, chains start: that of the priors.
    is_proper_prior : bool
        Whether the law of the parameters before the data can be drawn from.
    own_threads : bool
        Whether it makes use of the threads of native libraries.
    """

    n_dim: int
    has_gradient: bool
    frame: Frame
    is_proper_prior: bool
    own_threads: ClassVar[bool] = False

    def density(self, n_threads: int) -> Posterior | CompiledDensity:
        """What samplers run on."""
        return self

    @abstractmethod
    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""

    @abstractmethod
    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""

    @abstractmethod
    def split(self, u: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Log-priors (A,) and their gradients (A, d), and those of log-likelihoods.

        Log-Jacobians belong to the former. Gradients are there whatever the model has.
        """

    @abstractmethod
    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""

    @abstractmethod
    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""


def frame_of(draws: Array) -> Frame:
    """Medians and scales of draws (m, d) from priors; 0 and 1 where they are NaN."""
    low, middle, high = np.quantile(draws, (0.25, 0.5, 0.75), axis=0)
    scale = (high - low) / (ndtri(0.75) - ndtri(0.25))
    usable = np.isfinite(middle) & np.isfinite(scale) & (scale > 0)
    return Frame(np.where(usable, middle, 0.0), np.where(usable, scale, 1.0))


def _prior_draws(priors: Mapping[str, Prior], joint: Joint) -> Array:
    """Vectors without bounds (m, d) of draws; NaN for laws that have none."""
    rng = np.random.default_rng(0)
    out = np.full((FRAME_DRAWS, joint.size), np.nan)
    for name, prior in priors.items():
        with suppress(ValueError):  # of an improper prior
            drawn = prior.transform.to_unconstrained(prior.draw(len(out), rng))
            out[:, joint.slices[name]] = drawn
    return out


def _is_proper(priors: Mapping[str, Prior]) -> bool:
    rng = np.random.default_rng(0)
    try:
        for prior in priors.values():
            prior.draw(1, rng)
    except ValueError:  # of an improper prior
        return False
    return True


def asked(function: Callable[..., Answer], params: Params, *data: Any) -> Answer:
    """Call a method of the user's model; what it raises tells of the parameters.

    It gets arrays that cannot be written into: what it changed would be used further.
    """
    for x in (*params.values(), *data):
        if isinstance(x, np.ndarray):
            x.flags.writeable = False
    try:
        return function(params, *data)
    except Exception as error:
        error.add_note(
            f"The parameters were {_culprit(function, params, *data)}. Parameters have "
            "leading axes: one of shape () is an array (...), and p[..., None] has one "
            "number for all rows."
        )
        raise


def _culprit(function: Callable[..., object], params: Params, *data: Any) -> str:
    """The first parameters that fail alone, or all of them."""

    def alone(at: slice) -> object:
        return function({name: x[at] for name, x in params.items()}, *data)

    place = first_failure(alone, len(next(iter(params.values()))))
    return written(
        params if place is None else {k: x[place] for k, x in params.items()}
    )


def written(params: Params) -> str:
    """Write parameters out, or the beginning of many numbers."""
    with np.printoptions(precision=6, threshold=20):
        return ", ".join(f"{name}={x!s}" for name, x in params.items())


def pointwise(
    model: BayesianModel, params: Params, X: Array, y: Array | None, n_draws: int
) -> Array:
    """Log-likelihoods (S, n) of rows under S draws of the parameters, checked."""
    found = np.asarray(asked(model.log_likelihood, params, X, y))
    if found.shape != (n_draws, len(X)):
        raise ValueError(
            f"log_likelihood of {type(model).__name__} must return one number for each "
            f"draw and row: for {n_draws} draws and {len(X)} rows the shape "
            f"{(n_draws, len(X))}, got {found.shape}."
        )
    return found


def _likelihood_of(
    likelihood: Likelihood, params: Params, lead: tuple[int, ...]
) -> tuple[Array, dict[str, Array]]:
    """Log-likelihoods and derivatives, checked for what the model returns."""
    answer: Any = asked(likelihood, params)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(
            "likelihood must return a tuple of log-likelihoods and a dict of their "
            f"derivatives, got {type(answer).__name__}."
        )
    value, slopes = answer
    if np.shape(value) != lead:
        raise ValueError(
            "likelihood must return one log-likelihood for each draw: for parameters "
            f"with a leading axis {lead} that shape, got {np.shape(value)}."
        )
    for name, x in params.items():
        if name not in slopes or np.shape(slopes[name]) != x.shape:
            got = np.shape(slopes[name]) if name in slopes else "none"
            raise ValueError(
                f"likelihood must return derivatives by {name!r} of the shape "
                f"{x.shape}, got {got}."
            )
    return value, slopes


class NumpyPosterior(Posterior):
    """The posterior of a model that is written with NumPy.

    Parameters
    ----------
    model : BayesianModel
        What is known of the parameters before the data, and of the data given them.
    priors : mapping of str to Prior
        What `model.parameters` gave.
    X, y : ndarray of shape (n, d) and (n,) or None
        Data.
    weight : ndarray of shape (n,)
        Weight of each row.
    """

    def __init__(
        self,
        model: BayesianModel,
        priors: Mapping[str, Prior],
        X: Array,
        y: Array | None,
        weight: Array,
    ) -> None:
        self._model, self._priors = model, dict(priors)
        self._X, self._y, self._weight = X, y, weight
        given = None
        if hasattr(model, "coordinates"):
            given = model.coordinates(self._priors, X, y, weight)
        joint = Joint({k: prior.transform for k, prior in self._priors.items()})
        self._coordinates: Coordinates = joint if given is None else given
        self.n_dim = self._coordinates.size
        self.frame = (
            Frame.standard(self.n_dim)
            if given is not None and given.is_standard
            else frame_of(_prior_draws(self._priors, joint))
        )
        self.is_proper_prior = _is_proper(self._priors)
        self._likelihood: Likelihood | None = None
        if hasattr(model, "likelihood"):
            self._likelihood = model.likelihood(X, y, weight)
        self._whole: CompiledDensity | None = None
        if self._likelihood is None and hasattr(model, "compiled"):
            self._whole = self._compiled(n_threads=1)
        self.has_gradient = self._likelihood is not None or self._whole is not None

    def density(self, n_threads: int) -> Posterior | CompiledDensity:
        """What samplers run on: compiled code, if the model has it."""
        return self._compiled(n_threads) or self

    def _compiled(self, n_threads: int) -> CompiledDensity | None:
        made = None
        if hasattr(self._model, "compiled"):
            made = self._model.compiled(self._priors, self._X, self._y, self._weight)
        if made is None:
            return None
        function, data = made
        return CompiledDensity(function, self.n_dim, data, n_threads=n_threads)

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        params, total = self._coordinates.to_constrained(u)
        for name, prior in self._priors.items():
            total = total + prior.value_and_gradient(params[name])[0]
        return total + self._log_likelihood(params)

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        if self._whole is not None:
            return self._whole(u)
        assert self._likelihood is not None
        params, total = self._coordinates.to_constrained(u)
        value, slopes = _likelihood_of(self._likelihood, params, total.shape)
        total = total + value
        for name, prior in self._priors.items():
            log_prior, slope = prior.value_and_gradient(params[name])
            total += log_prior
            slopes[name] = slopes[name] + slope
        return total, self._coordinates.pull_back(slopes, u)

    def split(self, u: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Log-priors (A,) and their gradients (A, d), and those of log-likelihoods."""
        params, prior = self._coordinates.to_constrained(u)
        slopes: dict[str, Array] = {}
        for name, law in self._priors.items():
            log_prior, slopes[name] = law.value_and_gradient(params[name])
            prior = prior + log_prior
        gradient = self._coordinates.pull_back(slopes, u)
        own = prior, gradient
        if self._likelihood is not None:
            value, rises = _likelihood_of(self._likelihood, params, prior.shape)
            both = {name: slopes[name] + rises[name] for name in slopes}
            return own, (value, self._coordinates.pull_back(both, u) - gradient)
        if self._whole is not None:
            total, whole = self._whole(u)
            return own, (total - prior, whole - gradient)
        alone = lambda x: self._log_likelihood(self.constrain(x))
        return own, Differences(alone)(u)

    def _log_likelihood(self, params: Params) -> Array:
        n_positions = len(next(iter(params.values())))
        total = np.zeros(n_positions)
        for rows in self._blocks(n_positions):
            total += self._pointwise(params, rows) @ self._weight[rows]
        return total

    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""
        return self._coordinates.to_constrained(u)[0]

    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""
        params = self.constrain(u[None])
        found = {
            name: prior.value_and_gradient(params[name])[0]
            for name, prior in self._priors.items()
        }
        rows = slice(0, len(self._weight))
        return found | {"": self._pointwise(params, rows)[0]}

    def _pointwise(self, params: Params, rows: slice) -> Array:
        X, y = self._X[rows], None if self._y is None else self._y[rows]
        return pointwise(self._model, params, X, y, len(next(iter(params.values()))))

    def _blocks(self, n_positions: int) -> list[slice]:
        n = len(self._weight)
        size = n if not self._model.independent_rows else max(1, BLOCK // n_positions)
        return [slice(low, low + size) for low in range(0, n, max(size, 1))]
