"""Densities of pipelines are those of rows in their own units."""

import re

import numpy as np
import pytest
from scipy.stats import lognorm, multivariate_normal, norm
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from sklgen.compose import (
    TabularEncoder,
    log_abs_det_jacobian,
    make_generative_pipeline,
    register_jacobian,
)
from sklgen.compose._jacobian import rule_of
from sklgen.mixture import GaussianMixture
from tests.compose.transformer_cases import (
    AFFINE,
    CURVED,
    TRANSFORMERS,
    positive_rows,
)

FITTED = {n: t for n, t in TRANSFORMERS.items() if hasattr(t, "fit")}


def pipeline(transformer, n_components=2):
    mixture = GaussianMixture(n_components, random_state=0)
    copy = clone(transformer) if hasattr(transformer, "fit") else transformer
    return make_generative_pipeline(copy, mixture)


def by_name(cases):
    return pytest.mark.parametrize("name", cases)


@by_name(FITTED)
def test_log_determinants_are_those_of_difference_quotients(name):
    X = positive_rows()
    transformer = clone(FITTED[name]).fit(X)
    # In the middle of the data, and not on knots of quantiles.
    rows = positive_rows(40, seed=1)
    rows = rows[((rows > X.min(axis=0) + 0.05) & (rows < X.max(axis=0) - 0.3)).all(1)]
    step = 1e-6
    columns = [
        (transformer.transform(rows + e) - transformer.transform(rows - e)) / (2 * step)
        for e in step * np.eye(2)
    ]
    expected = np.linalg.slogdet(np.stack(columns, axis=-1))[1]
    found = log_abs_det_jacobian(transformer, rows)
    assert len(rows) > 20
    np.testing.assert_allclose(found, expected, atol=1e-5)


@by_name(AFFINE)
def test_a_gaussian_through_affine_maps_is_the_gaussian_of_the_rows(name):
    X = positive_rows()
    expected = multivariate_normal(X.mean(axis=0), np.cov(X.T, bias=True)).logpdf(X)
    found = pipeline(AFFINE[name], 1).fit(X).score_samples(X)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@by_name(AFFINE)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_another_unit_shifts_log_densities_by_its_logarithm(name, factor):
    X = positive_rows()
    model = pipeline(AFFINE[name])
    plain = model.fit(X).score_samples(X)
    other = model.fit(factor * X).score_samples(factor * X)
    np.testing.assert_allclose(other, plain - 2 * np.log(factor), atol=1e-6)


def test_a_gaussian_of_logarithms_is_log_normal():
    x = positive_rows()[:, :1]
    mean, std = np.log(x).mean(), np.log(x).std()
    model = pipeline(FunctionTransformer(np.log, np.exp), 1).fit(x)
    expected = lognorm(std, scale=np.exp(mean)).logpdf(x[:, 0])
    np.testing.assert_allclose(model.score_samples(x), expected, atol=1e-10)
    below = model.score_samples([[-1.0], [0.0], [1.0]])
    assert np.isneginf(below[:2]).all()
    assert np.isfinite(below[2])


def ends(name, x):
    """Where the density is positive in one column."""
    if name.startswith("quantile"):
        return x.min(), x.max()
    positive = ("box-cox", "log", "sqrt", "encoder")
    low = 0.0 if name.startswith(positive) else -np.inf
    return {"log1p": -1.0, "logit": 0.0}.get(name, low), np.inf


def integral(density, edges):
    """Gauss's quadrature between edges, at which densities may have kinks."""
    nodes, weights = np.polynomial.legendre.leggauss(30)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    points = middle[:, None] + half[:, None] * nodes
    values = density(points.reshape(-1, 1)).reshape(points.shape)
    return np.sum(half[:, None] * weights * values)


@by_name([n for n in CURVED if not n.startswith(("columns", "pipeline"))])
def test_densities_integrate_to_one_over_their_support(name):
    x = positive_rows()[:, :1]
    model = pipeline(CURVED[name]).fit(x)
    low, high = ends(name, x)

    def density(rows):
        return np.exp(model.score_samples(rows))

    knots = np.quantile(x, np.linspace(0, 1, 15))
    far = np.geomspace(1e-4, 6.0 if "exp" in name or name == "sinh" else 1e3, 30)
    edges = np.concatenate([knots, far, -far, [low, high], max(low, -1) + far])
    edges = np.unique(edges[(edges >= low) & (edges <= high) & np.isfinite(edges)])
    assert integral(density, edges) == pytest.approx(1, abs=2e-3)
    outside = [v for v in (low - 0.1, high + 0.1) if np.isfinite(v)]
    assert all(density([[value]]) == 0 for value in outside)


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 2.0, 3.0])
@pytest.mark.parametrize("method", ["box-cox", "yeo-johnson"])
def test_images_of_powers_end_where_transforms_do(method, power):
    transformer = PowerTransformer(method).fit(positive_rows())
    transformer.lambdas_[:] = power
    x = np.array([1e-200 if method == "box-cox" else -1e100, 1e100])
    low, high = transformer.transform(np.column_stack([x, x]))
    found = rule_of(transformer).image()
    for end, value in zip(found, (low, high), strict=True):
        finite = np.isfinite(end)
        np.testing.assert_allclose(value[finite], end[finite], atol=1e-10)
        assert (np.abs(value[~finite]) > 100).all()


@by_name(TRANSFORMERS)
def test_draws_follow_the_density(name):
    X = positive_rows()
    model = pipeline(TRANSFORMERS[name]).fit(X)
    draws = model.sample(40_000, random_state=0)
    density = np.exp(model.score_samples(draws))
    assert (density > 0).all()
    for centre in ([1.9, 0.65], [0.7, 1.25]):
        # Uniform on a box within a cluster.
        inside = (np.abs(draws - centre) < [0.2, 0.15]).all(axis=1)
        ratio = inside / (0.4 * 0.3) / density
        error = ratio.std() / np.sqrt(len(ratio))
        assert error < 0.05
        assert abs(ratio.mean() - 1) < 5 * error


def test_missing_cells_are_integrated_out():
    X = positive_rows()
    for transformer in (PowerTransformer(), PowerTransformer("box-cox")):
        model = pipeline(transformer).fit(X)
        values = np.geomspace(1e-3, 60, 20_000)
        for seen in (0.5, 1.5):
            rows = np.column_stack([np.full(len(values), seen), values])
            joint = np.trapezoid(np.exp(model.score_samples(rows)), values)
            marginal = np.exp(model.score_samples([[seen, np.nan]])[0])
            assert marginal == pytest.approx(joint, rel=2e-3)
        assert model.score_samples([[np.nan, np.nan]])[0] == pytest.approx(0, abs=1e-12)


def test_missing_cells_of_a_generator_cut_at_the_ends_are_integrated_out():
    X = positive_rows()
    model = pipeline(QuantileTransformer(n_quantiles=15)).fit(X)
    values = np.linspace(X[:, 1].min(), X[:, 1].max(), 20_001)
    for seen in (0.6, 1.9):
        rows = np.column_stack([np.full(len(values), seen), values])
        joint = np.trapezoid(np.exp(model.score_samples(rows)), values)
        marginal = np.exp(model.score_samples([[seen, np.nan]])[0])
        assert marginal == pytest.approx(joint, rel=0.02)


def test_score_is_the_weighted_mean_and_rows_of_no_weight_are_no_rows():
    X = positive_rows()
    model = pipeline(FunctionTransformer(np.log, np.exp)).fit(X)
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    expected = np.average(model.score_samples(X), weights=weight)
    assert model.score(X, sample_weight=weight) == pytest.approx(expected)
    outside = np.vstack([X, [[-1.0, 1.0]]])
    assert model.score(outside) == -np.inf
    found = model.score(outside, sample_weight=[*weight, 0.0])
    assert found == pytest.approx(expected)


def test_float32_rows_keep_their_precision():
    X = positive_rows().astype(np.float32)
    model = pipeline(PowerTransformer()).fit(X)
    assert model.score_samples(X).dtype == np.float32
    assert model.sample(3).dtype == np.float32


class Cube(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        return np.asarray(X) ** 3

    def inverse_transform(self, X):
        return np.cbrt(X)


def test_what_is_not_registered_names_the_step_and_the_way_out():
    X = positive_rows()
    model = make_generative_pipeline(StandardScaler(), Cube(), GaussianMixture(2))
    model.fit(X)
    assert not hasattr(model, "score_samples")
    assert not hasattr(model, "score")
    with pytest.raises(AttributeError) as caught:
        _ = model.score_samples
    assert "step 'cube' (Cube) has no log-Jacobian" in str(caught.value.__cause__)
    assert "register_jacobian" in str(caught.value.__cause__)
    assert model.sample(3).shape == (3, 2)
    with pytest.raises(
        ValueError, match=r"Cube has no log-Jacobian.*register_jacobian"
    ):
        log_abs_det_jacobian(Cube(), X)


class OwnCube(Cube):
    pass


def test_a_registered_transformer_has_densities():
    X = positive_rows() - 1.5

    @register_jacobian(OwnCube, columnwise=True)
    def log_derivatives(transformer, X):
        with np.errstate(divide="ignore"):
            return np.log(3 * X**2)

    model = make_generative_pipeline(OwnCube(), StandardScaler(), GaussianMixture(1))
    model.fit(X)
    expected = multivariate_normal((X**3).mean(axis=0), np.cov((X**3).T, bias=True))
    expected = expected.logpdf(X**3) + np.log(3 * X**2).sum(axis=1)
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-8)
    assert hasattr(model, "impute")


def square(x):
    return x**2


def test_a_registered_function_has_densities():
    X = positive_rows()
    transformer = FunctionTransformer(square, np.sqrt)
    assert not hasattr(pipeline(transformer), "score_samples")
    register_jacobian(square, image=lambda: (0.0, np.inf))(lambda X: np.log(2 * X))
    model = pipeline(transformer, 1).fit(X[:, :1])
    mean, std = square(X[:, 0]).mean(), square(X[:, 0]).std()
    # A Gaussian without its part below 0, of which no draw is a square.
    share = norm.sf(0, mean, std)
    assert share < 0.98
    expected = norm.logpdf(square(X[:, 0]), mean, std) + np.log(2 * X[:, 0])
    found = model.score_samples(X[:, :1])
    np.testing.assert_allclose(found, expected - np.log(share), atol=0.005)
    assert (model.sample(1000, random_state=0) >= 0).all()


@pytest.mark.parametrize(
    ("transformer", "words"),
    [
        (MinMaxScaler(clip=True), "clip=False"),
        (PCA(1), "keeps 1 of 2 components"),
        (FeatureUnion([("a", StandardScaler())]), "use a ColumnTransformer"),
        (KBinsDiscretizer(encode="ordinal"), "has no log-Jacobian"),
        (FunctionTransformer(np.arctan, np.tan), "register_jacobian"),
        (FunctionTransformer(np.log), "set inverse_func"),
        (ColumnTransformer([("a", StandardScaler(), [0])]), "remainder='passthrough'"),
        (
            ColumnTransformer([(n, StandardScaler(), [0, 1]) for n in "ab"]),
            "gives a column to two transformers",
        ),
        (
            ColumnTransformer([("a", Cube(), [0])], remainder="passthrough"),
            "step 'a' .Cube. has no log-Jacobian",
        ),
        (make_pipeline(StandardScaler(), PCA(1)), "step 'pca' .PCA. keeps 1 of 2"),
        (QuantileTransformer(n_quantiles=30), "ties"),
        (TabularEncoder(), "TabularMixture"),
    ],
)
def test_what_is_not_one_to_one_has_no_density(transformer, words):
    X = np.round(positive_rows(), 1)
    model = pipeline(transformer).fit(X)
    assert not hasattr(model, "score_samples")
    with pytest.raises(AttributeError, match="'score'") as caught:
        _ = model.score
    assert re.search(words, str(caught.value.__cause__))


@pytest.mark.parametrize(
    "transformer",
    [MinMaxScaler(clip=True), PCA(1), QuantileTransformer(n_quantiles=30)],
)
def test_without_density_there_are_still_draws(transformer):
    X = np.round(positive_rows(), 1)
    model = pipeline(transformer).fit(X)
    draws = model.sample(5000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=0), X.mean(axis=0), atol=0.15)


def test_draws_through_fewer_components_lie_on_their_plane():
    X = positive_rows()
    model = pipeline(PCA(1)).fit(X)
    off = (model.sample(100, random_state=0) - X.mean(axis=0)) @ PCA(2).fit(
        X
    ).components_[1]
    np.testing.assert_allclose(off, 0, atol=1e-12)
