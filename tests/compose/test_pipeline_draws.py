"""Draws and completed rows of pipelines, in the containers of their input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.mixture
from scipy.special import expit, logit
from scipy.stats import multivariate_normal, norm
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import (
    FunctionTransformer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklgen.compose import TabularEncoder, make_generative_pipeline
from sklgen.datasets import load_penguins
from sklgen.hmm import GaussianHMM
from sklgen.metrics import whitened_energy_distance
from sklgen.mixture import GaussianMixture, TabularMixture
from tests.compose.transformer_cases import positive_rows


def mixture():
    return GaussianMixture(2, random_state=0)


def masked(X, column):
    X = X.copy()
    X[:, column] = np.nan
    return X


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        PCA(whiten=True),
        TabularEncoder(),
        ColumnTransformer([("b", RobustScaler(), ["b"])], remainder="passthrough"),
    ],
)
def test_frames_come_back_with_their_dtypes(library, transformer):
    X = positive_rows()
    columns = {
        "a": X[:, 0].astype("float32"),
        "b": np.rint(100 * X[:, 1]).astype("int16"),
    }
    frame = library(columns)
    model = make_generative_pipeline(transformer, mixture()).fit(frame)
    draws = model.sample(400, random_state=0)
    assert type(draws) is library
    assert list(draws.columns) == ["a", "b"]
    assert list(draws.dtypes) == list(frame.dtypes)
    np.testing.assert_allclose(
        draws.to_numpy().mean(0), frame.to_numpy().mean(0), rtol=0.1
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_of_labels_go_around_the_scaler(library):
    table = load_penguins(as_frame=True).frame
    table = table[["island", "bill_length_mm", "sex", "body_mass_g"]].dropna()
    X = table if library == "pandas" else pl.from_pandas(table)
    scaler = ColumnTransformer(
        [("scale", StandardScaler(), ["bill_length_mm", "body_mass_g"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform=library)
    model = make_generative_pipeline(scaler, TabularMixture(2, random_state=0)).fit(X)
    draws = model.sample(300, random_state=0)
    assert type(draws) is type(X)
    assert list(draws.columns) == list(X.columns)
    assert list(draws.dtypes) == list(X.dtypes)
    assert {*draws["island"]} == {*X["island"]}
    shares = (np.mean(np.array(frame["sex"]) == "male") for frame in (draws, X))
    assert next(shares) == pytest.approx(next(shares), abs=0.1)
    assert draws["body_mass_g"].mean() == pytest.approx(
        X["body_mass_g"].mean(), rel=0.03
    )


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_containers_between_steps_change_nothing(output):
    X = pd.DataFrame(positive_rows(), columns=["a", "b"])
    expected = make_generative_pipeline(StandardScaler(), PowerTransformer(), mixture())
    model = make_generative_pipeline(StandardScaler(), PowerTransformer(), mixture())
    expected.fit(X)
    assert model.set_output(transform=output) is model
    model.fit(X)
    assert type(model[:-1].transform(X)).__module__.startswith(output)
    model.set_output(transform="default").fit(X)
    assert isinstance(model[:-1].transform(X), np.ndarray)
    model.set_output(transform=output).fit(X)
    np.testing.assert_allclose(model.score_samples(X), expected.score_samples(X))
    holes = X.where(np.random.default_rng(0).random(X.shape) < 0.7)
    for method in ("sample_conditional", "impute"):
        args = {"random_state": 0} if method == "sample_conditional" else {}
        done = getattr(model, method)(holes, **args)
        pd.testing.assert_frame_equal(done, getattr(expected, method)(holes, **args))
    pd.testing.assert_frame_equal(
        model.sample(9, random_state=0), expected.sample(9, random_state=0)
    )


def test_seeds_repeat_and_latent_labels_go_with_the_same_rows():
    X = positive_rows()
    model = make_generative_pipeline(PowerTransformer("box-cox"), mixture()).fit(X)
    rows, labels = model.sample_latent(200, random_state=3)
    np.testing.assert_array_equal(rows, model.sample(200, random_state=3))
    # Clusters are apart, so that rows tell their labels.
    assert np.mean(model.predict(rows) == labels) > 0.97


def test_rare_labels_are_drawn_with_the_seed():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.choice([*"abcdefgh"], 400), "y": rng.normal(size=400)})
    encoder = TabularEncoder(max_categories=3)
    model = make_generative_pipeline(encoder, mixture()).fit(X)
    one, other = (model.sample(200, random_state=1) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert not hasattr(model, "impute")


def test_draws_beyond_the_reach_of_a_transformer_are_drawn_again():
    x = positive_rows()[:, :1]
    model = make_generative_pipeline(
        QuantileTransformer(n_quantiles=15), GaussianMixture(1)
    ).fit(x)
    draws = model.sample(20_000, random_state=0)
    assert len(draws) == 20_000
    # No atoms at the ends, where scikit-learn would put what is beyond them.
    assert x.min() < draws.min()
    assert draws.max() < x.max()
    assert len(np.unique(draws)) == len(draws)
    # A Gaussian between 0 and 1, against the quantiles of what was drawn.
    gaussian = model[-1]
    law = norm(gaussian.means_[0, 0], np.sqrt(gaussian.covariances_[0, 0, 0]))
    levels = np.sort(model[0].transform(draws)[:, 0])
    expected = (law.cdf(levels) - law.cdf(0)) / (law.cdf(1) - law.cdf(0))
    assert np.abs(expected - np.linspace(0, 1, len(levels))).max() < 0.015


class Constant(BaseEstimator):
    """Draws a row that no quantile transformer reaches."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def sample(self, n_samples=1, *, random_state=None):
        return np.full((n_samples, self.n_features_in_), 2.0)


def test_draws_that_never_have_an_original_are_an_error():
    X = positive_rows()
    model = make_generative_pipeline(QuantileTransformer(n_quantiles=15), Constant())
    with pytest.raises(ValueError, match=r"3 of 3 draws of Constant\(\) have no"):
        model.fit(X).sample(3)


def test_affine_steps_impute_what_the_generator_does():
    X = positive_rows()
    holes = masked(X, 1)
    expected = GaussianMixture(2, random_state=0).fit(X).impute(holes)
    model = make_generative_pipeline(StandardScaler(), mixture()).fit(X)
    np.testing.assert_allclose(model.impute(holes), expected, atol=1e-6)


@pytest.mark.parametrize("column", [0, 1])
def test_means_are_those_in_original_units(column):
    X = positive_rows()
    log = FunctionTransformer(np.log, np.exp)
    model = make_generative_pipeline(log, GaussianMixture(1)).fit(X)
    gaussian, other = model[-1], 1 - column
    mean, cov = gaussian.means_[0], gaussian.covariances_[0]
    slope = cov[column, other] / cov[other, other]
    middle = mean[column] + slope * (np.log(X[:, other]) - mean[other])
    left = cov[column, column] - slope * cov[column, other]
    done = model.impute(masked(X, column))
    # The mean of a log-normal law, by 4000 draws for each row.
    expected = np.exp(middle + left / 2)
    error = expected * np.sqrt(np.expm1(left) / 4000)
    z = (done[:, column] - expected) / error
    assert np.abs(z).max() < 4.5
    assert np.abs(z.mean()) < 0.3
    np.testing.assert_array_equal(done[:, other], X[:, other])


def test_conditional_draws_have_the_law_of_the_density():
    X = positive_rows()
    model = make_generative_pipeline(PowerTransformer("box-cox"), mixture()).fit(X)
    values = np.geomspace(1e-3, 30, 4000)
    for seen in (0.6, 1.9):
        rows = np.column_stack([np.full(len(values), seen), values])
        density = np.exp(
            model.score_samples(rows) - model.score_samples([[seen, np.nan]])
        )
        law = np.concatenate(
            [[0], np.cumsum(np.diff(values) * (density[1:] + density[:-1]) / 2)]
        )
        holes = np.tile([seen, np.nan], (5000, 1))
        draws = np.sort(model.sample_conditional(holes, random_state=0)[:, 1])
        gap = np.interp(draws, values, law) - np.linspace(0, 1, len(draws))
        assert np.abs(gap).max() < 1.95 / np.sqrt(len(draws))


@pytest.mark.parametrize(
    ("transformer", "columnwise"),
    [(StandardScaler(), True), (PCA(), False), (FunctionTransformer(np.arctan), False)],
)
def test_rows_are_completed_where_steps_act_column_by_column(transformer, columnwise):
    model = make_generative_pipeline(transformer, mixture())
    assert hasattr(model, "impute") == columnwise
    assert hasattr(model, "sample_conditional") == columnwise
    if not columnwise:
        with pytest.raises(AttributeError) as caught:
            _ = model.impute
        assert "mixes columns" in str(caught.value.__cause__)


def test_sequences_keep_their_order_and_groups():
    rng = np.random.default_rng(0)
    state = np.repeat([0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1], 25)
    X = 40.0 * state[:, None] + rng.normal(size=(300, 2))
    groups = np.repeat([0, 1, 2], 100)
    model = make_generative_pipeline(StandardScaler(), GaussianHMM(2, random_state=0))
    model.fit(X, gaussianhmm__groups=groups)
    plain = GaussianHMM(2, random_state=0).fit(X, groups=groups)
    expected = plain.score_samples(X, groups=groups)
    found = model.score_samples(X, groups=groups)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    score = model.score(X, groups=groups)
    assert score == pytest.approx(plain.score(X, groups=groups), abs=1e-5)
    sequences = model.sample(40, n_sequences=3, random_state=0)
    assert [len(sequence) for sequence in sequences] == [40, 40, 40]
    # States stay for about 30 rows.
    moves = [np.abs(np.diff(sequence[:, 0])) > 20 for sequence in sequences]
    assert 0 < np.sum(moves) < 15


def test_means_of_sequences_are_those_of_their_draws():
    rng = np.random.default_rng(0)
    state = np.repeat([0, 1, 0, 1], 25)
    X = np.exp(2.0 * state[:, None] + 0.5 * rng.normal(size=(100, 1)))
    log = FunctionTransformer(np.log, np.exp)
    model = make_generative_pipeline(log, GaussianHMM(2, random_state=0)).fit(X)
    holes = X.copy()
    holes[[10, 35]] = np.nan
    done = model.impute(holes)
    np.testing.assert_array_equal(np.delete(done, [10, 35]), np.delete(X, [10, 35]))
    # The state is sure in the middle of a run: means are log-normal ones.
    hmm = model[-1]
    low, high = np.sort(np.exp(hmm.means_[:, 0] + hmm.covariances_[:, 0, 0] / 2))
    assert done[10, 0] == pytest.approx(low, rel=0.1)
    assert done[35, 0] == pytest.approx(high, rel=0.1)


class Ramp(Constant):
    """Sequences that go up by the same step, some of them beyond 1."""

    def fit(self, X, y=None, groups=None):
        return super().fit(np.asarray(X))

    def sample(self, n_samples=1, *, random_state=None):
        return random_state.uniform(0.1, 0.9) + 0.05 * np.arange(n_samples)[:, None]

    def score_samples(self, X, groups=None):
        return np.zeros(len(X))


def test_sequences_beyond_the_reach_of_a_transformer_are_drawn_again_as_a_whole():
    model = make_generative_pipeline(FunctionTransformer(expit, logit), Ramp())
    model.fit(np.random.default_rng(0).normal(size=(100, 1)))
    for seed in range(10):
        levels = expit(model.sample(10, random_state=seed))[:, 0]
        np.testing.assert_allclose(np.diff(levels), 0.05)
        assert levels.max() < 1
    # How many sequences are lost is not known.
    assert not hasattr(model, "score_samples")


def test_generators_of_scikit_learn():
    X = positive_rows()
    log = FunctionTransformer(np.log, np.exp)
    kernels = make_generative_pipeline(log, KernelDensity(bandwidth=0.2)).fit(X)
    assert kernels.score(X) == pytest.approx(kernels.score_samples(X).mean())
    draws = kernels.sample(4000, random_state=0)
    np.testing.assert_allclose(np.log(draws).mean(0), np.log(X).mean(0), atol=0.05)
    mixtures = make_generative_pipeline(log, sklearn.mixture.GaussianMixture()).fit(X)
    gaussian = multivariate_normal(
        np.log(X).mean(axis=0), np.cov(np.log(X).T, bias=True)
    )
    expected = gaussian.logpdf(np.log(X)) - np.log(X).sum(axis=1)
    np.testing.assert_allclose(mixtures.score_samples(X), expected, atol=1e-4)
    with pytest.raises(TypeError, match="takes no random_state"):
        mixtures.sample(3)


class Resampler(Constant):
    """Has no density."""

    def fit(self, X, y=None):
        self.rows_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, *, random_state=None):
        return self.rows_[random_state.randint(len(self.rows_), size=n_samples)]


def test_without_density_the_score_is_the_energy_distance_of_draws():
    X = positive_rows()
    model = make_generative_pipeline(StandardScaler(), Resampler()).fit(X)
    assert not hasattr(model, "score_samples")
    draws = model.sample(1000, random_state=0)
    assert model.score(X) == pytest.approx(-whitened_energy_distance(X, draws))
    milli = make_generative_pipeline(StandardScaler(), Resampler()).fit(1000 * X)
    assert milli.score(1000 * X) == pytest.approx(model.score(X))
