"""What a fitted variational autoencoder says about rows, and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from sklgen._labels import Codes, LabelledDensityMixin
from sklgen._torch import one_thread
from sklgen._typing import Array
from sklgen.base import ConditionalMixin
from sklgen.neural._base import in_double
from sklgen.neural._layout import Layout
from sklgen.neural._vae_inference import Inference, Posterior, draw_cells
from sklgen.neural._vae_laws import LAWS, Cells, Laws, LineLaw
from sklgen.neural._vae_prior import Prior
from sklgen.neural._vae_rows import CellReader, MeanCells


class FittedAutoencoder(
    LabelledDensityMixin,
    ConditionalMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
):
    """Densities, draws, completions and latent vectors of fitted networks."""

    n_importance_samples: int
    net_: Any
    n_latent_: int
    _schema: Any
    _layout: Layout
    _reader: CellReader
    _priors: tuple[Prior, ...]

    @property
    def _n_features_out(self) -> int:
        return self.n_latent_

    @property
    def _law(self) -> LineLaw:
        """The law of numbers that the networks learned by."""
        return LAWS[self.net_.averaged_.module.law]

    def _inference(self) -> Inference:
        module = in_double(self.net_.averaged_.module)
        return Inference(module, self._law, self._priors, self.n_importance_samples)

    def _cells(self, typed: Array) -> Cells:
        return self._reader.cells(typed[:, : self._schema.n_learned], typed)

    def _score_samples(self, X: Array, codes: Codes | None) -> NDArray[np.float64]:
        cells, inference = self._cells(X), self._inference()
        out = self._reader.log_offset(X, cells)
        kinds = np.zeros(len(X), dtype=np.intp) if codes is None else codes
        with one_thread(), torch.no_grad():
            for k in np.unique(kinds).tolist():
                rows = np.flatnonzero(kinds == k)
                own = Cells(*(part[rows] for part in cells))
                for block, posterior in inference.blocks(own, k):
                    out[rows[block]] += posterior.log_density.numpy()
        return np.asarray(out)

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> Array:
        kinds = np.zeros(n_samples, dtype=np.intp) if codes is None else codes
        z = np.empty((n_samples, self.n_latent_))
        for k in np.unique(kinds).tolist():
            z[kinds == k] = self._priors[k].draw(int(np.sum(kinds == k)), rng)
        laws = self._laws(z, codes)
        rows: Array = self._as_typed(*self._draw(laws, rng), rng)
        return rows

    def _laws(self, z: Array, codes: Codes | None) -> Laws:
        """Laws of cells for latent vectors, in float64."""
        with one_thread(), torch.no_grad():
            classes = self._classes(len(z), codes)
            laws: Laws = self._inference().module.decode(torch.from_numpy(z), classes)
            return laws

    def _draw(self, laws: Any, rng: np.random.Generator) -> tuple[Array, Array]:
        mean, scale, logs = (np.asarray(part) for part in laws)
        arrays = mean, scale, logs
        numbers, codes = draw_cells(arrays, self._layout.levels, self._law, rng)
        return self._reader.clip(numbers), codes

    def _posteriors(self, X: Array) -> Any:
        """Blocks of rows, with the posterior of each class and the log-share of it."""
        cells, inference = self._cells(X), self._inference()
        with np.errstate(divide="ignore"):
            shares = np.log(self.class_shares_) if self._n_classes else np.zeros(1)
        each = [inference.blocks(cells, k) for k in range(len(shares))]
        for parts in zip(*each, strict=True):
            posteriors = [posterior for _, posterior in parts]
            logs = [
                posterior.log_weights + share
                for posterior, share in zip(posteriors, shares, strict=True)
            ]
            weights = torch.softmax(torch.cat(logs, dim=1), dim=1)
            yield parts[0][0], weights.numpy(), posteriors

    def _sample_conditional(self, X: Array, rng: np.random.Generator) -> Array:
        filled = X.astype(np.float64)
        gone = self._reader.missing(filled)
        todo = np.flatnonzero(gone.any(axis=1))
        if not len(todo):
            return filled
        n_open = len(self._schema.missing)
        with one_thread(), torch.no_grad():
            for block, weights, posteriors in self._posteriors(filled[todo]):
                laws = _chosen(weights, posteriors, rng)
                numbers, codes = self._draw(laws, rng)
                # These are about values: no cell is to miss.
                codes[:, codes.shape[1] - n_open :] = 0.0
                drawn = self._as_typed(numbers, codes, rng)
                rows, n = todo[block], gone.shape[1]
                filled[rows, :n] = np.where(gone[rows], drawn[:, :n], filled[rows, :n])
                filled[rows, -1] = drawn[:, -1]
        return filled

    def _impute(self, X: Array) -> Array:
        filled = X.astype(np.float64)
        todo = np.flatnonzero(self._reader.missing(filled).any(axis=1))
        if not len(todo):
            return filled
        means = MeanCells(self._reader, self._law)
        with one_thread(), torch.no_grad():
            for block, weights, posteriors in self._posteriors(filled[todo]):
                rows = filled[todo[block]]
                laws = [_side_by_side(posterior) for posterior in posteriors]
                mean, scale, logs = (
                    np.concatenate(parts, axis=1) for parts in zip(*laws, strict=True)
                )
                means.fill(rows, weights, mean, scale, np.exp(logs))
                filled[todo[block]] = rows
        return filled

    def transform(self, X: Any) -> Any:
        """Encode rows as the means of their latent vectors.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : ndarray of shape (n_samples, `n_latent_`)
            Means of the encoder's laws.
        """
        check_is_fitted(self)
        X = self._validate(X)
        cells, inference = self._cells(X), self._inference()
        with one_thread(), torch.no_grad():
            mean, _ = inference.module.encode(
                cells.inputs, cells.observed, inference.classes(len(X), None)
            )
        return mean.numpy().astype(X.dtype, copy=False)

    def inverse_transform(self, Z: Any, y: Any = None) -> Any:
        """Decode latent vectors into rows.

        Parameters
        ----------
        Z : array-like of shape (n_samples, `n_latent_`)
            Latent vectors.
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each; needed where `fit` had labels.

        Returns
        -------
        X : array or DataFrame, as in `fit`
            Rows of medians and most probable categories.
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=np.float64, input_name="Z")
        if Z.shape[1] != self.n_latent_:
            raise ValueError(
                f"Z has {Z.shape[1]} columns, but this {type(self).__name__} has "
                f"{self.n_latent_} latent dimensions: pass what transform gives."
            )
        if self._n_classes and y is None:
            raise ValueError(
                f"this {type(self).__name__} was fitted with labels: pass y, a label "
                "for all rows or one for each."
            )
        rng = np.random.default_rng(0)
        codes = None if y is None else self._sample_codes(y, len(Z), rng)
        laws = self._laws(Z, codes)
        blocks = torch.split(laws.log_probabilities, list(self._layout.levels), 1)
        likely = [block.argmax(dim=1).double().numpy() for block in blocks]
        likely_codes = np.array(likely).reshape(len(likely), len(Z)).T
        numbers = self._reader.clip(laws.mean.numpy())
        return self._schema.restore(self._as_typed(numbers, likely_codes, rng))


def _side_by_side(posterior: Posterior) -> list[Array]:
    """Laws of all latent vectors of each row."""
    n = len(posterior.log_weights)
    return [
        np.concatenate(
            [own.numpy(), np.broadcast_to(shared, (n, *shared.shape[1:]))], 1
        )
        for own, shared in zip(posterior.own, posterior.shared, strict=True)
    ]


def _chosen(
    weights: Array, posteriors: list[Posterior], rng: np.random.Generator
) -> list[Array]:
    """Laws of one latent vector of each row, drawn with its weight."""
    ends = np.cumsum(weights, axis=1)
    uniform = rng.random((len(weights), 1)) * ends[:, -1:]
    at = np.minimum((ends < uniform).sum(axis=1), weights.shape[1] - 1)
    laws = [_side_by_side(posterior) for posterior in posteriors]
    rows = np.arange(len(weights))
    return [
        np.concatenate(parts, axis=1)[rows, at] for parts in zip(*laws, strict=True)
    ]
