"""Training documents: rows of counts in batches that are revised one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import kmeans_plusplus

from sklgen._typing import Array
from sklgen.em._distinct import hash_sparse
from sklgen.em._tasks import Scratch, Tasks
from sklgen.families._counts import root_shares
from sklgen.topics._kernels import Shares, count_words, scatter
from sklgen.topics._uniform_kernels import stream

T = TypeVar("T")

# A pass has at most so many batches, of so many cells or more.
_BATCHES = 16
_BATCH_CELLS = 8192
_BLOCK_CELLS = 8192
# Documents that may be the first of topics: so many times these, or so many.
_CANDIDATES = 8
_FEWEST_CANDIDATES = 256
# Topics are padded to a multiple of what vector instructions take.
_LANES = 8


@dataclass(frozen=True)
class DocumentBlock:
    """Adjacent documents.

    Parameters
    ----------
    rows : slice
        Where they lie in `Documents.X`.
    start : ndarray of shape (n + 1,)
        Where the cells of each one start, in the arrays of X.
    weight : ndarray of shape (n,)
        Weight of each document.
    """

    rows: slice
    start: NDArray[Any]
    weight: Array


class Documents(Tasks):
    """Documents in batches of blocks, run by threads in a fixed order.

    Use as a context manager: while it is open, native thread pools are held to one
    thread each.

    Parameters
    ----------
    X : csr_array of shape (n, V)
        Counts, in canonical form.
    weight : ndarray of shape (n,)
        Non-negative weights; documents of weight zero are left out.
    rng : numpy.random.Generator
        Chooses the batches and where the shares of topics start.
    n_threads : int
        Threads that run the blocks.

    Notes
    -----
    Documents are ordered by a random hash of their cells. Batches are ranges of hashes,
    so that the order of the rows has no effect, and copies of a document are in one
    batch, as one document of their weight is.
    """

    def __init__(
        self, X: csr_array, weight: Array, rng: np.random.Generator, n_threads: int
    ) -> None:
        super().__init__(n_threads)
        hashes = hash_sparse(X, rng)
        used = np.flatnonzero(weight)
        self.order = used[np.argsort(hashes[used], kind="stable")]
        # One type of counts, so that nothing is compiled for another one.
        self.X = X[self.order].astype(np.float64, copy=False)
        self.weight = weight[self.order]
        self.seeds = hashes[self.order]
        self.batches = [list(self._blocks(at)) for at in self._ranges()]
        self.n_threads = n_threads

    @property
    def n_tokens(self) -> float:
        """Number of tokens, each by the weight of its document."""
        return float(self.weight @ self.X.sum(axis=1, dtype=np.float64))

    def seeds_apart(self, n: int, start: int) -> NDArray[np.intp]:
        """Rows of documents that differ, by k-means++ among a random few.

        Parameters
        ----------
        n : int
            Number of documents.
        start : int
            Other numbers choose other documents.

        Returns
        -------
        rows : ndarray of shape (n,), or fewer where there are no more
            Distinct documents with words, wherever these lie in X.
        """
        _, first, copies = np.unique(self.seeds, return_index=True, return_inverse=True)
        weight = np.bincount(copies, self.weight)
        usable = np.flatnonzero(np.diff(self.X.indptr)[first] > 0)
        # Hashes are random: some that follow each other are a sample.
        n_candidates = max(_CANDIDATES * n, _FEWEST_CANDIDATES)
        usable = np.roll(usable, -start * n_candidates)[:n_candidates]
        rows = first[usable]
        if len(rows) <= n:
            return rows
        seed = (int(self.seeds[first[0]]) + start) % 2**32
        source = np.random.RandomState(seed)
        _, chosen = kmeans_plusplus(
            root_shares(self.X[rows]),
            n,
            sample_weight=weight[usable],
            random_state=source,
        )
        return np.asarray(rows[chosen])

    @cached_property
    def word_ranges(self) -> list[tuple[int, int]]:
        """A range of words for each thread, with about as many cells in each."""
        cells = np.bincount(self.X.indices, minlength=self.X.shape[1]).cumsum()
        shares = np.arange(1, self.n_threads) / self.n_threads
        cuts = np.searchsorted(cells, shares * cells[-1]).tolist()
        return list(pairwise([0, *cuts, len(cells)]))

    @property
    def longest_batch(self) -> int:
        """Largest number of cells of a batch."""
        cells = [batch[-1].start[-1] - batch[0].start[0] for batch in self.batches]
        return int(max(cells, default=0))

    def _ranges(self) -> Iterator[tuple[int, int]]:
        cells = float(self.weight @ np.diff(self.X.indptr))
        n = int(np.clip(cells // _BATCH_CELLS, 1, _BATCHES))
        half = np.uint64(32)
        batch = ((self.seeds >> half) * np.uint64(n) >> half).astype(np.intp)
        ends = np.searchsorted(batch, np.arange(n), side="right")
        low = 0
        for high in ends.tolist():
            if high > low:
                yield low, high
            low = high

    def _blocks(self, at: tuple[int, int]) -> Iterator[DocumentBlock]:
        low, high = at
        start = self.X.indptr
        number = (start[low:high] - start[low]) // _BLOCK_CELLS
        cuts = np.flatnonzero(np.diff(number)) + low + 1
        for first, last in zip([low, *cuts], [*cuts, high], strict=True):
            yield DocumentBlock(
                slice(int(first), int(last)),
                start[first : last + 1],
                self.weight[first:last],
            )

    def map(self, function: Callable[[DocumentBlock, Scratch], T]) -> Iterator[T]:
        """Apply a function to every block.

        Parameters
        ----------
        function : callable
            `function(block, scratch)` runs in any thread; what it returns must not be
            memory of `scratch`.

        Returns
        -------
        results : iterator
            One result a block, in the order of the blocks.
        """
        return self.run(function, [block for batch in self.batches for block in batch])

    @staticmethod
    def _parts(task: DocumentBlock) -> tuple[DocumentBlock]:
        return (task,)

    def random_shares(self, n_topics: int, start: int = 0) -> Shares:
        """Random shares of topics in each cell.

        Parameters
        ----------
        n_topics : int
            Number of topics.
        start : int, default=0
            Other numbers give other shares.

        Returns
        -------
        shares : ndarray of shape (n_cells, K)
            Rows sum to one; K is `padded(n_topics)`.
        """
        shares = np.zeros((self.X.nnz, padded(n_topics)), np.float32)
        seeds = stream(self.seeds, start)

        def fill(block: DocumentBlock, scratch: Scratch) -> None:
            scatter(block.start, seeds[block.rows], n_topics, shares)

        for _ in self.map(fill):
            pass
        return shares

    def count_words(self, shares: Shares, weight: Array | None = None) -> Array:
        """Expected number of tokens of each topic in each word.

        Parameters
        ----------
        shares : ndarray of shape (n_cells, K')
            Shares of topics in each cell.
        weight : ndarray of shape (n,) or None, default=None
            Weights other than those of the documents, in the order of X here.

        Returns
        -------
        words : ndarray of shape (V, K')
            The sums.
        """
        X = self.X
        words = np.zeros((X.shape[1], shares.shape[1]))
        weight = self.weight if weight is None else weight

        def add(words_of: tuple[int, int], scratch: Scratch) -> None:
            count_words(
                X.data, X.indices, X.indptr, weight, *words_of, shares, words,
            )  # fmt: skip

        for _ in self.run(add, self.word_ranges):
            pass
        return words


def padded(n_topics: int) -> int:
    """Number of topics that tables have room for."""
    return -(-n_topics // _LANES) * _LANES
