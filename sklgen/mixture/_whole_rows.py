"""How mixtures of whole rows are fitted: no start is given, no cell is missing."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.em import Rows
from sklgen.em._threads import N_JOBS
from sklgen.mixture._base import BaseMixture
from sklgen.mixture._count_rows import NonNegativeRows
from sklgen.mixture._fitted import WholeRowMixture
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture

CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "init_params": [StrOptions(set(STARTS) - {"random"})],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "n_jobs": N_JOBS,
}


class NonNegativeMixture(NonNegativeRows, WholeRowMixture, BaseMixture):
    """A mixture of rows of non-negative cells, started from labels alone."""

    _remedy: ClassVar[str] = (
        "a component is nearly a single row. Lower n_components, or raise tol."
    )

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        return equal.m_step(rows.sum(partial(equal.labelled, labels)))

    def _with_given(self, start: Mixture[Any]) -> Mixture[Any]:
        return start

    @property
    def _is_given(self) -> bool:
        return False

    def _given_seeds(self) -> Array | None:
        return None
