"""The contract of a generative model as tests, for authors of new models too.

`check_generator(estimator)` runs everything; `parametrize_with_contract` makes each
check a test of its own. A check applies where the estimator has the methods it needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any
from unittest import SkipTest

from sklearn.exceptions import SkipTestWarning

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
    check_scale_invariance,
    check_sparse,
)
from sklgen.utils.estimator_checks._interface import (  # noqa: F401
    check_categorical_column,
    check_column_order,
    check_grid_search,
    check_mixin_order,
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
    check_sample_support,
)
from sklgen.utils.estimator_checks._sequences import (  # noqa: F401
    check_bad_groups,
    check_groups_and_lists,
    check_past_only,
    check_sample_sequences,
    check_sequence_weight,
    check_sequences,
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

    Raises
    ------
    TypeError
        If `estimator` is not an instance of an estimator.
    ValueError
        If no check applies: the estimator has none of the methods of the contract. If
        its `_support` is unknown.
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"estimator must be an instance of an estimator, got {estimator!r}. "
            "Derive from sklearn.base.BaseEstimator, and pass an instance of the class."
        )
    name = type(estimator).__name__
    checks = [
        partial(entry.check, name) for entry in REGISTRY if entry.applies(estimator)
    ]
    if not checks:
        raise ValueError(
            f"no check of the contract applies to {name}: it has neither `sample` nor "
            "`score_samples`. Derive from the mixins of sklgen.base."
        )
    yield from checks


def check_generator(
    estimator: Any, *, expected_failed_checks: Mapping[str, str] | None = None
) -> None:
    """Check that an estimator keeps the whole contract.

    Parameters
    ----------
    estimator : estimator instance
        An estimator that can be fitted to rows of the kind that its `_support` names:
        two columns of continuous numbers, three columns of counts, or three parts of
        a whole.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that the model can't pass by design, each with the reason.
        They are not run.

    Raises
    ------
    AssertionError
        If a check fails; the message names what failed, by how much, and the check.

    Warns
    -----
    SkipTestWarning
        If a check can't be run, such as one of weights where `fit` takes none.
    """
    expected = _checked_reasons(expected_failed_checks)
    for check in yield_contract_checks(estimator):
        check_name = check.func.__name__
        if check_name in expected:
            continue
        try:
            check(estimator)
        except SkipTest as reason:
            message = f"{check_name} was skipped: {reason}"
            warnings.warn(message, SkipTestWarning, stacklevel=2)
        except AssertionError as error:
            error.args = (f"{error} ({check_name})",)
            raise
        except Exception as error:
            error.add_note(f"raised in {check_name}")
            raise


def parametrize_with_contract(
    estimators: Iterable[Any],
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
) -> Any:
    """Make one test of every check of the contract for each estimator.

    Parameters
    ----------
    estimators : iterable of estimator instances or dict
        Estimators, or callables without arguments that make them; the keys of a dict
        name them in the ids of the tests.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that the models can't pass by design, each with the reason:
        they become strict expected failures.

    Returns
    -------
    decorator : pytest.mark.parametrize
        For a test function with the arguments `estimator` and `check`.

    Raises
    ------
    ValueError
        If there is no estimator.

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

    expected = _checked_reasons(expected_failed_checks)
    cases = []
    for name, estimator in _named(estimators).items():
        for check in yield_contract_checks(estimator):
            reason = expected.get(check.func.__name__)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            case_id = f"{name}-{check.func.__name__}"
            cases.append(pytest.param(estimator, check, id=case_id, marks=marks))
    if not cases:
        raise ValueError("estimators is empty: nothing would be tested")
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _named(estimators: Iterable[Any]) -> dict[str, Any]:
    """Estimators by name, by class and position where they have none."""
    if isinstance(estimators, Mapping):
        return {name: _made(member) for name, member in estimators.items()}
    members = [_made(member) for member in estimators]
    return {f"{type(member).__name__}{i}": member for i, member in enumerate(members)}


def _made(member: Any) -> Any:
    """An estimator as it is; what can be called and is none makes one."""
    made = hasattr(member, "get_params") or not callable(member)
    return member if made else member()


def _checked_reasons(expected: Mapping[str, str] | None) -> Mapping[str, str]:
    known = {entry.check.__name__ for entry in REGISTRY}
    for name, reason in (expected or {}).items():
        if name not in known or not str(reason or "").strip():
            raise ValueError(
                "expected_failed_checks maps names of checks to reasons, got "
                f"{name!r}: {reason!r}. The names are {sorted(known)}."
            )
    return expected or {}
