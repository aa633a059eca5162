"""How good draws are, and how real rows look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    check_is_fitted,
)

from sklgen._frames import narwhals, open_frame
from sklgen._torch import one_thread
from sklgen.metrics import whitened_energy_distance
from sklgen.neural._base import in_double
from sklgen.neural._labels import Codes
from sklgen.neural._net import BLOCK

# Draws with which `score` compares rows.
_SEED = 0
# It draws at least as many.
_FEWEST_DRAWS = 500


class AdversarialScores:
    """What draws and the critic say about rows, for a GAN that is fitted."""

    if TYPE_CHECKING:
        net_: Any
        class_shares_: NDArray[np.float64]
        _schema: Any
        _n_classes: int
        _validate: Any
        _inputs: Any
        _classes: Any
        _codes: Any
        sample: Any

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Negative whitened energy distance between rows and draws: higher is better.

        Draws have a fixed seed, so that scores differ by models and rows alone. The
        distance is that of `sklgen.metrics.whitened_energy_distance`, without bias: it
        is 0 in the mean if rows and draws have one distribution.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, at least two.
        y : array-like of shape (n_samples,), default=None
            Class of each row. Draws then have these classes, and the class counts as
            one more column. Ignored where `fit` had no labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, a count. None weighs all rows alike.

        Returns
        -------
        score : float
            Negative distance, in standard deviations of `X`.
        """
        check_is_fitted(self)
        n = len(self._validate(X))
        repeats = -(-_FEWEST_DRAWS // n)
        if y is None or not self._n_classes:
            draws = self.sample(n * repeats, random_state=_SEED)
        else:
            y = _check_y(y, estimator=self)
            check_consistent_length(X, y)
            labels = np.tile(y, repeats)
            draws = self.sample(n * repeats, y=labels, random_state=_SEED)
            X, draws = _with_labels(X, y), _with_labels(draws, labels)
        return -whitened_energy_distance(X, draws, sample_weight=sample_weight)

    def score_realism(self, X: Any, y: Any = None) -> NDArray[Any]:
        """What the critic says of each row: the higher, the more it looks real.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, drawn ones or others.
        y : array-like of shape (n_samples,), default=None
            Class of each row. None takes the mean over classes, by their shares.
            Ignored where `fit` had no labels.

        Returns
        -------
        realism : ndarray of shape (n_samples,)
            Numbers of any sign, to compare rows with each other: a critic that knows
            all gives the log of the density of rows over that of draws, up to a
            constant.
        """
        check_is_fitted(self)
        typed = self._validate(X)
        n, K = len(typed), self._n_classes
        critic = in_double(self.net_.critic_.eval())
        heads: Any = in_double(self.net_.averaged_.module.heads)
        inputs = heads.read(self._inputs(self._schema.learn_from(typed)))
        each: list[Codes | None]
        if y is None or not K:
            each = [np.full(n, k, dtype=np.intp) for k in range(K)] or [None]
            shares = self.class_shares_ if K else np.ones(1)
        else:
            y = _check_y(y, estimator=self)
            check_consistent_length(X, y)
            each, shares = [self._codes(y)], np.ones(1)
        realism = np.zeros(n)
        with one_thread(), torch.no_grad():
            for codes, share in zip(each, shares, strict=True):
                classes = self._classes(n, codes)
                says = [
                    critic(*pair)
                    for pair in zip(
                        torch.split(inputs, BLOCK),
                        torch.split(classes, BLOCK),
                        strict=True,
                    )
                ]
                realism += share * torch.cat(says)[:, 0].cpu().numpy()
        return realism.astype(typed.dtype, copy=False)


def _with_labels(X: Any, labels: NDArray[Any]) -> Any:
    """A table with one more column."""
    words = [str(label) for label in labels.tolist()]
    frame = open_frame(X, "GAN")
    if frame is None:
        return np.column_stack([np.asarray(X, dtype=object), words])
    name = "class"
    while name in frame.columns:
        name += "_"
    backend = frame.implementation
    column = narwhals().new_series(name, words, backend=backend)
    return frame.with_columns(column).to_native()
