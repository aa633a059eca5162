"""Blocks cover the rows, and their sums depend on the data alone."""

import os
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

import sklgen.em._rows as rows_module
from sklgen.em import Rows, n_threads
from sklgen.mixture import GaussianMixture


def make_rows(X, weight=None, *, threads=1):
    return Rows(X, weight, n_features=10, n_threads=threads)


def data_with_holes(n=30_000, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


@pytest.mark.parametrize("holes", [True, False])
def test_each_row_of_positive_weight_is_in_one_block(holes):
    X = data_with_holes() if holes else np.random.default_rng(0).normal(size=(30000, 4))
    weight = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    seen, changes = np.zeros(len(X)), []

    def visit(blocks, scratch):
        for block in blocks:
            missing = np.isnan(block.X)
            assert np.all(missing.any(axis=1) != block.complete)
            np.testing.assert_array_equal(block.X, X[block.rows])
            np.testing.assert_array_equal(block.weight, weight[block.rows])
            seen[block.rows] += 1
            changes.append(np.any(missing[1:] != missing[:-1], axis=1).sum())
        return 0

    with make_rows(X, weight) as rows:
        rows.sum(visit)
    np.testing.assert_array_equal(seen, weight > 0)
    # Four columns can miss cells in 15 ways: rows that miss the same are adjacent.
    assert sum(changes) <= 15


def test_sums_have_the_same_bits_for_any_number_of_threads():
    X = data_with_holes(100_000)

    def total(blocks, scratch):
        return sum(np.nansum(block.X) for block in blocks)

    found = set()
    for threads in (1, 2, 3, 8):
        with make_rows(X, threads=threads) as rows:
            found.add(float(rows.sum(total)))
    assert len(found) == 1


def test_fill_writes_every_row_where_it_lies():
    X = data_with_holes()
    with make_rows(X, threads=2) as rows:
        out = rows.fill(np.full(len(X), -1.0), lambda b, s: np.nansum(b.X, axis=1))
    np.testing.assert_array_equal(out, np.nansum(X, axis=1))


def test_an_error_in_a_block_reaches_the_caller_and_frees_the_libraries():
    before = blas_threads()

    def fail(blocks, scratch):
        raise RuntimeError("in a thread")

    with (
        pytest.raises(RuntimeError, match="in a thread"),
        make_rows(data_with_holes(), threads=2) as rows,
    ):
        rows.sum(fail)
    assert blas_threads() == before


def blas_threads():
    return {
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    }


def test_libraries_are_held_to_one_thread_while_rows_are_open():
    before = blas_threads()
    X = data_with_holes()
    with make_rows(X, threads=2) as rows:
        assert all(seen == {1} for seen in rows.map(lambda *_: blas_threads()))
    assert blas_threads() == before


def test_number_of_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert n_threads(None) == 1
    assert n_threads(3) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= n_threads(None) <= os.cpu_count()


@pytest.mark.parametrize("weighted", [True, False])
def test_blocks_of_sparse_rows_are_those_of_dense_ones(weighted):
    rng = np.random.default_rng(0)
    X = rng.poisson(0.3, size=(20_000, 6)).astype(float)
    weight = rng.integers(0, 3, len(X)).astype(float) if weighted else None
    found = []
    for rows in (X, csr_array(X)):
        blocks = []

        def visit(task, scratch, blocks=blocks):
            for block in task:
                cells = (
                    block.X if isinstance(block.X, np.ndarray) else block.X.toarray()
                )
                blocks.append((cells, block.weight, block.complete))
            return 0

        with make_rows(rows, weight) as opened:
            opened.sum(visit)
            index = opened.fill(np.full(len(X), -1.0), lambda block, _: block.weight)
        found.append((blocks, index))
    (dense, first), (sparse, second) = found
    assert len(dense) == len(sparse)
    for one, two in zip(dense, sparse, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
        assert one[2] is two[2] is True
    np.testing.assert_array_equal(first, second)
    expected = np.ones(len(X)) if weight is None else np.where(weight > 0, weight, -1)
    np.testing.assert_array_equal(first, expected)


def tasks_of(X, weight=None):
    """For each task: rows, whether they are complete, and the common pattern."""
    with make_rows(X, weight) as rows:
        return list(
            rows.map(
                lambda blocks, _: [
                    (np.arange(len(X))[b.rows], b.complete, b.observed) for b in blocks
                ]
            )
        )


def test_common_patterns_have_tasks_of_their_own():
    """511 rows are few, 512 are many; rows without weight don't count."""
    rng = np.random.default_rng(0)
    sizes = {(0,): 511, (1,): 512, (2,): 20_000, (0, 1): 514, (0, 1, 2): 600}
    X, weight = rng.normal(size=(300, 3)), np.ones(300)
    for missing, n in sizes.items():
        part, own = rng.normal(size=(n, 3)), np.ones(n)
        part[:, list(missing)] = np.nan
        own[:3] = 0.0 if missing == (0, 1) else 1.0
        X, weight = np.concatenate([X, part]), np.concatenate([weight, own])
    order = rng.permutation(len(X))
    X, weight = X[order], weight[order]
    found = []
    for task in tasks_of(X, weight):
        observed = task[0][2]
        assert all(np.array_equal(block[2], observed) for block in task)
        rows = np.concatenate([block[0] for block in task])
        assert len(rows) <= 8192
        seen = ~np.isnan(X[rows])
        if task[0][1]:
            assert observed is None
            assert seen.all()
        elif observed is None:
            assert len(rows) == 511 + 511
        else:
            assert np.all(seen == observed)
            found.append((tuple(np.flatnonzero(~observed)), len(rows)))
    assert sorted(found) == [
        ((0, 1, 2), 600),
        ((1,), 512),
        ((2,), 3616),
        ((2,), 8192),
        ((2,), 8192),
    ]


def test_patterns_of_many_columns_are_told_apart():
    """More than one byte of them, and rows that differ in the last one alone."""
    X = np.zeros((2400, 19))
    X[:, 0] = np.nan
    X[::2, 18] = np.nan
    tasks = tasks_of(X)
    assert len(tasks) == 2
    for task in tasks:
        for rows, complete, observed in task:
            assert not complete
            np.testing.assert_array_equal(np.isnan(X[rows]), [~observed] * len(rows))


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_a_fit_is_the_same_with_and_without_common_patterns(
    covariance_type, monkeypatch
):
    X = data_with_holes(3000, 3)
    X[: len(X) // 2] += 3.0
    X = X[~np.isnan(X).all(axis=1)]
    options = {"covariance_type": covariance_type, "max_iter": 20, "tol": 0.0}
    fits = []
    for at_least in (128, 10**9):
        monkeypatch.setattr(rows_module, "_PATTERN_ROWS", at_least)
        common = sum(b[2] is not None for task in tasks_of(X) for b in task)
        assert (common > 0) == (at_least == 128)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits.append(GaussianMixture(2, random_state=0, **options).fit(X))
    one, two = fits
    assert one.lower_bound_ == pytest.approx(two.lower_bound_, rel=1e-10)
    np.testing.assert_allclose(one.means_, two.means_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(one.covariances_, two.covariances_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(one.score_samples(X), two.score_samples(X), rtol=1e-6)
