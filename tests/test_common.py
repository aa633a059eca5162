"""Every estimator under scikit-learn's checks and under the contract of sklgen."""

from collections import Counter
from inspect import signature

import pytest
import sklearn.utils.estimator_checks as sklearn_checks
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sklgen.utils import all_estimators
from sklgen.utils._instances import DENSITIES, OTHERS
from sklgen.utils.estimator_checks import INSTANCES, parametrize_with_contract
from sklgen.utils.estimator_checks._tools import has_array_parameter

# Name of an instance: {name of a check: why it fails}. pytest's settings are strict:
# a check that is expected to fail and passes is a failure.
EXPECTED_FAILURES = {
    name: dict.fromkeys(
        ("check_estimator_sparse_array", "check_estimator_sparse_matrix"),
        "scikit-learn (2026-07) asks whatever takes sparse rows and has predict_proba "
        "for its number of classes; tests/mixture/test_sparse.py checks the same",
    )
    for name in INSTANCES
    if name.startswith(
        ("DirichletMultinomialMixture", "DirichletProcessMultinomialMixture")
    )
}


ESTIMATORS = {name: make() for name, make in {**INSTANCES, **OTHERS}.items()}
# An array among the parameters fixes the number of columns, which scikit-learn varies.
FREE = {n: e for n, e in ESTIMATORS.items() if not has_array_parameter(e)}


def expected_failures(estimator):
    (name,) = (name for name, other in FREE.items() if other is estimator)
    return EXPECTED_FAILURES.get(name, {})


@parametrize_with_checks(list(FREE.values()), expected_failed_checks=expected_failures)
def test_scikit_learn(estimator, check):
    check(estimator)


def left_out(estimator):
    """Checks that apply, but are not in `parametrize_with_checks`."""
    yield sklearn_checks.check_param_validation
    yield sklearn_checks.check_dataframe_column_names_consistency
    if hasattr(estimator, "get_feature_names_out"):
        yield sklearn_checks.check_get_feature_names_out_error
        yield sklearn_checks.check_transformer_get_feature_names_out
        yield sklearn_checks.check_transformer_get_feature_names_out_pandas
    if hasattr(estimator, "set_output"):
        yield sklearn_checks.check_set_output_transform
        yield sklearn_checks.check_set_output_transform_pandas
        yield sklearn_checks.check_set_output_transform_polars
        yield sklearn_checks.check_global_output_transform_pandas
        yield sklearn_checks.check_global_set_output_transform_polars


# The checks of set_output transform arrays after a fit to DataFrames (2026-07).
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, check, id=f"{name}-{check.__name__}")
        for name, estimator in FREE.items()
        for check in left_out(estimator)
    ],
)
def test_scikit_learn_left_out(name, check):
    check(type(FREE[name]).__name__, FREE[name])


@parametrize_with_contract(INSTANCES)
def test_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", FREE)
def test_no_tag_drops_checks(name):
    n_checks = sum(1 for _ in estimator_checks_generator(FREE[name]))
    assert n_checks >= 30


def test_every_estimator_has_instances():
    free = Counter(type(estimator) for estimator in FREE.values())
    of_data = [pair for pair in all_estimators() if pair[0] not in DENSITIES]
    for name, estimator in of_data:
        assert type(ESTIMATORS[name]) is estimator
        assert free[estimator] >= 2


def test_default_instances_are_default():
    for name, estimator in all_estimators():
        arguments = signature(estimator).parameters.values()
        if any(argument.default is argument.empty for argument in arguments):
            continue
        own = ESTIMATORS[name]
        # Networks make fewer steps, and weigh fewer latent vectors.
        usual = estimator().get_params(deep=False)
        fewer = usual.keys() & {"max_iter", "n_importance_samples"}
        own = clone(own).set_params(**{name: usual[name] for name in fewer})
        assert repr(own) == repr(estimator())


def test_no_failure_of_the_contract_is_expected():
    excused = {check for reasons in EXPECTED_FAILURES.values() for check in reasons}
    assert excused == {"check_estimator_sparse_array", "check_estimator_sparse_matrix"}
    (mark,) = test_contract.pytestmark
    cases = mark.args[1]
    assert {case.id.rsplit("-", 1)[0] for case in cases} == {*INSTANCES}
    assert not any(case.marks for case in cases)
