"""What estimators of posteriors and of other densities share: chains and tables."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from numbers import Integral, Real
from typing import Any, ClassVar

from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklgen.em._threads import N_JOBS
from sklgen.mcmc._arviz import statistics, to_arviz
from sklgen.mcmc._diagnostics import summarize
from sklgen.mcmc._judge import diagnose
from sklgen.mcmc._runner import Chains, Settings


class ChainedEstimator(BaseEstimator):
    """An estimator whose fit is draws of chains. Hook: `_named_draws`."""

    # Its parameters are those of `Settings`, and some more.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "sampler": [StrOptions({"nuts", "ensemble", "tempered"})],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "n_warmup": [Interval(Integral, 0, None, closed="left")],
        "n_draws": [Interval(Integral, 4, None, closed="left")],
        "target_accept": [Interval(Real, 0, 1, closed="neither")],
        "metric": [StrOptions({"dense", "diagonal", "low_rank"})],
        "max_depth": [Interval(Integral, 1, 20, closed="both")],
        "thin": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": N_JOBS,
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Attributes that may hold functions without a name, or classes.
    _by_value: ClassVar[tuple[str, ...]]
    warm_start: bool
    diagnostics_: dict[str, float]
    converged_: bool
    _chains: Chains

    @abstractmethod
    def _named_draws(self) -> Mapping[str, NDArray[Any]]:
        """Draws (n_chains, n_draws, ...) by the names of what was drawn."""

    def _settings(self) -> Settings:
        names = [field.name for field in fields(Settings)]
        return Settings(**{name: getattr(self, name) for name in names})

    def _before(self) -> Chains | None:
        """Chains to go on from, if that is what the user wants."""
        return getattr(self, "_chains", None) if self.warm_start else None

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave an earlier fit as it was where the next one fails."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _judge(self) -> list[str]:
        """Set what tells whether to trust the draws, and say why if not."""
        self.diagnostics_, problems = diagnose(self._chains, self._named_draws())
        self.converged_ = not problems
        return problems

    def _warn_of(self, problems: Sequence[str]) -> None:
        """Warn those who called `fit`."""
        if problems:
            message = f"{type(self).__name__}: {' '.join(problems)}"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    def summary(self) -> Any:
        """Moments, quantiles and diagnostics of all that was drawn.

        Returns
        -------
        table : pandas.DataFrame
            A row for each number, with its mean and standard deviation and their Monte
            Carlo errors, its 5 %, 50 % and 95 % quantiles, bulk and tail effective
            sample size and rank-normalised split R-hat.
        """
        check_is_fitted(self)
        import pandas as pd

        return pd.DataFrame(summarize(self._named_draws())).set_index("parameter")

    def to_arviz(self) -> Any:
        """Hand the draws over to ArviZ.

        Returns
        -------
        data : arviz.InferenceData, or xarray.DataTree from ArviZ 1.0 on
            Draws, and what the sampler tells of each.
        """
        check_is_fitted(self)
        return to_arviz(dict(self._named_draws()), statistics(self._chains))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        held = {name: state[name] for name in self._by_value if name in state}
        return {**state, **{name: _Pickled(x) for name, x in held.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        held = {k: x.content for k, x in state.items() if isinstance(x, _Pickled)}
        super().__setstate__({**state, **held})


class _Pickled:
    """What is pickled by value where it has no name to be found by."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (_cloudpickle().dumps(self.content),)


def _unpickled(content: bytes) -> _Pickled:
    return _Pickled(_cloudpickle().loads(content))


def _cloudpickle() -> Any:
    """Import what joblib has brought, inside of it until its version 1.6."""
    try:
        return import_module("cloudpickle")
    except ModuleNotFoundError:
        return import_module("joblib.externals.cloudpickle")
