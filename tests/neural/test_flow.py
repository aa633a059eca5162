"""Normalizing flows: densities, classes, cells, tails."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.neural import NormalizingFlow
from sklgen.neural._base import in_double
from sklgen.neural._flow_cells import _cells

ARCHITECTURES = ("maf", "nsf", "realnvp")


def correlated(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return np.column_stack([5 + 2 * x, 100 * (x + 0.5 * rng.normal(size=n))])


def mixed(n=600, seed=0):
    """A label, an integer that depends on it, and a float that depends on both."""
    rng = np.random.default_rng(seed)
    label = rng.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1])
    count = rng.binomial(4, np.where(label == "x", 0.2, 0.7))
    return pd.DataFrame(
        {"label": label, "count": count, "size": count + 0.5 * rng.normal(size=n)}
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_density_of_moons_integrates_to_one(architecture):
    X, _ = make_moons(500, noise=0.1, random_state=0)
    model = NormalizingFlow(architecture, max_iter=200, random_state=0).fit(X)
    x, y = np.linspace(-5, 6, 500), np.linspace(-5, 5, 500)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(model.score_samples(grid)).reshape(500, 500)
    assert abs(np.trapezoid(np.trapezoid(density, y), x) - 1) < 0.01


def test_a_normal_law_is_learned_to_its_entropy():
    X, new = correlated(2000), correlated(2000, seed=1)
    model = NormalizingFlow(max_iter=800, random_state=0).fit(X)
    entropy = 1 + np.log(2 * np.pi) + np.log(2 * 100 * 0.5)
    assert abs(model.score(new) + entropy) < 0.06


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rows_are_the_inverse_of_normal_vectors(architecture):
    # The density of draws, by the density of what they were made of and the Jacobian
    # of the inverse, from differences.
    X = correlated()
    model = NormalizingFlow(architecture, max_iter=60, random_state=0).fit(X)
    module, cells = in_double(model.net_.averaged_.module), model._cell_map()

    def rows(z):
        none = torch.zeros(len(z), 0), torch.ones(len(z))
        with torch.no_grad():
            points = module.draw(none[0], torch.from_numpy(z), none[1])
        return cells.typed(points.numpy(), np.random.default_rng(0))[:, :2]

    z = np.random.default_rng(1).uniform(-1, 1, size=(20, 2))
    step = 1e-6
    columns = [
        (rows(z + step * e) - rows(z - step * e)) / (2 * step) for e in np.eye(2)
    ]
    log_det = np.log(np.abs(np.linalg.det(np.stack(columns, axis=-1))))
    expected = norm.logpdf(z).sum(axis=1) - log_det
    assert_allclose(model.score_samples(rows(z)), expected, atol=0.02)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tails_are_finite_and_fall(architecture):
    X = np.random.default_rng(0).standard_t(1.5, size=(500, 2))
    model = NormalizingFlow(architecture, max_iter=100, random_state=0).fit(X)
    far = np.array([[10.0**k, -(10.0**k)] for k in range(2, 12)])
    log_density = model.score_samples(far)
    assert np.isfinite(log_density).all()
    assert (np.diff(log_density) < 0).all()
    assert np.isfinite(model.sample(5000, random_state=0)).all()


def test_a_row_far_from_others_costs_nats_not_thousands():
    X, _ = make_moons(500, noise=0.05, random_state=0)
    model = NormalizingFlow(max_iter=600, random_state=0).fit(X)
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-2, 3, 50)]), -1).reshape(-1, 2)
    assert model.score_samples(grid).min() > -25


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_probabilities_of_cells_sum_to_one(architecture):
    X = mixed()[["label", "count"]]
    model = NormalizingFlow(architecture, max_iter=150, random_state=0).fit(X)
    cells = pd.DataFrame(
        list(itertools.product("xyz", range(5))), columns=["label", "count"]
    )
    probability = np.exp(model.score_samples(cells))
    assert abs(probability.sum() - 1) < 0.01
    # Draws fall into cells as often as these say.
    draws = model.sample(20_000, random_state=0).value_counts(normalize=True)
    share = draws.reindex(pd.MultiIndex.from_frame(cells), fill_value=0.0).to_numpy()
    assert np.abs(share - probability).max() < 0.02


def test_labels_and_floats_of_a_table_have_one_total():
    X = mixed()
    model = NormalizingFlow(max_iter=200, random_state=0).fit(X)
    size = np.linspace(-5, 9, 281)
    cells = list(itertools.product("xyz", range(5)))
    grid = pd.DataFrame([(*cell, s) for cell in cells for s in size], columns=X.columns)
    density = np.exp(model.score_samples(grid)).reshape(len(cells), -1)
    assert abs(np.trapezoid(density, size, axis=1).sum() - 1) < 0.01
    draws = model.sample(3000, random_state=0)
    assert draws.dtypes.equals(X.dtypes)
    for column in ("count", "size"):
        means = [table.groupby("label")[column].mean() for table in (X, draws)]
        assert_allclose(*means, atol=0.35)


def test_an_atom_before_a_continuous_part_has_its_share():
    rng = np.random.default_rng(0)
    amount = np.where(rng.random(800) < 0.4, 0, rng.integers(1, 300, size=800))
    X = pd.DataFrame({"amount": amount, "size": amount / 100 + rng.normal(size=800)})
    model = NormalizingFlow(max_iter=300, random_state=0).fit(X)
    assert model.encoder_.kinds_ == ("category", "normal", "number")
    draws = model.sample(4000, random_state=0)
    assert abs((draws["amount"] == 0).mean() - (amount == 0).mean()) < 0.05
    assert draws.corr().iloc[0, 1] > 0.4
    size = np.linspace(-5, 5, 101)
    atom = pd.DataFrame({"amount": np.zeros(101, dtype=int), "size": size})
    total = np.trapezoid(np.exp(model.score_samples(atom)), size)
    assert abs(total - (draws["amount"] == 0).mean()) < 0.04


def test_densities_of_classes_make_up_the_whole():
    X = correlated()
    y = np.where(X[:, 0] > 6, "high", "low")
    model = NormalizingFlow(max_iter=200, random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["high", "low"]
    each = [model.score_samples(X, np.full(len(X), c)) for c in model.classes_]
    total = np.logaddexp.reduce(np.array(each) + np.log(model.class_shares_)[:, None])
    assert_allclose(model.score_samples(X), total, rtol=1e-12)
    draws = model.sample(500, y="high", random_state=0)
    assert (draws[:, 0] > 6).mean() > 0.9


def test_one_column_by_splines():
    X = np.random.default_rng(0).normal(size=(600, 1)) + 6.0 * (
        np.arange(600) % 2
    ).reshape(-1, 1)
    model = NormalizingFlow("nsf", max_iter=300, random_state=0).fit(X)
    assert model.score(X) > norm(X.mean(), X.std()).logpdf(X).mean() + 0.3


def test_a_score_does_not_depend_on_the_rows_beside_it():
    X = mixed(200)
    model = NormalizingFlow("nsf", max_iter=50, random_state=0).fit(X)
    alone = [model.score_samples(X.iloc[[i]])[0] for i in range(8)]
    assert_allclose(model.score_samples(X)[:8], alone, rtol=1e-12)


@pytest.mark.parametrize("X", [correlated(), mixed(200)], ids=["floats", "mixed"])
def test_the_order_of_rows_changes_no_bit_and_pickles_none(X):
    model = NormalizingFlow(max_iter=60, random_state=0).fit(X)
    order = np.random.default_rng(0).permutation(len(X))
    rows = X[order] if isinstance(X, np.ndarray) else X.iloc[order]
    expected = model.score_samples(X)
    again = NormalizingFlow(max_iter=60, random_state=0).fit(rows)
    for twin in (again, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(expected, twin.score_samples(X))


def test_early_stopping_keeps_the_best_epoch():
    X = correlated(150)
    model = NormalizingFlow(
        max_iter=3000, learning_rate=0.02, n_iter_no_change=3, random_state=0
    ).fit(X)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert model.n_iter_ < 3000
    assert len(losses) == np.argmin(losses) + 4


def test_missing_cells_are_refused_by_name():
    X = mixed()
    X.loc[3, "label"] = None
    with pytest.raises(ValueError, match="'label' contains NaN"):
        NormalizingFlow().fit(X)


def test_search_and_pipelines():
    X = correlated(200)
    pipeline = make_pipeline(StandardScaler(), NormalizingFlow(max_iter=20))
    grid = {"normalizingflow__architecture": ["maf", "realnvp"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X)
    assert np.isfinite(search.best_score_)


def test_cells_in_the_tails_keep_their_probability():
    low = np.array([[-8.0, 7.0, -np.inf, 1.0]])
    high = np.array([[-7.0, 8.0, np.inf, 1.0]])
    cells = _cells(low, high, np.zeros(1))
    p = norm.cdf(-7) - norm.cdf(-8)
    assert_allclose(cells.width[0], [p, p, 1, 0], rtol=1e-10)
    assert_allclose(cells.offset, 2 * np.log(p))
    assert cells.start[0, 3] == 1.0


def test_importing_flows_leaves_the_checks_of_distributions():
    code = (
        "import torch.distributions as D, sklgen.neural;"
        "print(D.Distribution._validate_args)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "True"
