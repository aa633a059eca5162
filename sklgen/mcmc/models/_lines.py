"""What compiled posteriors of models with linear predictors are given."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._model import Compiled
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._laws import StudentColumns, ZeroSum
from sklgen.mcmc.models._line_kernels import rows_posterior
from sklgen.mcmc.priors import Prior

# Numbers of the columns that each chain reads anew, which should stay in the cache.
# Beyond that it is faster to read them once for all chains.
_MOST = 1 << 15


def normal_laws(priors: Mapping[str, Prior]) -> tuple[Array, Array]:
    """Location and precision, in vectors without bounds, of the lines of a model.

    Coefficients with a Student law have those of the normal law it spreads.
    """
    location, precision = [], []
    for name in ("intercept", "coef"):
        if name in priors:
            law = priors[name]
            normal = law.normal if isinstance(law, StudentColumns) else law
            at_zero, at_one = (_slope(normal, u) for u in (0.0, 1.0))
            precision.append(at_zero - at_one)
            location.append(at_zero / precision[-1])
    return np.concatenate(location), np.concatenate(precision)


def _slope(prior: Prior, value: float) -> Array:
    u = np.full(prior.transform.size, value)
    gradient = prior.value_and_gradient(prior.transform.to_constrained(u)[0])[1]
    return prior.transform.pull_back(gradient, u)


def compiled_rows(
    law: int, design: Design, priors: Mapping[str, Prior], y: Array, weight: Array
) -> Compiled | None:
    """Hand the compiled posterior its data, if that is faster than to ask for batches.

    Parameters
    ----------
    law : int
        Law of targets, as `_line_kernels` has it.
    design : Design
        Rows.
    priors : mapping of str to Prior
        Laws of the lines.
    y : ndarray of shape (n,)
        Targets, as kernels want them.
    weight : ndarray of shape (n,)
        Their weights.

    Returns
    -------
    compiled : tuple or None
        The function and its data; None where another way is faster.
    """
    if design.columns.size * math.prod(design.stack) > _MOST:
        return None
    contrasts = ZeroSum(design.stack).contrasts if design.stack else np.ones((1, 1))
    location, precision = normal_laws(priors)
    coef = priors.get("coef")
    return rows_posterior, (
        law,
        location,
        precision,
        float(coef.df) if isinstance(coef, StudentColumns) else math.inf,
        design.units,
        contrasts,
        design.first,
        np.ascontiguousarray(design.columns),
        np.asarray(y, dtype=np.float64),
        np.asarray(weight, dtype=np.float64),
    )
