"""How networks are fitted to rows, and what all neural generators share."""

from __future__ import annotations

import math
from abc import abstractmethod
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.helper import predefined_split
from torch import Tensor, nn

from sklgen._labels import Codes
from sklgen._random import as_generator
from sklgen._torch import one_thread, seeded
from sklgen.compose import TabularEncoder
from sklgen.compose._typed_rows import TypedRowsMixin
from sklgen.neural._callbacks import Diverged, KeepBest, Progress
from sklgen.neural._layout import Layout
from sklgen.neural._net import Batches, Blocks, RowsOf

Module = TypeVar("Module", bound=nn.Module)

# An epoch makes at least this many steps, however few the rows are.
_SHORTEST_EPOCH = 50


class BaseNeural(TypedRowsMixin):
    """Rows in, networks trained: by steps, on one thread, from one seed.

    Hooks: `_make_net(dataset, **options)` makes the skorch net for the first rows, with
    `options` for its constructor, and `_monitor` is the value by which epochs compare.
    """

    max_iter: int
    batch_size: int
    learning_rate: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    categorical_features: Any
    max_categories: int | None
    device: str
    callbacks: Any
    warm_start: bool
    random_state: Any
    verbose: int
    net_: Any
    n_iter_: int
    history_: list[dict[str, Any]]
    _layout: Layout

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "device": [str],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _monitor = "valid_loss"
    # What a row is, for models of images and sequences.
    sample_shape: Any = None

    @abstractmethod
    def _make_net(self, dataset: RowsOf, **options: Any) -> Any: ...

    if TYPE_CHECKING:
        _n_classes: int

        def _labels(
            self, y: Any, X: NDArray[Any], *, reset: bool, adds: bool = False
        ) -> Codes | None: ...

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Fit the model to rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Class of each row, to learn each class by itself. None learns rows alone.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ArithmeticError
            If a loss is NaN or infinite. The estimator then has the networks of the
            best epoch before, or without one those of the step before.
        """
        goes_on = self.warm_start and hasattr(self, "net_")
        return self._learn(X, y, self.max_iter, goes_on=goes_on)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Any:
        """Train for one more epoch.

        The first call learns how to read rows, later ones go on from the networks that
        there are.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Class of each row; all classes must be there at the first call.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        return self._learn(X, y, None, goes_on=hasattr(self, "net_"))

    def _learn(self, X: Any, y: Any, n_steps: int | None, *, goes_on: bool) -> Any:
        """Train for a number of steps, or for one epoch, anew or from where we are."""
        typed = self._validate(X, reset=not goes_on)
        adds = goes_on and n_steps is None
        codes = self._labels(y, typed, reset=not goes_on, adds=adds)
        typed, codes = _in_order(typed, codes)
        rng = as_generator(self.random_state)
        generator = torch.Generator(self.device)
        with one_thread(), seeded(generator, int(rng.integers(1 << 62))):
            if not goes_on:
                learned = self._schema.learn_from(typed)
                # The pixels of an image have one scale.
                together = self.sample_shape is not None
                self._layout = Layout.of(self._schema, learned, together=together)
            train, valid = self._split(typed, codes, rng)
            steps = max(_SHORTEST_EPOCH, -(-len(train) // self.batch_size))
            total = n_steps or steps
            options = self._options(steps, total)
            if goes_on:
                # skorch's set_params knows no iterators of a net that is initialized.
                vars(self.net_).update(options)
                self.net_.initialize_callbacks()
            else:
                self.net_ = self._make_net(train, verbose=0, warm_start=True, **options)
                self.net_.initialize()
            self.net_.move(self.device)
            try:
                rows = train.to(self.device), valid and valid.to(self.device)
                self._train(*rows, adds=adds)
            finally:
                self.net_.move("cpu")
        return self

    def _train(self, train: RowsOf, valid: RowsOf | None, *, adds: bool) -> None:
        """Run the net, and store what users look at.

        `adds` says that rows come to those of earlier calls.
        """
        net = self.net_
        net.train_split = valid and predefined_split(valid)
        try:
            net.partial_fit(train)
        except Diverged as error:
            keepers = [c for _, c in net.callbacks_ if isinstance(c, KeepBest)]
            best = any(keeper.restore(net) for keeper in keepers)
            kept = "the best epoch before" if best else "the step before"
            raise Diverged(
                f"{type(self).__name__} diverged at step {net.n_steps + 1}: {error}. "
                f"The networks are those of {kept}. Make learning_rate smaller, now "
                f"{self.learning_rate}, or look for extreme values in X."
            ) from error
        finally:
            net.train_split = None  # fitted estimators keep no rows
            self.n_iter_ = net.n_steps
            self.history_ = [
                {key: value for key, value in epoch.items() if key != "batches"}
                for epoch in net.history
            ]

    def _options(self, steps: int, total: int) -> dict[str, Any]:
        """Options of a run of the net."""
        monitor = self._monitor if self.early_stopping else "train_loss"
        callbacks: list[Any] = [*(self.callbacks or [])]
        if self.early_stopping:
            callbacks.append(KeepBest(monitor, self.n_iter_no_change))
        if self.verbose:
            callbacks.append(Progress(total, monitor))
        return {
            "lr": self.learning_rate,
            "max_epochs": -(-total // steps),
            "batch_size": self.batch_size,
            "iterator_train": partial(Batches, n_steps=steps, total=total),
            "iterator_valid": Blocks,
            "callbacks": callbacks,
        }

    def _split(
        self, typed: NDArray[Any], codes: Codes | None, rng: np.random.Generator
    ) -> tuple[RowsOf, RowsOf | None]:
        """Tensors of rows to learn from, and of those that tell when to stop."""
        n = len(typed)
        if not self.early_stopping:
            return self._dataset(typed, codes), None
        order = rng.permutation(n)
        held = order[: max(1, round(self.validation_fraction * n))]
        kept = order[len(held) :] if n > 1 else order
        train, valid = (
            self._dataset(typed[at], None if codes is None else codes[at])
            for at in (kept, held)
        )
        return train, valid

    def _dataset(self, typed: NDArray[Any], codes: Codes | None) -> RowsOf:
        """Tensors of typed rows, and of their classes: one indicator for each."""
        rows = self._schema.learn_from(typed)
        tensors = [self._inputs(rows), self._classes(len(rows), codes)]
        return RowsOf(*(tensor.float() for tensor in tensors))

    def _inputs(self, rows: NDArray[Any]) -> Tensor:
        return torch.from_numpy(self._layout.inputs(rows))

    def _classes(self, n: int, codes: Codes | None) -> Tensor:
        """Indicators of classes, no columns where there are no classes."""
        shape = (n, self._n_classes)
        indicators = torch.zeros(shape, dtype=torch.float64)
        if codes is not None:
            indicators[torch.arange(n), torch.from_numpy(codes)] = 1.0
        return indicators

    def _as_typed(
        self, numbers: NDArray[Any], codes: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Typed rows of what networks draw, ready to be restored."""
        learned = self._layout.rows(numbers, codes)
        ends = np.zeros((len(learned), self._schema.width - learned.shape[1] - 1))
        return np.hstack([learned, ends, rng.random((len(learned), 1))])

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        if self.sample_shape is None:
            return {}
        n_cells = math.prod(self.sample_shape)
        if n_cells != len(names):
            raise ValueError(
                f"sample_shape={self.sample_shape} has {n_cells} cells, but X has "
                f"{len(names)} columns: rows must be flat, one column for each cell."
            )
        return dict.fromkeys(range(len(names)), "gaussian")

    def _encoder(self, passthrough: list[int]) -> TabularEncoder:
        return TabularEncoder(
            self.categorical_features,
            max_categories=self.max_categories,
            passthrough=passthrough or None,
        )

    def _check_typed(self, typed: NDArray[Any]) -> None:
        """All typed rows will do."""


def _in_order(
    rows: NDArray[Any], codes: Codes | None
) -> tuple[NDArray[Any], Codes | None]:
    """Rows sorted by values, so that the order in which they came has no effect."""
    keys = list(rows.T) if codes is None else [codes, *rows.T]
    order = np.lexsort(keys[::-1])
    return rows[order], None if codes is None else codes[order]


def in_double(module: Module) -> Module:
    """A copy in float64: rows' losses must not depend on the block they come in."""
    return deepcopy(module).double()
