"""The contract of a generative model as tests, for authors of new models too.

`check_generator(estimator)` runs everything; `parametrize_with_contract` makes each
check a test of its own. A check applies where the estimator has the methods it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from unittest import SkipTest

from sklgen.utils._instances import INSTANCES
from sklgen.utils.estimator_checks._conditioning import (  # noqa: F401
    check_chain_rule,
    check_completion_frames,
    check_completion_keeps_observed,
    check_completion_random_state,
    check_conditionals_keep_joint,
    check_fit_with_missing,
    check_impute_is_conditional_mean,
    check_marginals_integrate_to_one,
)
from sklgen.utils.estimator_checks._density import (  # noqa: F401
    check_density_integrates_to_one,
    check_information_criteria,
    check_sample_matches_density,
    check_score_is_weighted_mean,
)
from sklgen.utils.estimator_checks._fitting import (  # noqa: F401
    check_affine_equivariance,
    check_bound_never_falls,
    check_containers,
    check_copies,
    check_fit_unit_weights,
    check_fit_weights,
    check_float32,
    check_inputs_unchanged,
    check_n_jobs,
    check_refit_on_own_samples,
    check_row_order,
)
from sklgen.utils.estimator_checks._interface import (  # noqa: F401
    check_categorical_column,
    check_column_order,
    check_grid_search,
    check_n_features,
    check_not_fitted,
    check_pipeline_routing,
)
from sklgen.utils.estimator_checks._latent import (  # noqa: F401
    check_labels,
    check_posterior_is_calibrated,
    check_sample_latent,
)
from sklgen.utils.estimator_checks._sampling import (  # noqa: F401
    check_sample_array,
    check_sample_frame,
    check_sample_n_samples,
    check_sample_order,
    check_sample_random_state,
    check_sample_side_effects,
)
from sklgen.utils.estimator_checks._tools import REGISTRY

__all__ = [
    "INSTANCES",
    "check_generator",
    "parametrize_with_contract",
    "yield_contract_checks",
]


def yield_contract_checks(estimator: Any) -> Iterator[Any]:
    """Yield the checks of the contract that apply to an estimator.

    Parameters
    ----------
    estimator : estimator instance
        An estimator; it is cloned, never fitted.

    Yields
    ------
    check : callable
        A check with its first argument bound: `check(estimator)` raises
        AssertionError where the contract is broken.
    """
    for check, needs in REGISTRY:
        if all(hasattr(estimator, attribute) for attribute in needs):
            yield partial(check, type(estimator).__name__)


def check_generator(estimator: Any) -> None:
    """Check that an estimator keeps the whole contract.

    Parameters
    ----------
    estimator : estimator instance
        An estimator that can be fitted to two columns of continuous numbers.

    Raises
    ------
    AssertionError
        If a check fails; the message names what failed and by how much.
    """
    for check in yield_contract_checks(estimator):
        try:
            check(estimator)
        except SkipTest:
            continue


def parametrize_with_contract(estimators: Iterable[Any]) -> Any:
    """Make one test of every check of the contract for each estimator.

    Parameters
    ----------
    estimators : iterable of estimator instances or dict
        Estimators; the keys of a dict name them in the ids of the tests.

    Returns
    -------
    decorator : pytest.mark.parametrize
        For a test function with the arguments `estimator` and `check`.

    See Also
    --------
    sklearn.utils.estimator_checks.parametrize_with_checks : Its model.

    Examples
    --------
    >>> from sklgen.mixture import GaussianMixture
    >>> from sklgen.utils.estimator_checks import parametrize_with_contract
    >>> @parametrize_with_contract([GaussianMixture(), GaussianMixture(3)])
    ... def test_contract(estimator, check):
    ...     check(estimator)
    """
    import pytest

    if not isinstance(estimators, dict):
        estimators = {str(estimator): estimator for estimator in estimators}
    cases = {
        f"{name}-{check.func.__name__}": (estimator, check)
        for name, estimator in estimators.items()
        for check in yield_contract_checks(estimator)
    }
    return pytest.mark.parametrize(("estimator", "check"), cases.values(), ids=cases)
