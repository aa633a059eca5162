"""The contract finds what is wrong, and nothing else."""

import re
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError, SkipTestWarning

from sklgen.base import DensityMixin
from sklgen.utils.estimator_checks import (
    check_generator,
    check_mixin_order,
    parametrize_with_contract,
    yield_contract_checks,
)
from sklgen.utils.estimator_checks._tools import has_array_parameter
from tests import support_models
from tests.wrong_estimators import WRONG, OneGaussian, TwoGaussians, VarianceAsScale


def failures(estimator):
    messages = {}
    for check in yield_contract_checks(estimator):
        try:
            check(estimator)
        except AssertionError as error:
            messages[check.func.__name__] = str(error)
        except SkipTest:
            pass
        except NotFittedError as error:
            messages[check.func.__name__] = f"{type(estimator).__name__}: {error}"
    return messages


@pytest.mark.parametrize("right", [TwoGaussians, *support_models.RIGHT])
def test_correct_model_keeps_the_contract(right):
    check_generator(right())


@pytest.mark.parametrize("wrong", [*WRONG, *support_models.WRONG])
def test_wrong_model_fails_for_the_right_reason(wrong):
    messages = failures(wrong())
    assert messages.keys() == wrong.BREAKS.keys(), messages
    for check, message in wrong.BREAKS.items():
        assert re.search(message, messages[check]), messages[check]
        assert messages[check].startswith(wrong.__name__)


def test_check_generator_raises():
    message = r"VarianceAsScale: .* expected 1\.0+ \(check_conditionals_keep_joint\)$"
    with pytest.raises(AssertionError, match=message):
        check_generator(VarianceAsScale())


def test_errors_within_a_check_name_it():
    class Fails(TwoGaussians):
        def _sample_latent(self, n_samples, rng):
            raise KeyError("lost")

    with pytest.raises(KeyError) as error:
        check_generator(Fails())
    (note,) = error.value.__notes__
    assert note.startswith("raised in check_")


def test_what_cannot_be_run_is_warned_about():
    with pytest.warns(SkipTestWarning) as skipped:
        check_generator(OneGaussian())
    assert [str(warning.message) for warning in skipped] == [
        f"check_fit_{what}weights was skipped: fit takes no sample_weight"
        for what in ("", "unit_")
    ]


def test_parameters_in_units_of_the_data_are_seen_in_any_container():
    class Centred(BaseEstimator):
        def __init__(self, center=None):
            self.center = center

    for center in ([1.0, 2.0], (1.0, 2.0), np.ones(2), pd.Series([1.0, 2.0])):
        assert has_array_parameter(Centred(center))
    for center in (None, 1.0, np.float64(1.0), "mean"):
        assert not has_array_parameter(Centred(center))


def test_mixins_belong_to_the_left_of_base_estimator():
    class OnTheRight(BaseEstimator, DensityMixin):
        def fit(self, X, y=None):
            return self

        def _score_samples(self, X):
            return np.zeros(len(X))

    message = "OnTheRight: put DensityMixin, _RowsMixin to the left of BaseEstimator"
    with pytest.raises(AssertionError, match=message):
        check_mixin_order("OnTheRight", OnTheRight())


def test_what_is_no_generator_is_an_error():
    with pytest.raises(TypeError, match="must be an instance"):
        check_generator(object())
    with pytest.raises(TypeError, match="must be an instance"):
        check_generator(TwoGaussians)
    with pytest.raises(ValueError, match="no check of the contract applies"):
        check_generator(BaseEstimator())
    with pytest.raises(ValueError, match="nothing would be tested"):
        parametrize_with_contract([])
    for bad in ([object()], [TwoGaussians], {"wrong": 3}):
        with pytest.raises(TypeError, match="must be an instance"):
            parametrize_with_contract(bad)


def test_ids_are_stable_and_short():
    for estimators, name in (
        ([TwoGaussians(n_iter=3), lambda: TwoGaussians(n_iter=4)], "TwoGaussians1"),
        ({"a": TwoGaussians(), "b": lambda: TwoGaussians()}, "b"),
    ):
        mark = parametrize_with_contract(estimators).mark
        ids = [case.id for case in mark.args[1]]
        assert len(ids) == len({*ids})
        assert f"{name}-check_copies" in ids


def test_expected_failures_name_checks_and_reasons():
    reasons = dict.fromkeys(VarianceAsScale.BREAKS, "scales are variances here")
    check_generator(VarianceAsScale(), expected_failed_checks=reasons)
    mark = parametrize_with_contract(
        {"wrong": VarianceAsScale()}, expected_failed_checks=reasons
    )
    expected = [case.id for case in mark.mark.args[1] if case.marks]
    assert sorted(expected) == sorted(f"wrong-{name}" for name in reasons)
    for bad in ({"check_nothing": "why"}, {next(iter(reasons)): " "}):
        with pytest.raises(ValueError, match="names of checks to reasons"):
            check_generator(TwoGaussians(), expected_failed_checks=bad)
