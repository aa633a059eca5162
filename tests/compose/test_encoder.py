"""What TabularEncoder learns of a table, and the laws of its typed columns."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from scipy.special import ndtr

from sklgen.compose import TabularEncoder

rng = np.random.default_rng(0)
N = 3000


def census():
    """Rows like those of a census: mixed columns, atoms, missing cells."""
    gain = np.where(rng.random(N) < 0.9, 0, rng.integers(1, 200, N) * 50)
    hours = np.where(rng.random(N) < 0.5, 40, rng.integers(5, 80, N))
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "job": rng.choice(["cook", "nurse", "smith"], N, p=[0.2, 0.5, 0.3]),
            "gain": gain,
            "hours": hours,
            "height": rng.normal(170, 10, N),
            "since": pd.Timestamp("2020")
            + pd.to_timedelta(rng.integers(0, 999, N), "D"),
        }
    )
    return X.mask(rng.random(X.shape) < 0.1)


X = census()


@pytest.fixture(scope="module")
def encoder():
    return TabularEncoder().fit(X)


@pytest.fixture(autouse=True)
def fresh_rng():
    """Each test draws alike, whichever tests ran before it."""
    global rng
    rng = np.random.default_rng(0)


def test_kinds_of_columns(encoder):
    names = encoder.get_feature_names_out().tolist()
    assert names == [
        *("age", "job", "gain_level", "gain", "hours_level", "hours", "height", "since")
    ]
    normal = "normal"
    category = "category"
    assert encoder.kinds_ == (
        *(normal, category, category, normal, category, normal, normal, normal),
    )
    assert encoder.n_levels_.tolist() == [0, 3, 2, 0, 2, 0, 0, 0]
    assert encoder.source_.tolist() == [0, 1, 2, 2, 3, 3, 4, 5]
    kinds = [column.kind for column in encoder.columns_]
    assert kinds == ["number", "label", "number", "number", "number", "datetime"]
    resolutions = [column.resolution for column in encoder.columns_]
    assert resolutions == [1, None, 10, 1, None, np.timedelta64(1, "D")]
    assert encoder.columns_[1].levels == ("cook", "nurse", "smith")
    assert encoder.columns_[2].levels == (None, 0)
    assert encoder.columns_[3].atoms.tolist() == [40]
    assert encoder.columns_[4].bounds == (0, np.inf)


def test_shares_of_levels(encoder):
    job, gain, hours = encoder.level_shares_
    shares = X["job"].value_counts(normalize=True).sort_index()
    assert np.allclose(job, shares, rtol=1e-12)
    for name, atom, got in [("gain", 0, gain), ("hours", 40, hours)]:
        share = (X[name].dropna() == atom).mean()
        assert np.allclose(got, [1 - share, share], rtol=1e-12)


def test_atoms_are_levels_and_have_no_score(encoder):
    T = pd.DataFrame(encoder.transform(X), columns=encoder.get_feature_names_out())
    atom, missing = X["gain"] == 0, X["gain"].isna()
    assert (T["gain_level"][atom] == 1).all()
    assert (T["gain_level"][~atom & ~missing] == 0).all()
    assert T["gain"].isna().equals(atom | missing)
    assert T["gain_level"].isna().equals(missing)


def test_scores_are_normal_with_the_variance_of_their_cells(encoder):
    T = encoder.transform(X)
    for j in np.flatnonzero(np.array(encoder.kinds_) == "normal"):
        z = T[~np.isnan(T[:, j]), j]
        assert abs(z.mean()) < 0.03
        assert abs(z.var() + encoder.cell_variance_[j] - 1) < 0.08
    grid = encoder.cell_variance_ > 0
    assert grid.tolist() == [True, False, False, True, False, True, False, True]


def test_cell_variance_is_that_of_noise_on_the_values():
    values = rng.poisson(4, 500) * 1.0 + 7
    encoder = TabularEncoder(atom_share=1).fit(values[:, None])
    noisy = values[:, None] + rng.uniform(-0.5, 0.5, (500, 2000))
    expected = encoder.columns_[0].map.transform(
        encoder.columns_[0].scale.coordinates(noisy.ravel())
    )
    assert np.isclose(
        expected.reshape(500, -1).var(axis=1).mean(),
        encoder.cell_variance_[0],
        rtol=0.01,
    )


@pytest.mark.parametrize("name", ["age", "hours", "since"])
def test_limits_hold_the_share_of_each_cell(name):
    column = X[[name]].dropna()
    encoder = TabularEncoder(n_quantiles=1000).fit(column)
    low, high = (edge[:, -1] for edge in encoder.limits(column))
    seen = ~np.isnan(low)
    z = encoder.transform(column)[:, -1]
    assert np.array_equal(seen, ~np.isnan(z))
    assert (low[seen] < z[seen]).all()
    assert (z[seen] < high[seen]).all()
    mass = ndtr(high[seen]) - ndtr(low[seen])
    value = column[name][seen].to_numpy()
    shares = pd.Series(value).value_counts(normalize=True)
    assert np.abs(mass / shares[value].to_numpy() - 1).max() < 5e-3


def test_limits_tile_the_line_and_reach_all_mass_at_a_bound():
    counts = rng.geometric(0.1, size=(3000, 1)) - 1
    encoder = TabularEncoder(atom_share=1).fit(counts)
    low, high = encoder.limits(np.arange(200)[:, None])
    assert low[0] == -40
    assert encoder.inverse_transform([[-1e5], [-20.0]]).tolist() == [[0], [0]]
    assert np.array_equal(low[1:], high[:-1])
    assert np.isclose(ndtr(high[-1]), 1)


def test_limits_without_grid_are_the_score(encoder):
    low, high = encoder.limits(X)
    z = encoder.transform(X)[:, 6]
    assert np.array_equal(low[:, 6], z, equal_nan=True)
    assert np.array_equal(high[:, 6], z, equal_nan=True)
    assert np.isnan(low[:, [1, 2, 4]]).all()


def test_draws_lie_on_the_grid_and_within_bounds(encoder):
    T = np.column_stack(
        [
            rng.integers(0, max(n, 1), 5000) if n else 1.3 * rng.normal(size=5000)
            for n in encoder.n_levels_
        ]
    )
    draws = encoder.inverse_transform(T)
    assert draws.dtypes.equals(X.dtypes)
    for name, step in [("age", 1), ("gain", 10), ("hours", 1)]:
        assert (draws[name] % step == 0).all()
        assert draws[name].min() >= 0
    assert draws["since"].equals(draws["since"].dt.floor("D"))
    assert draws["height"].nunique() == 5000
    assert draws["height"].max() > X["height"].max()


def test_density_of_the_columns_sums_to_one():
    values = rng.exponential(size=(2000, 1))
    encoder = TabularEncoder().fit(values)
    grid = np.concatenate([np.geomspace(1e-9, 1, 20001), np.linspace(1, 40, 20001)[1:]])
    z = encoder.transform(grid[:, None])[:, 0]
    offset = encoder.log_density_offset(grid[:, None])
    density = np.exp(stats.norm.logpdf(z) + offset)
    assert np.isclose(np.trapezoid(density, grid), 1, atol=1e-3)


def test_offset_adds_up_columns_and_leaves_out_grids_atoms_and_holes(encoder):
    alone = TabularEncoder().fit(X[["height"]])
    offset = encoder.log_density_offset(X)
    assert np.allclose(offset, alone.log_density_offset(X[["height"]]), rtol=1e-12)
    assert (offset[X["height"].isna()] == 0).all()
    assert not TabularEncoder().fit(X[["age"]]).log_density_offset(X[["age"]]).any()
    scaled = TabularEncoder().fit(3 * X[["height"]])
    assert np.allclose(
        scaled.log_density_offset(3 * X[["height"]]),
        np.where(X["height"].isna(), 0, offset - np.log(3)),
        atol=1e-6,
    )


@pytest.mark.parametrize("name", X.columns)
def test_weights_are_repeats_and_row_order_is_free(name):
    weight = rng.integers(0, 4, N)
    rows = rng.permutation(np.repeat(np.arange(N), weight))
    weighted = TabularEncoder(max_categories=2).fit(X[[name]], sample_weight=weight)
    repeated = TabularEncoder(max_categories=2).fit(X.loc[rows, [name]])
    T, U = weighted.transform(X[[name]]), repeated.transform(X[[name]])
    assert T.shape == U.shape
    assert np.allclose(T, U, rtol=0, atol=1e-9, equal_nan=True)
    for one, other in zip(weighted.level_shares_, repeated.level_shares_, strict=True):
        assert np.allclose(one, other, rtol=1e-12)
    assert np.allclose(weighted.cell_variance_, repeated.cell_variance_, rtol=1e-9)


def test_rows_of_weight_zero_are_removed():
    table = X.assign(job=np.where(np.arange(N) < 2, "queen", X["job"].astype(str)))
    table.loc[:1, "age"] = 10**6
    weight = np.ones(N)
    weight[:2] = 0
    weighted = TabularEncoder().fit(table, sample_weight=weight)
    without = TabularEncoder().fit(table[2:])
    assert weighted.columns_[1].levels == without.columns_[1].levels
    T = weighted.transform(table)
    assert np.array_equal(T, without.transform(table), equal_nan=True)
    assert np.isnan(T[:2, weighted.source_ == 1]).all()


@pytest.mark.parametrize("shift", [1e6, -3e4])
def test_other_units_give_the_same_scores(shift):
    x = np.column_stack([rng.normal(size=500), rng.lognormal(size=500)])
    one, other = (TabularEncoder().fit_transform(v) for v in (x, shift + 2 * x))
    assert np.abs(one - other).max() < 1e-7


def test_values_beyond_the_range_have_finite_scores_and_densities():
    x = np.column_stack([rng.normal(size=500), rng.exponential(size=500)])
    encoder = TabularEncoder().fit(x)
    far = np.array([[-1e3, -1.0], [1e3, 1e3], [1e12, 0.0]])
    z = encoder.transform(far)
    assert np.isfinite(z).all()
    assert np.isfinite(encoder.log_density_offset(far)).all()
    assert z[0, 0] < -100
    assert z[0, 1] < encoder.transform([[0, 1e-9]])[0, 1]


def test_atoms_need_a_share_and_weight():
    x = np.append(np.arange(100.0), [5] * 9)[:, None]
    assert TabularEncoder().fit(x).kinds_ == ("category", "normal")
    assert TabularEncoder(atom_share=0.1).fit(x).kinds_ == ("normal",)
    assert TabularEncoder().fit(x[:-1]).kinds_ == ("normal",)  # weight 9
    assert TabularEncoder().fit(x, sample_weight=np.full(109, 0.9)).kinds_ == (
        "normal",
    )


def test_few_values_are_levels_and_others_unknown():
    x = np.repeat([0.5, 1.5, 7.0], 20)[:, None]
    encoder = TabularEncoder().fit(x)
    assert encoder.kinds_ == ("category",)
    assert encoder.columns_[0].levels == (0.5, 1.5, 7.0)
    assert encoder.transform([[1.5], [7.0]]).tolist() == [[1], [2]]
    assert np.isnan(encoder.transform([[1.0]])).all()
    strict = TabularEncoder(handle_unknown="error").fit(x)
    with pytest.raises(ValueError, match=r"Column 0 .* fit did not see: 1\.0"):
        strict.transform([[1.0]])


def test_given_bounds_hold():
    frame = pd.DataFrame({"x": rng.uniform(-1, 1, 500), "d": X["since"][:500]})
    encoder = TabularEncoder(bounds={"x": (-1, 1), 1: ("2020-01-01", None)}).fit(frame)
    z = np.concatenate([[-1e5, 1e5], 3 * rng.normal(size=1000)])
    draws = encoder.inverse_transform(np.column_stack([z, z]))
    assert draws["x"].min() == -1
    assert draws["x"].max() == 1
    assert draws["d"].min() == pd.Timestamp("2020-01-01")
    free = TabularEncoder().fit(frame).inverse_transform(np.column_stack([z, z]))
    assert free["x"].min() < -1
    assert free["d"].min() < pd.Timestamp("2020-01-01")


def test_sentinels_do_not_hide_the_grid():
    x = np.where(rng.random(500) < 0.2, -(10**15), rng.integers(0, 100, 500))
    (column,) = TabularEncoder().fit(x[:, None]).columns_
    assert column.atoms.tolist() == [-(10**15)]
    assert column.resolution == 1
    assert column.bounds[0] == 0


def test_columns_of_another_unit_or_dtype_mean_the_same(encoder):
    frame = pd.DataFrame({"n": np.arange(50), "d": pd.date_range("2020", periods=50)})
    encoder = TabularEncoder().fit(frame)
    T = encoder.transform(frame)
    for other in ({"n": "float64"}, {"n": "Int8"}, {"d": "M8[s]"}, {"d": "M8[ns]"}):
        assert np.array_equal(encoder.transform(frame.astype(other)), T)
    assert np.array_equal(encoder.transform(pl.from_pandas(frame)), T)
    with pytest.raises(ValueError, match=r"'d' was of kind 'datetime'.*'number' now"):
        encoder.transform(frame.assign(d=1))
    with pytest.raises(ValueError, match=r"'n' was of kind 'number'.*'label' now"):
        encoder.transform(frame.assign(n="1"))


REFUSED = {
    "infinity": (pd.DataFrame({"a": [1.0], "b": [np.inf]}), "'b' contains infinity"),
    "infinity in an array": (np.array([[0.0, -np.inf]]), "Column 1 contains infinity"),
    "infinite object": (np.array([[np.inf, "x"]], dtype=object), "0 contains infinity"),
    "lazy": (pl.LazyFrame({"a": [1]}), r"call \.collect"),
    "no rows": (pd.DataFrame({"a": []}), "at least one row"),
    "no columns": (pd.DataFrame(index=[0]), "X has no columns"),
    "names": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "names of their own"),
    "sparse": (pd.DataFrame({"a": pd.arrays.SparseArray([1.0])}), r"\.to_dense\(\)"),
    "decimals": (
        pl.DataFrame({"a": pl.Series(["9" * 25]).cast(pl.Decimal(30, 0))}),
        "'a' holds decimals of more than 64 bits",
    ),
}


@pytest.mark.parametrize(("table", "message"), REFUSED.values(), ids=REFUSED)
def test_tables_that_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(table)


@pytest.mark.parametrize("cell", [[1], {}, {1}])
def test_cells_that_are_no_values_are_refused(cell):
    table = pd.DataFrame({"a": [cell]})
    with pytest.raises(TypeError, match=f"'a' holds a {type(cell).__name__}"):
        TabularEncoder().fit(table)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"bounds": {"a": (1, 2)}}, "'a' are 1.0 and 2.0, but its values reach"),
        ({"bounds": {"a": (2, 1)}}, "'a' must increase"),
        ({"bounds": {"a": 3}}, "must be a pair"),
        ({"bounds": {"c": (0, 1)}}, "bounds names 'c', which is no column"),
        ({"categorical_features": ["c"]}, "categorical_features names 'c'"),
        ({"categorical_features": [7]}, "categorical_features names 7"),
        ({"categorical_features": [True, False]}, "a mask of 2 columns, X has 1"),
    ],
)
def test_parameters_that_do_not_fit_the_table(params, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(**params).fit(pd.DataFrame({"a": np.arange(20.0)}))


def test_typed_rows_of_another_table_are_refused(encoder):
    with pytest.raises(ValueError, match=r"T has 3 columns.* of 8 typed columns"):
        encoder.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="T has 2 rows, X has 3"):
        encoder.complete(X[:3], np.zeros((2, 8)))


def test_codes_are_rounded_to_those_that_exist(encoder):
    T = np.zeros((3, 8))
    T[:, 1] = [-5, 0.6, 99]
    assert encoder.inverse_transform(T)["job"].tolist() == ["cook", "nurse", "smith"]


def test_it_pickles_without_the_rows(encoder):
    columns = [name for name in X if name != "height"]
    small = TabularEncoder().fit(X[columns])
    assert len(pickle.dumps(small)) < 40000
    twin = pickle.loads(pickle.dumps(encoder))
    T = encoder.transform(X)
    assert twin.inverse_transform(twin.transform(X)).equals(
        encoder.inverse_transform(T)
    )


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container):
    names = ["job", "gain", "gain_level"]
    table = X[["job", "gain"]].assign(gain_level="x")
    encoder = TabularEncoder().set_output(transform=container)
    T = encoder.fit_transform(table)
    assert list(T.columns) == ["job", "gain_level_", *names[1:]]
    assert encoder.inverse_transform(T).equals(table)
