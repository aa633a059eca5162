import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from sklgen.metrics import marginal_distances
from sklgen.mixture import TabularMixture
from sklgen.tree import AdversarialForest, _forest_rounds
from sklgen.tree._forest import _repeated, _scaled
from sklgen.tree._forest_kernels import Trees
from sklgen.tree._forest_rounds import Partition
from sklgen.tree._forest_trees import STUMP, boxes, pruned


def table(n=400, seed=0, *, missing=False):
    """Labels, whole numbers, an atom among floats: all depend on the first label."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    at = (kind == "b") + 2.0 * (kind == "c")
    count = rng.poisson(30 + 45 * at)
    amount = np.where(rng.random(n) < 0.3, 0.0, rng.gamma(2 + 4 * at))
    flag = rng.random(n) < 0.2 + 0.3 * at
    X = pd.DataFrame({"kind": kind, "count": count, "amount": amount, "flag": flag})
    if missing:
        gone = rng.random(n) < np.where(kind == "a", 0.5, 0.05)
        X["count"] = X["count"].astype("Int64").mask(gone)
        X["kind"] = X["kind"].mask(rng.random(n) < 0.1)
    return X


@pytest.fixture(scope="module")
def model():
    return AdversarialForest(10, random_state=0).fit(table())


@pytest.fixture(scope="module")
def gappy():
    return AdversarialForest(10, random_state=0).fit(table(missing=True))


def test_density_of_labels_and_whole_numbers_sums_to_one(gappy, model):
    kinds, counts = np.meshgrid(["a", "b", "c"], np.arange(2000))
    X = pd.DataFrame({"kind": kinds.ravel(), "count": counts.ravel()})
    for fitted in (model, gappy):
        rows = X.assign(amount=np.nan, flag=None)
        assert np.exp(fitted.score_samples(rows)).sum() == pytest.approx(1, abs=1e-6)


def test_density_of_numbers_with_an_atom_integrates_to_one(model):
    # Midpoints in logarithms of the distance to the bound, and the atom by itself.
    edges = np.append(np.geomspace(1e-12, 1, 4000), np.linspace(1, 200, 40_001)[1:])
    amount = np.append(0.0, (edges[1:] + edges[:-1]) / 2)
    volume = np.append(1.0, np.diff(edges))
    for kind in ("a", "b"):
        X = pd.DataFrame({"kind": kind, "amount": amount})
        X = X.assign(count=None, flag=None)[[*table(1)]]
        whole = X.head(1).assign(amount=np.nan)
        total = (np.exp(model.score_samples(X)) * volume).sum()
        expected = np.exp(model.score_samples(whole))[0]
        assert total == pytest.approx(expected, rel=2e-3)


def test_ratio_to_another_model_has_mean_one(gappy):
    # Draws from p, complete ones: q / p has mean 1 for any q that p covers.
    draws = gappy.sample_conditional(
        table(20_000, 1, missing=True).mask(lambda X: X.notna() | True)
    )
    q = TabularMixture(3, random_state=0).fit(table(2000, 2))
    ratio = np.exp(q.score_samples(draws) - gappy.score_samples(draws))
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.05
    assert abs(ratio.mean() - 1) < 5 * error


def test_marginals_are_sums_over_levels(gappy, model):
    X = table(50, 3)
    for fitted in (model, gappy):
        each = [fitted.score_samples(X.assign(kind=kind)) for kind in "abc"]
        marginal = fitted.score_samples(X.assign(kind=None))
        assert marginal == pytest.approx(logsumexp(each, axis=0), abs=1e-9)


def test_any_valid_row_has_a_finite_density(model):
    X = table(6, 4)
    X["count"] = [10**6, 0, 3, 4, 5, 6]
    X["amount"] = [0.0, 1e9, 1e-300, 1.0, 1.0, 1.0]
    X["kind"] = ["a", "b", "c", "unseen", None, "a"]
    assert np.isfinite(model.score_samples(X)).all()
    assert np.isfinite(model.score_samples(X.mask(lambda X: X.notna() | True))).all()


@pytest.mark.parametrize("value", [1e160, -1e300])
def test_numbers_whose_squares_overflow(value):
    X = table(200)[["amount", "count"]]
    forest = AdversarialForest(3, random_state=0).fit(X)
    far = pd.DataFrame({"amount": [value, np.nan], "count": [np.nan, value]})
    assert np.isfinite(forest.score_samples(far)).all()
    assert np.isfinite(forest.impute(far)).all(axis=None)


def test_unseen_label_counts_as_one_row_more(model):
    X = table(5, 5)
    unseen = model.score_samples(X.assign(kind="unseen"))
    marginal = model.score_samples(X.assign(kind=None))
    assert unseen - marginal == pytest.approx(-np.log(401), abs=1e-9)


def test_draws_have_the_dependence_of_the_rows(model):
    X, draws = table(20_000, 6), model.sample(20_000, random_state=1)
    assert draws.dtypes.equals(table().dtypes)
    for kind in "abc":
        real, own = X[X["kind"] == kind], draws[draws["kind"] == kind]
        assert len(own) / len(draws) == pytest.approx(len(real) / len(X), abs=0.06)
        assert own["count"].mean() == pytest.approx(real["count"].mean(), rel=0.15)
        share = (own["amount"] == 0).mean()
        assert share == pytest.approx((real["amount"] == 0).mean(), abs=0.1)
    assert marginal_distances(table(), draws).mean < 0.05


def test_missing_cells_come_as_they_depend_on_others(gappy):
    X, draws = table(missing=True), gappy.sample(20_000, random_state=0)
    for kind in "ab":
        real = X["count"].isna()[X["kind"] == kind].mean()
        own = draws["count"].isna()[draws["kind"] == kind].mean()
        assert own == pytest.approx(real, abs=0.08)
    assert not gappy.sample_conditional(draws).isna().any(axis=None)
    values = AdversarialForest(5, keep_missing=False, random_state=0)
    full = values.fit(X).sample(2000, random_state=0)
    assert not full.isna().any(axis=None)


def test_imputed_cells_are_nearer_than_modes_and_medians():
    X = table(1000, 7)
    X["count"] = X["count"].astype(float)
    rng = np.random.default_rng(0)
    hidden = X.mask(rng.random(X.shape) < 0.2)
    filled = AdversarialForest(random_state=0).fit(hidden).impute(hidden)
    gone = hidden["kind"].isna()
    right = (filled["kind"] == X["kind"])[gone].mean()
    assert right > (X["kind"] == "a")[gone].mean() + 0.05
    for name in ("count", "amount"):
        gone = hidden[name].isna()
        errors = (filled[name] - X[name])[gone]
        assert (errors**2).mean() < 0.8 * ((X[name].mean() - X[name])[gone] ** 2).mean()


def test_leaves_are_larger_where_much_is_missing():
    X = table(1000)
    sizes = {0.0: 8, 0.05: 8, 0.2: 30}
    for share, size in sizes.items():
        hidden = X.mask(np.random.default_rng(0).random(X.shape) < share)
        forest = AdversarialForest(2, max_rounds=1, random_state=0).fit(hidden)
        assert forest.min_samples_leaf_ == size
        assert forest.splitter_ == ("best" if size == 30 else "random")
    wide = pd.concat([X.add_suffix(str(i)) for i in range(5)], axis=1)
    forest = AdversarialForest(2, max_rounds=1, random_state=0).fit(wide)
    assert forest.min_samples_leaf_ == 3
    assert forest.splitter_ == "random"


def test_leaves_that_rows_have_left_are_cut_off():
    # Left of 0 on the first axis the second is cut at 0 and 1, right of it the third.
    tree = Trees(
        roots=np.zeros(1, np.int32),
        feature=np.array([0, 1, -1, 1, -1, -1, 2, -1, -1], np.int32),
        threshold=np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        left=np.array([1, 2, 0, 4, 1, 2, 7, 3, 4], np.int32),
        right=np.array([6, 3, -1, 5, -1, -1, 8, -1, -1], np.int32),
    )
    kept, leaves = pruned(tree, np.array([2, 4, 0, 2], np.int32))
    assert leaves.tolist() == [1, 2, 0, 1]
    low, high = boxes(kept, 3)
    inf = np.inf
    assert low.tolist() == [[-inf] * 3, [-inf, 0.0, -inf], [0.0, -inf, -inf]]
    assert high.tolist() == [[0.0, 0.0, inf], [0.0, inf, inf], [inf] * 3]


def test_rows_are_in_leaves_that_their_cells_allow():
    X = table(missing=True)
    seen = []

    class Watched(Partition):
        def redrawn(self, model, rows, gone, rng, n_threads):
            found = super().redrawn(model, rows, gone, rng, n_threads)
            axes = model.axes
            at = axes.positions(rows)
            for tree, leaves in zip(found.trees, found.leaves, strict=True):
                low, high = boxes(tree, at.shape[1])
                with np.errstate(invalid="ignore"):
                    inside = (at > low[leaves]) & (at <= high[leaves])
                assert np.all(inside | np.isnan(at))
                assert np.bincount(leaves).min() > 0
            seen.append(np.mean(found.leaves[:, gone] != self.leaves[:, gone]))
            return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_forest_rounds, "Partition", Watched)
        AdversarialForest(min_samples_leaf=3, random_state=0).fit(X)
    assert min(seen) > 0.1


def test_independent_columns_need_one_round():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    forest = AdversarialForest(20, tol=0.05, random_state=0).fit(X)
    assert forest.n_iter_ == 1
    assert forest.accuracies_[0] < 0.55


def test_rounds_end_where_rows_can_hardly_be_told():
    X = table(300)
    first = AdversarialForest(5, max_rounds=1, random_state=0).fit(X).accuracies_[0]
    assert first > 0.55
    for tol, more in ((first - 0.499, False), (first - 0.501, True)):
        forest = AdversarialForest(5, tol=tol, random_state=0).fit(X)
        assert (forest.n_iter_ > 1) == more


def test_cells_are_drawn_from_rows_of_one_leaf():
    leaves = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]], np.int32)
    at = Partition([STUMP], leaves).resampled((6000, 3), np.random.default_rng(0))
    drawn = leaves[0][at]
    assert np.all(drawn == drawn[:, :1])
    assert np.bincount(drawn[:, 0]) / 6000 == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    assert np.bincount(at[:, 1]) / 6000 == pytest.approx(np.full(10, 0.1), abs=0.02)
    assert np.mean(at[:, 0] == at[:, 1]) < 0.4


def test_mean_of_numbers_with_an_atom_is_that_of_draws(model):
    X = table(6, 8).assign(amount=np.nan)
    means = model.impute(X)["amount"]
    many = X.loc[X.index.repeat(4000)].reset_index(drop=True)
    draws = model.sample_conditional(many, random_state=0)["amount"].to_numpy()
    draws = draws.reshape(6, 4000)
    errors = draws.std(axis=1) / np.sqrt(4000)
    assert np.all(np.abs(draws.mean(axis=1) - means) < 5 * errors + 1e-3)


def test_rounds_go_on_while_forests_get_worse():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 1)) + 0.1 * rng.normal(size=(1000, 8))
    forest = AdversarialForest(20, tol=0.0, random_state=0).fit(X)
    *before, last = forest.accuracies_
    assert forest.n_iter_ == len(forest.accuracies_) > 2
    assert all(np.diff(before) < 0)
    assert last >= before[-1] or last <= 0.5
    # The forest is the one before the last: stopping there gives the same model.
    shorter = AdversarialForest(20, tol=0.0, max_rounds=len(before), random_state=0)
    assert np.array_equal(shorter.fit(X).score_samples(X), forest.score_samples(X))


def test_weights_are_copies_of_rows_with_missing_cells_too():
    X = table(120, missing=True)
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    forest = AdversarialForest(5, random_state=0)
    weighted = forest.fit(X, sample_weight=weight).score_samples(X)
    copies = X.loc[np.repeat(X.index, weight)].sample(frac=1, random_state=0)
    assert weighted == pytest.approx(forest.fit(copies).score_samples(X), abs=1e-6)


def test_weights_become_copies():
    rows, weight = (
        np.array([[2.0], [0.0], [1.0], [3.0]]),
        np.array([3.0, 1.0, 0.0, 2.0]),
    )
    assert _repeated(rows, weight)[:, 0].tolist() == [0, 2, 2, 2, 3, 3]
    assert _repeated(rows, _scaled(1e-3 * weight))[:, 0].tolist() == [0, 2, 3]
    assert (
        _repeated(rows, np.full(4, 1e9))[:, 0].tolist()
        == np.repeat(np.arange(4), 16).tolist()
    )


def test_weights_of_small_sum_are_those_of_ones():
    X = table(200, missing=True)
    forest = AdversarialForest(3, random_state=0)
    expected = forest.fit(X).score_samples(X)
    small = forest.fit(X, sample_weight=np.full(len(X), 2.0**-9))
    assert small.score_samples(X) == pytest.approx(expected, abs=1e-6)


def test_same_bits_for_any_number_of_threads():
    X = table(3000, missing=True)
    one, two = (
        AdversarialForest(4, random_state=0, n_jobs=n_jobs).fit(X) for n_jobs in (1, 2)
    )
    assert np.array_equal(one.score_samples(X), two.score_samples(X))
    assert one.impute(X).equals(two.impute(X))
    completed = (fitted.sample_conditional(X, random_state=1) for fitted in (one, two))
    assert next(completed).equals(next(completed))


def test_columns_without_a_law_of_their_own():
    X = table(100).assign(constant=3.0, nothing=np.nan)
    forest = AdversarialForest(5, random_state=0).fit(X)
    draws = forest.sample(20, random_state=0)
    assert (draws["constant"] == 3.0).all()
    assert draws["nothing"].isna().all()
    assert np.isfinite(forest.score_samples(X)).all()


def test_verbose_shows_accuracies(capsys):
    AdversarialForest(2, max_rounds=1, verbose=1, random_state=0).fit(table(50))
    assert "accuracy" in capsys.readouterr().err
