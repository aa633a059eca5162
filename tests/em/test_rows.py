"""Blocks cover the rows, and their sums depend on the data alone."""

import os

import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info

from sklgen.em import Rows, n_threads


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
