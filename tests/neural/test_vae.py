"""What a VAE says about rows, against quadrature over its latent variable."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp

from sklgen.neural import GAN, VAE, _vae_prior
from sklgen.neural._vae_laws import LAWS, log_likelihood

SMALL = {"hidden": (32,), "max_iter": 400, "random_state": 0}
Z = np.linspace(-7, 7, 4001)


def bent(n=400, seed=0):
    """Two columns along a curve, and a third one of noise."""
    rng = np.random.default_rng(seed)
    t = rng.normal(size=n)
    return np.column_stack(
        [t + 0.2 * rng.normal(size=n), t**2 + 0.3 * rng.normal(size=n),
         rng.normal(size=n)]
    )  # fmt: skip


def mixed(n=600, seed=0):
    """A number with an atom, one of integers, and labels that depend on both."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b", "c"], size=n, p=[0.5, 0.4, 0.1])
    amount = np.where(rng.random(n) < 0.4, 0.0, rng.exponential(2.0, size=n))
    age = rng.poisson(np.where(kind == "a", 30, 60))
    return pd.DataFrame({"kind": kind, "amount": amount, "age": age})


@pytest.fixture(scope="module")
def line():
    """A model with one latent dimension."""
    return VAE(1, **SMALL).fit(bent())


def clone_of(model, **params):
    """A fitted model with other parameters."""
    return deepcopy(model).set_params(**params)


def joint(model, X):
    """Log p(x, z) of observed cells over the grid Z, by model's own networks."""
    typed = model._validate(X)
    cells = model._cells(typed)
    vectors = torch.from_numpy(Z[:, None])
    with torch.no_grad():
        inference = model._inference()
        laws = inference.module.decode(vectors, inference.classes(len(Z), None))
        shared = type(laws)(*(part[None] for part in laws))
        fit = log_likelihood(shared, cells, LAWS[model.law]).numpy()
        prior = model._priors[0].log_density(vectors).numpy()
    offset = model._reader.log_offset(typed, cells)
    return fit + prior + np.log(Z[1] - Z[0]), offset, laws


@pytest.mark.parametrize("law", LAWS)
def test_density_against_quadrature(law):
    model = VAE(1, law=law, **SMALL).fit(bent())
    X = bent(50, seed=1)
    X[:10, 0], X[10:20, 1:] = np.nan, np.nan
    logs, offset, _ = joint(model, X)
    exact = logsumexp(logs, axis=1) + offset
    assert np.median(np.abs(model.score_samples(X) - exact)) < 0.01
    model.set_params(n_importance_samples=1024)
    np.testing.assert_allclose(model.score_samples(X), exact, atol=0.01)


def test_density_is_unbiased_and_its_log_a_bound(line, monkeypatch):
    X = bent(100, seed=2)
    logs, offset, _ = joint(line, X)
    exact = logsumexp(logs, axis=1) + offset
    model = clone_of(line, n_importance_samples=2)
    found = []
    for seed in range(200):
        monkeypatch.setattr(_vae_prior, "_SEED", seed)
        found.append(model.score_samples(X) - exact)
    gaps = np.array(found)
    ratios = np.exp(gaps)
    errors = ratios.std(axis=0) / np.sqrt(200)
    assert np.all(np.abs(ratios.mean(axis=0) - 1) < 5 * errors + 1e-3)
    assert np.all(gaps.mean(axis=0) < 5 * gaps.std(axis=0) / np.sqrt(200))
    assert gaps.mean() < -0.005


def test_conditionals_against_quadrature(line):
    X = bent(6, seed=3)
    X[:3, 1], X[3:, 0] = np.nan, np.nan
    logs, _, laws = joint(line, X)
    weights = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    imputed = line.impute(X)
    many = np.repeat(X, 4000, axis=0)
    draws = line.sample_conditional(many, random_state=0)
    rng = np.random.default_rng(0)
    for i in range(6):
        column = 1 if i < 3 else 0
        place = line.encoder_.source_.tolist().index(column)
        # Scores of rows drawn from the exact posterior, back in the column's units.
        at = rng.choice(len(Z), size=4000, p=weights[i])
        scores = laws.mean[at, place] + laws.scale[at, place] * torch.randn(4000)
        scale, center = line._layout.scale[place], line._layout.center[place]
        quantiles = line.encoder_.columns_[column].map
        exact = quantiles.inverse(center + scale * scores.numpy())
        own = draws[4000 * i : 4000 * (i + 1), column]
        error = 5 * exact.std() * np.sqrt(2 / 4000)
        assert abs(own.mean() - exact.mean()) < error + 0.02
        assert own.std() == pytest.approx(exact.std(), rel=0.2)
        assert abs(imputed[i, column] - exact.mean()) < error + 0.02


def test_imputation_is_better_than_means():
    X = bent(1000)
    hidden = X.copy()
    gone = np.random.default_rng(0).random(X.shape) < 0.2
    gone[gone.all(axis=1)] = False
    hidden[gone] = np.nan
    filled = VAE(**SMALL).fit(hidden).impute(hidden)
    assert np.array_equal(filled[~gone], X[~gone])
    means = np.broadcast_to(np.nanmean(hidden, axis=0), X.shape)
    for column, most in ((0, 1.25), (1, 0.6), (2, 1.25)):
        own = gone[:, column]
        errors = [
            np.mean((a[own, column] - X[own, column]) ** 2) for a in (filled, means)
        ]
        assert errors[0] < most * errors[1]


def test_probabilities_of_a_table_of_cells_sum_to_one():
    table = mixed()[["kind", "age"]]
    model = VAE(**SMALL).fit(table)
    ages = np.arange(-30, 250)
    rows = pd.DataFrame(
        {"kind": np.repeat(["a", "b", "c"], len(ages)), "age": np.tile(ages, 3)}
    )
    density = np.exp(model.score_samples(rows))
    assert density.sum() == pytest.approx(1.0, abs=0.01)
    assert density[rows["age"] < 0].max() == 0.0


def test_draws_of_a_mixed_table():
    table = mixed()
    model = VAE(**SMALL).fit(table)
    draws = model.sample(4000, random_state=0)
    assert draws.dtypes.equals(table.dtypes)
    # Categories are drawn: the rarest is there as often as in the rows.
    share = (draws["kind"] == "c").mean()
    assert share == pytest.approx((table["kind"] == "c").mean(), abs=0.05)
    atom = (draws["amount"] == 0).mean()
    assert atom == pytest.approx((table["amount"] == 0).mean(), abs=0.05)
    ages = draws.groupby("kind")["age"].mean()
    assert ages["a"] == pytest.approx(30, abs=4)
    assert ages["b"] == pytest.approx(60, abs=4)
    whole = table.assign(kind=None, age=table["age"].astype(float))
    filled = model.impute(whole)
    likely = np.where(table["age"] < 45, "a", "b")
    assert (filled["kind"] == likely).mean() > 0.97


def test_missing_cells_are_kept_as_often_as_in_fit():
    table = mixed()
    gone = (table["kind"] == "a") & (np.arange(len(table)) % 2 == 0)
    table["amount"] = table["amount"].mask(gone)
    model = VAE(**SMALL).fit(table)
    draws = model.sample(4000, random_state=0)
    shares = draws["amount"].isna().groupby(draws["kind"]).mean()
    assert shares["a"] == pytest.approx(0.5, abs=0.15)
    assert shares["b"] < 0.1
    assert (
        not VAE(keep_missing=False, **SMALL).fit(table).sample(500).isna().any().any()
    )
    assert not model.sample_conditional(table, random_state=0).isna().any().any()


def test_classes():
    rng = np.random.default_rng(0)
    y = rng.choice(["no", "yes"], size=500, p=[0.7, 0.3])
    X = rng.normal(size=(500, 2)) + np.where(y == "yes", 4.0, 0.0)[:, None]
    model = VAE(**SMALL).fit(X, y)
    for label, mean in (("no", 0.0), ("yes", 4.0)):
        draws = model.sample(1000, y=label, random_state=0)
        np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.3)
    each = [model.score_samples(X, np.full(500, k)) for k in ("no", "yes")]
    shares = model.class_shares_
    total = np.logaddexp(each[0] + np.log(shares[0]), each[1] + np.log(shares[1]))
    np.testing.assert_allclose(model.score_samples(X), total, rtol=1e-10)
    # Draws of missing cells are of all classes, as likely as these are.
    gone = np.full((4000, 2), np.nan)
    gone[:, 0] = 2.0
    logs = [model.score_samples(gone[:1], [k])[0] for k in ("no", "yes")]
    weights = np.exp(logs) * shares
    means = [
        model.sample(4000, y=k, random_state=0)[:, 1].mean() for k in ("no", "yes")
    ]
    drawn = model.sample_conditional(gone, random_state=0)[:, 1].mean()
    assert drawn == pytest.approx(weights @ means / weights.sum(), abs=0.4)
    with pytest.raises(ValueError, match="pass y"):
        model.inverse_transform(model.transform(X))
    assert model.inverse_transform(model.transform(X), y=y).shape == X.shape


def test_latent_means_give_rows_back():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(500, 1))
    X = factor * [1.0, -2.0, 3.0] + 0.2 * rng.normal(size=(500, 3))
    model = VAE(2, **SMALL).fit(X)
    latent = model.transform(X)
    assert latent.shape == (500, 2)
    assert model.get_feature_names_out().tolist() == ["vae0", "vae1"]
    back = model.inverse_transform(latent)
    for column in range(3):
        assert np.corrcoef(back[:, column], X[:, column])[0, 1] > 0.9
    with pytest.raises(ValueError, match="Z has 3 columns"):
        model.inverse_transform(np.zeros((3, 3)))


def test_rows_do_not_depend_on_their_neighbours(line):
    X = bent(40, seed=5)
    X[::3, 0] = np.nan
    whole = line.score_samples(X)
    each = np.concatenate([line.score_samples(row[None]) for row in X])
    np.testing.assert_allclose(whole, each, rtol=1e-9)


def test_partial_fit_goes_on():
    X = bent()
    model = VAE(**SMALL).partial_fit(X)
    first = model.score(X)
    for _ in range(6):
        model.partial_fit(X)
    assert model.n_iter_ == 7 * 50
    assert model.score(X) > first + 0.05


def test_images_have_black_and_white():
    rng = np.random.default_rng(0)
    bright = rng.random((300, 1)) < 0.5
    images = np.clip(rng.normal(np.where(bright, 0.9, 0.1), 0.2, (300, 16)), 0, 1)
    model = VAE(2, architecture="conv", sample_shape=(1, 4, 4), hidden=(8, 8),
                max_iter=250, learning_rate=3e-3,
                random_state=0).fit(images)  # fmt: skip
    draws = model.sample(500, random_state=0)
    assert draws.min() == 0.0
    assert draws.max() == 1.0
    for end in (0.0, 1.0):
        assert (draws == end).mean() == pytest.approx((images == end).mean(), abs=0.07)
    # A pixel is black, white, or between: both ends have probabilities.
    pixel = np.full((2003, 16), np.nan)
    pixel[:, 5] = np.concatenate([[0.0, 1.0], np.linspace(0, 1, 2001)])
    pixel[2:, 5] = np.clip(pixel[2:, 5], 1e-9, 1 - 1e-9)
    density = np.exp(model.score_samples(pixel))
    total = density[:2].sum() + np.trapezoid(density[2:], pixel[2:, 5])
    assert total == pytest.approx(1.0, abs=0.01)
    hidden = images.copy()
    hidden[:, 3] = np.nan
    errors = np.mean((model.impute(hidden)[:, 3] - images[:, 3]) ** 2)
    assert errors < 0.5 * images[:, 3].var()


def test_images_with_missing_cells():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(200, 1)) + 0.3 * rng.normal(size=(200, 16))
    hidden = np.where(rng.random(images.shape) < 0.3, np.nan, images)
    model = VAE(1, sample_shape=(1, 4, 4), random_state=0, hidden=(32,), max_iter=300)
    with pytest.raises(ValueError, match="keep_missing=False"):
        model.fit(hidden)
    filled = model.set_params(keep_missing=False).fit(hidden).impute(hidden)
    gone = np.isnan(hidden)
    assert np.mean((filled - images)[gone] ** 2) < 0.4 * images[gone].var()


@pytest.mark.parametrize("model", [VAE, GAN])
def test_rows_of_another_size_than_their_shape(model):
    with pytest.raises(ValueError, match="has 6 cells, but X has 4 columns"):
        model(sample_shape=(2, 3), max_iter=1).fit(np.zeros((5, 4)))


def test_a_row_of_which_nothing_is_seen_has_all_of_the_mass():
    X = bent()
    model = VAE(2, **SMALL).fit(X, X[:, 0] > 0)
    nothing = np.full((3, X.shape[1]), np.nan)
    np.testing.assert_allclose(model.score_samples(nothing), 0.0, atol=1e-12)


def test_rows_that_come_later_add_to_the_prior():
    X = bent()
    model = VAE(2, **SMALL).fit(X)
    before = model.score(X)
    model.set_params(learning_rate=1e-9).partial_fit(X[:1])
    assert model.score(X) > before - 0.3
    # A fit that goes on has seen all rows.
    model.set_params(warm_start=True, max_iter=50).fit(X[X[:, 0] > 0])
    assert model.sample(500, random_state=0)[:, 0].mean() > 0.5


def test_classes_that_do_not_come_again_keep_their_prior():
    X = bent()
    y = np.where(X[:, 0] > 0, "right", "left")
    model = VAE(2, **SMALL).fit(X, y)
    left = X[y == "left"]
    before = model.score(left, ["left"] * len(left))
    right = X[y == "right"][:50]
    model.set_params(learning_rate=1e-9).partial_fit(right, ["right"] * 50)
    after = model.score(left, ["left"] * len(left))
    assert after == pytest.approx(before, abs=1e-3)


def test_the_law_is_the_one_that_was_learned(line):
    X = bent(50, seed=4)
    model = clone_of(line, law="student")
    assert np.array_equal(model.score_samples(X), line.score_samples(X))
    draws = [m.sample(20, random_state=0) for m in (model, line)]
    assert np.array_equal(*draws)
