"""Densities of a pipeline, in the units of its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_method_params,
    check_is_fitted,
    validate_data,
)

from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.compose._jacobian_inverse import as_cells, backward, bounded
from sklgen.compose._jacobian_steps import first_obstacle, forward
from sklgen.compose._pipeline_draws import N_DRAWS, PipelineDraws, blocks, has_order
from sklgen.compose._pipeline_steps import final_has

# Draws that tell which share of the generator's mass has an original.
_N_PROBES = 2**16


def _has_density(pipeline: Any) -> bool:
    final_has("score_samples")(pipeline)
    obstacle = first_obstacle(pipeline._transformers())
    if obstacle:
        raise AttributeError(obstacle)
    if getattr(pipeline, "_log_mass", 0.0) < 0 and has_order(pipeline._final_estimator):
        raise AttributeError(
            "the transformers do not reach all rows that sequences go through, and the "
            "share of sequences that stay within reach is not known"
        )
    if np.isnan(getattr(pipeline, "_log_mass", 0.0)):
        raise AttributeError(
            "the transformers do not reach all rows, and the last step has no `sample` "
            "to tell how much of its mass they reach: use transformers that do, such "
            "as StandardScaler"
        )
    return True


def _has_score(pipeline: Any) -> bool:
    if hasattr(pipeline._final_estimator, "score_samples"):
        return _has_density(pipeline)
    return final_has("sample")(pipeline)


class PipelineDensity(PipelineDraws):
    """Densities of rows in the units of X, by the last step and the log-Jacobians."""

    _log_mass: float

    @available_if(_has_density)
    def score_samples(self, X: Any, **params: Any) -> NDArray[Any]:
        """Log-density of each row in the units of X, in nats.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows. Where steps act column by column and the last step takes missing
            cells, the density is the marginal one of the cells that were observed.
        **params : dict
            Further arguments of the `score_samples` of the last step.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density of each row; -inf where a step is not
            defined, as the logarithm of a negative number.
        """
        check_is_fitted(self)
        return self._log_density(X, params).astype(dtype_of(X), copy=False)

    @available_if(_has_score)
    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> float:
        """Weighted mean of `score_samples`: higher is better.

        For a last step without density, the negative whitened energy distance between X
        and draws of a fixed seed.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row. None weighs all rows alike.
        **params : dict
            Further arguments of the `score_samples` of the last step or, with metadata
            routing, whatever steps have requested for `score`.

        Returns
        -------
        score : float
            Mean log-density per row, in nats.
        """
        check_is_fitted(self)
        routed = None
        if _routing_enabled():
            routed = process_routing(
                self, "score", sample_weight=sample_weight, **params
            )
            params = dict(routed[self.steps_[-1][0]].score)
            sample_weight = params.pop("sample_weight", None)
        if not hasattr(self._final_estimator, "score_samples"):
            return self._energy(X, sample_weight)
        weight = check_weights(sample_weight, X)
        log_density = self._log_density(X, params, routed)
        return float(np.average(log_density[weight > 0], weights=weight[weight > 0]))

    def _energy(self, X: Any, sample_weight: Any) -> float:
        from sklgen.metrics import whitened_energy_distance

        draws = self.sample(max(len(X), 1000), random_state=0)
        return -whitened_energy_distance(X, draws, sample_weight=sample_weight)

    def _log_density(self, X: Any, params: Any, routed: Any = None) -> Array:
        validate_data(self, X, reset=False, skip_check_array=True)
        asked = (
            {n: routed[n].transform for n, _ in self._transformers()} if routed else {}
        )
        log_density, Z, inside = forward(self._transformers(), X, asked)
        if inside.any():
            own = _check_method_params(X, params, np.flatnonzero(inside))
            log_density[inside] += self._final_estimator.score_samples(Z, **own)
            log_density[inside] -= self._log_mass
            if self._log_mass < 0:
                log_density[inside] += self._log_shares(Z)
        return log_density

    def _log_shares(self, Z: Any) -> Array:
        """Log of the share of what rows may have at missing cells with an original."""
        rows = as_cells(Z)
        log_share = np.zeros(len(rows))
        gone = np.isnan(rows)
        log_share[gone.all(axis=1)] = self._log_mass
        missing = gone.any(axis=1) & ~gone.all(axis=1)
        state = np.random.RandomState(0)
        for block in blocks(np.flatnonzero(missing), rows.shape[1]):
            at = np.repeat(block, N_DRAWS)
            drawn = self._conditional(Z, at, state, {})
            inside = backward(self._transformers(), drawn, state)[1]
            shares = inside.reshape(len(block), N_DRAWS).mean(axis=1)
            log_share[block] = np.log(np.maximum(shares, 1 / N_DRAWS))
        return log_share

    def _probe(self) -> float:
        """Log of the share of the generator's mass that has an original."""
        if not bounded(self._transformers()):
            return 0.0
        if not hasattr(self._final_estimator, "sample"):
            return np.nan
        state = np.random.RandomState(0)
        Z = self._generate(_N_PROBES, state, {})
        share = backward(self._transformers(), Z, state)[1].mean()
        return float(np.log(max(share, 1 / _N_PROBES)))


def dtype_of(X: Any) -> Any:
    """float32 for arrays of it, else float64."""
    return np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
