"""How good draws are, and how real rows look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklgen._frames import narwhals, open_frame
from sklgen._labels import Codes
from sklgen._torch import one_thread
from sklgen.metrics import whitened_energy_distance
from sklgen.neural._base import in_double
from sklgen.neural._gan_net import FEWEST_DRAWS, SEED
from sklgen.neural._net import BLOCK


class AdversarialScores:
    """What draws and the critic say about rows, for a GAN that is fitted."""

    if TYPE_CHECKING:
        net_: Any
        device: str
        _schema: Any
        _n_classes: int
        _validate: Any
        _inputs: Any
        _classes: Any
        _codes: Any
        _given: Any
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
        repeats = -(-FEWEST_DRAWS // n)
        labels = self._given(y, X)
        if labels is None:
            draws = self.sample(n * repeats, random_state=SEED)
        else:
            many = np.tile(labels, repeats)
            draws = self.sample(n * repeats, y=many, random_state=SEED)
            X, draws = _with_labels(X, labels), _with_labels(draws, many)
        return -whitened_energy_distance(X, draws, sample_weight=sample_weight)

    def score_realism(self, X: Any, y: Any = None) -> NDArray[Any]:
        """What the critic says of each row: the higher, the more it looks real.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, drawn ones or others.
        y : array-like of shape (n_samples,), default=None
            Class of each row. None takes the class in which a row looks most real.
            Ignored where `fit` had no labels.

        Returns
        -------
        realism : ndarray of shape (n_samples,)
            What the critic says, less what it says of draws of the class in the mean.
            A critic that knows all says the log of the density of rows over that of
            draws, up to a constant; where draws are good, it can hardly tell.
        """
        check_is_fitted(self)
        typed = self._validate(X)
        n, K = len(typed), self._n_classes
        labels = self._given(y, typed)
        classes: list[Codes | None] = [np.full(n, k, dtype=np.intp) for k in range(K)]
        if not K:
            classes = [None]
        elif labels is not None:
            classes = [self._codes(labels)]
        with one_thread(), torch.no_grad():
            heads: Any = in_double(self.net_.averaged_.module.heads)
            rows = heads.read(self._inputs(self._schema.learn_from(typed)))
            usual = np.array([self._usual(code) for code in range(max(K, 1))])
            each = [self._criticize(rows, codes) for codes in classes]
        known = [0 if codes is None else codes for codes in classes]
        realism = [a - usual[codes] for a, codes in zip(each, known, strict=True)]
        return np.asarray(np.max(realism, axis=0), dtype=typed.dtype)

    def _usual(self, code: int) -> float:
        """What the critic says of draws of a class, in the mean."""
        codes = np.full(FEWEST_DRAWS, code) if self._n_classes else None
        generator = torch.Generator().manual_seed(SEED)
        classes = self._classes(FEWEST_DRAWS, codes).float()
        draws = self.net_.averaged_.module.draw(classes, generator)
        return float(self._criticize(draws.double(), codes).mean())

    def _criticize(self, rows: Tensor, codes: Codes | None) -> NDArray[np.float64]:
        critic = in_double(self.net_.critic_.eval())
        blocks = [
            torch.split(part, BLOCK) for part in (rows, self._classes(len(rows), codes))
        ]
        says = [critic(*block) for block in zip(*blocks, strict=True)]
        values: NDArray[np.float64] = torch.cat(says)[:, 0].numpy()
        return values


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
