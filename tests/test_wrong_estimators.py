"""The contract finds what is wrong, and nothing else."""

import re
from unittest import SkipTest

import pytest
from sklearn.base import BaseEstimator, clone

from sklgen.utils.estimator_checks import (
    check_generator,
    check_inputs_unchanged,
    parametrize_with_contract,
    yield_contract_checks,
)
from tests.wrong_estimators import WRONG, TwoGaussians, VarianceAsScale


def failures(estimator):
    messages = {}
    for check in yield_contract_checks(estimator):
        try:
            check(estimator)
        except AssertionError as error:
            messages[check.func.__name__] = str(error)
        except SkipTest:
            pass
    return messages


def test_correct_model_keeps_the_contract():
    check_generator(TwoGaussians())


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_model_fails_for_the_right_reason(wrong):
    messages = failures(wrong())
    assert messages.keys() == wrong.BREAKS.keys(), messages
    for check, message in wrong.BREAKS.items():
        assert re.search(message, messages[check]), messages[check]
        assert messages[check].startswith(wrong.__name__)


def test_check_generator_raises():
    with pytest.raises(AssertionError, match=r"VarianceAsScale: .* expected 1"):
        check_generator(VarianceAsScale())


def test_fit_may_not_reorder_its_input_nor_return_another_object():
    class Reorders(TwoGaussians):
        def fit(self, X, y=None):
            super().fit(X.copy())
            X[:] = X[::-1].copy()
            return self

    class ReturnsAnother(TwoGaussians):
        def fit(self, X, y=None):
            return super(ReturnsAnother, clone(self)).fit(X)

    for wrong, message in ((Reorders, "X before and after"), (ReturnsAnother, "self")):
        with pytest.raises(AssertionError, match=message):
            check_inputs_unchanged(wrong.__name__, wrong())


def test_what_is_no_generator_is_an_error():
    with pytest.raises(TypeError, match="must be an instance"):
        check_generator(object())
    with pytest.raises(TypeError, match="must be an instance"):
        check_generator(TwoGaussians)
    with pytest.raises(ValueError, match="no check of the contract applies"):
        check_generator(BaseEstimator())
    with pytest.raises(ValueError, match="nothing would be tested"):
        parametrize_with_contract([])


def test_expected_failures_name_checks_and_reasons():
    reasons = dict.fromkeys(VarianceAsScale.BREAKS, "scales are variances here")
    check_generator(VarianceAsScale(), expected_failed_checks=reasons)
    mark = parametrize_with_contract(
        {"wrong": VarianceAsScale()}, expected_failed_checks=reasons
    )
    expected = [case.id for case in mark.mark.args[1] if case.marks]
    assert sorted(expected) == sorted(f"wrong-{name}" for name in reasons)
    for bad in ({"check_nothing": "why"}, {next(iter(reasons)): ""}):
        with pytest.raises(ValueError, match="names of checks to reasons"):
            check_generator(TwoGaussians(), expected_failed_checks=bad)
