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
from sklgen.utils.estimator_checks._asserts import assert_ratios
from sklgen.utils.estimator_checks._supports import SUPPORTS
from sklgen.utils.estimator_checks._tools import has_array_parameter
from tests import sequence_models, support_models
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


@pytest.mark.filterwarnings("ignore:check_.* was skipped")
@pytest.mark.parametrize(
    "right", [TwoGaussians, *support_models.RIGHT, *sequence_models.RIGHT]
)
def test_correct_model_keeps_the_contract(right):
    check_generator(right())


@pytest.mark.parametrize(
    "wrong", [*WRONG, *support_models.WRONG, *sequence_models.WRONG]
)
def test_wrong_model_fails_for_the_right_reason(wrong):
    messages = failures(wrong())
    assert messages.keys() == wrong.BREAKS.keys(), messages
    for check, message in wrong.BREAKS.items():
        assert re.search(message, messages[check]), messages[check]
        assert messages[check].startswith(wrong.__name__)


def names_of_checks(estimator):
    return {check.func.__name__ for check in yield_contract_checks(estimator)}


def test_checks_are_those_of_the_kind_of_rows():
    real = names_of_checks(OneGaussian())
    counts = names_of_checks(support_models.OneDirichletMultinomial())
    composition = names_of_checks(support_models.OneDirichlet())
    criteria = {"check_information_criteria"}
    of_real = {"check_affine_equivariance"}
    of_others = {"check_sample_support"}
    assert counts - real == criteria | of_others | {"check_sparse"}
    assert composition - real == criteria | of_others | {"check_scale_invariance"}
    assert real - counts == real - composition == of_real


def test_a_kind_of_rows_that_is_unknown_is_an_error():
    class Words(OneGaussian):
        _support = "words"

    message = "Words._support is 'words': it must be one of 'real', 'counts', 'compo"
    with pytest.raises(ValueError, match=message):
        check_generator(Words())


@pytest.mark.parametrize("kind", SUPPORTS)
def test_rows_are_of_their_kind_and_fill_frames(kind):
    support = SUPPORTS[kind]
    X = support.rows(n_rows=500, seed=3)
    support.assert_rows("model", "rows", X)
    assert X.shape == (500, support.n_columns)
    assert X.sum(axis=1).all()
    assert np.linalg.matrix_rank(np.cov(X.T)) == 2 + (kind == "counts")
    columns = support.typed_columns(X)
    assert {name: str(cells.dtype) for name, cells in columns.items()} == support.dtypes
    for name, cells in support.columns(X).items():
        np.testing.assert_allclose(columns[name], cells, atol=0.5)
    with pytest.raises(AssertionError, match=r"^model: rows has "):
        support.assert_rows("model", "rows", np.full_like(X, -np.inf))


def every_row(kind):
    """Rows on a fine grid over all there are, and the volume of its cells."""
    if kind == "counts":
        return np.array([*np.ndindex(13, 13, 13)], dtype=float), 1.0
    if kind == "labels":
        return 1.0 + np.array([*np.ndindex(8, 8)]), 1.0
    step = 0.2 if kind == "real" else 0.002
    axis = np.arange(-30, 60, step) if kind == "real" else np.arange(step, 1, step)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    if kind == "composition":
        grid = np.column_stack([grid, 1 - grid.sum(axis=1)])
        grid = grid[grid[:, 2] > step / 2]
    return grid, step**2


@pytest.mark.parametrize("kind", SUPPORTS)
def test_laws_to_compare_with_sum_to_one(kind):
    support = SUPPORTS[kind]
    draws = support.rows(n_rows=1000)
    laws = support.patches(draws)
    rows, volume = every_row(kind)
    for law in laws:
        probability = np.exp(law.log_density(rows)) * volume
        assert probability.sum() == pytest.approx(1, abs=1e-4)
        mean = probability @ rows
        assert np.all(np.abs(mean - law.centre) < 0.5 * draws.std(axis=0))
        assert np.all(probability @ (rows - mean) ** 2 < 0.3 * draws.var(axis=0))
    assert len({tuple(law.centre) for law in laws}) == len(laws) == 3


def test_draws_without_a_density_are_found():
    (law, *_) = SUPPORTS["real"].patches(np.random.default_rng(0).normal(size=(99, 2)))
    log_density = np.array([0.0, -np.inf, 0.0, 0.0])
    message = r"^model: sample: a share of 0\.2500 of the draws has density 0$"
    with pytest.raises(AssertionError, match=message):
        assert_ratios("model", "sample", np.zeros((4, 2)), log_density, [law])


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
