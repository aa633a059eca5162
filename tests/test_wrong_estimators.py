"""The contract finds what is wrong, and nothing else."""

import re
from unittest import SkipTest

import pytest

from sklgen.utils.estimator_checks import check_generator, yield_contract_checks
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
