"""The loop on models whose path is known."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.exceptions import ConvergenceWarning

from sklgen.em import Run, best, run, warn_unconverged
from sklgen.em._kernels import normalize
from sklgen.hmm import GaussianHMM
from sklgen.mixture import DirichletProcessMixture, GaussianMixture


class Sums(NamedTuple):
    bound: float
    weight: float


@dataclass(frozen=True)
class Linear:
    """Steps towards zero, each coordinate at its own rate; the bound is -|x|^2."""

    x: np.ndarray
    rates: np.ndarray

    def m_step(self, statistics):
        return replace(self, x=self.x * self.rates)

    def pack(self):
        return self.x

    def unpack(self, vector):
        return replace(self, x=vector)


def expectation(model):
    return Sums(-2.0 * float(model.x @ model.x), 2.0)


def test_convergence_means_that_little_is_left():
    start = Linear(np.array([1.0, 2.0]), np.array([0.7, 0.3]))
    found = run(start, expectation, tol=1e-8, max_iter=1000)
    assert found.converged
    assert -found.bounds[-1] < 1e-8
    assert found.bounds[-1] == -found.model.x @ found.model.x


def test_slow_steps_are_extrapolated():
    start = Linear(np.array([1.0, 1.0]), np.array([0.999, 0.5]))
    found = run(start, expectation, tol=1e-8, max_iter=1000)
    assert found.converged
    assert -found.bounds[-1] < 1e-8
    assert found.n_iter < 100


def test_the_bound_never_falls_even_where_leaps_overshoot():
    class Trap(Linear):
        def unpack(self, vector):
            return Trap(np.full(1, 100.0), self.rates)

    found = run(
        Trap(np.ones(1), np.array([0.95])), expectation, tol=1e-6, max_iter=1000
    )
    assert np.diff(found.bounds).min() >= 0
    assert found.converged


def test_leaps_past_the_range_of_floats_are_not_made():
    class Steep(Linear):
        def unpack(self, vector):
            np.exp(800.0 * np.ones(1))
            raise AssertionError

    start = Steep(np.ones(1), np.array([0.95]))
    found = run(start, expectation, tol=1e-6, max_iter=1000)
    assert found.converged


def test_leaps_that_succeed_become_longer_again():
    """The first four are refused: such short ones alone would take 1000 steps."""
    refused = []

    class Wary(Linear):
        def unpack(self, vector):
            if len(refused) < 4:
                refused.append(vector)
                return Wary(np.full(1, 100.0), self.rates)
            return Wary(vector, self.rates)

    found = run(
        Wary(np.ones(1), np.array([0.999])), expectation, tol=1e-8, max_iter=2000
    )
    assert found.converged
    assert len(refused) == 4
    assert found.n_iter < 200


def test_leaps_that_fail_become_shorter():
    class Walled(Linear):
        """Whatever moves further than a dozen steps is lost."""

        def unpack(self, vector):
            far = np.abs(vector - self.x) > 12 * self.x * (1 - self.rates)
            return Walled(np.where(far, 100.0, vector), self.rates)

    start = Walled(np.ones(1), np.array([0.99]))
    found = run(start, expectation, tol=1e-8, max_iter=2000)
    assert found.converged
    assert -found.bounds[-1] < 1e-8
    assert found.n_iter < 500  # plain steps alone take 900


@pytest.mark.parametrize(
    "model",
    [
        GaussianMixture(3, max_iter=2, random_state=0),
        DirichletProcessMixture(max_iter=2, random_state=0),
        GaussianHMM(3, max_iter=2, random_state=0),
    ],
)
def test_the_warning_points_to_the_call_of_the_user(model):
    X = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.warns(ConvergenceWarning, match="max_iter=2 .* Raise") as caught:
        model.fit(X)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("n_iter", [7, 5])
def test_the_warning_says_what_ended_the_run(n_iter):
    estimator = GaussianMixture(max_iter=7)
    found = Run(None, None, (), converged=False, n_iter=n_iter)
    words = "did not converge in max_iter=7" if n_iter == 7 else "after 5 .*: rescale."
    with pytest.warns(ConvergenceWarning, match=words):
        warn_unconverged(found, estimator, "rescale.", stacklevel=1)


def test_reaching_max_iter_is_not_convergence():
    start = Linear(np.array([1.0]), np.array([0.5]))
    found = run(start, expectation, tol=1e-12, max_iter=5)
    assert not found.converged
    assert found.n_iter == 5


def test_zero_iterations_return_the_start():
    start = Linear(np.array([1.0]), np.array([0.9]))
    found = run(start, expectation, tol=1e-3, max_iter=0)
    assert found.model is start
    assert found.bounds == (-1.0,)


def test_best_starts_come_first_and_ties_keep_their_order():
    starts = [
        Linear(np.array([x]), np.array([0.5])) for x in (3.0, 1.0, -1.0 - 1e-9, 2.0)
    ]
    kept = best(starts, expectation, n_iter=1, keep=3)
    assert [model.x[0] for model in kept] == pytest.approx([0.5, -0.5, 1.0])


def test_normalize_takes_the_log_of_the_sum_to_the_last_digits():
    """Two components, the higher one at zero: the sum runs from 1 to 2."""
    x = np.concatenate([-np.geomspace(1e-12, 700.0, 4000), [0.0]])
    joint = np.stack([np.zeros_like(x), x])
    log_total, room, ones = np.empty(len(x)), np.empty((2, len(x))), np.ones(len(x))
    normalize(joint, np.zeros(2), ones, np.zeros(2), log_total, *room)
    expected = np.log1p(np.exp(x.astype(np.longdouble)))
    assert np.abs(log_total - expected).max() < 3e-16


@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0, 2000.0])
def test_normalize_agrees_with_scipy(spread):
    rng = np.random.default_rng(0)
    joint, offset = spread * rng.normal(size=(7, 500)), rng.normal(size=7)
    weight = rng.random(500)
    expected = joint + offset[:, None]
    log_total, room = np.empty(500), np.empty((2, 500))
    counts = np.ones(7)
    total = normalize(joint, offset, weight, counts, log_total, *room)
    np.testing.assert_allclose(log_total, logsumexp(expected, axis=0), rtol=1e-14)
    np.testing.assert_allclose(
        joint, softmax(expected, axis=0) * weight, rtol=1e-12, atol=1e-300
    )
    np.testing.assert_allclose(counts, 1.0 + joint.sum(axis=1))
    assert total == pytest.approx(weight @ log_total, rel=1e-13)


def test_normalize_survives_what_is_not_finite():
    joint = np.array([[0.0, -np.inf, np.nan], [-np.inf, -np.inf, -1.0]])
    log_total, room = np.empty(3), np.empty((2, 3))
    normalize(joint, np.zeros(2), np.ones(3), np.zeros(2), log_total, *room)
    assert np.isfinite(joint).all()
    np.testing.assert_allclose(joint.sum(axis=0), 1.0)
    np.testing.assert_allclose(log_total[[0, 2]], [0.0, -1.0])
    assert log_total[1] < -1e299
