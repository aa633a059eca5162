"""The log-Jacobians of transformers that come with scikit-learn and sklgen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import _num_samples

from sklgen._typing import Array
from sklgen.compose._encoder import TabularEncoder
from sklgen.compose._jacobian import (
    FUNCTIONS,
    Rule,
    as_rows,
    rule_of,
)


@rule_of.register(StandardScaler)
@rule_of.register(RobustScaler)
@rule_of.register(MaxAbsScaler)
@rule_of.register(MinMaxScaler)
def _scaler(scaler: Any) -> Rule:
    obstacle = ""
    if getattr(scaler, "clip", False):
        obstacle = "clips rows to a box, which is not one-to-one: set clip=False"
    return Rule(
        partial(_scales, scaler), columnwise=True, affine=True, obstacle=obstacle
    )


def _scales(scaler: Any, X: Any) -> Array:
    """Logs of the factors, which all but MinMaxScaler divide by."""
    sign = 1.0 if isinstance(scaler, MinMaxScaler) else -1.0
    scale = 1.0 if scaler.scale_ is None else scaler.scale_
    return np.broadcast_to(sign * np.log(scale), as_rows(X).shape)


@rule_of.register(PCA)
def _pca(pca: Any) -> Rule:
    obstacle = ""
    if hasattr(pca, "components_") and len(set(pca.components_.shape)) > 1:
        kept, n_columns = pca.components_.shape
        obstacle = (
            f"keeps {kept} of {n_columns} components: rows off that plane have no "
            f"density. Set n_components={n_columns}, fit more than {n_columns} rows, "
            "or use the draws alone"
        )
    return Rule(partial(_whitening, pca), obstacle=obstacle)


def _whitening(pca: Any, X: Any) -> Array:
    log_det = 0.0
    if pca.whiten:
        scale = np.sqrt(pca.explained_variance_)
        log_det = -np.log(np.maximum(scale, np.finfo(scale.dtype).eps)).sum()
    return np.full(len(as_rows(X)), log_det)


@rule_of.register(PowerTransformer)
def _power(power: Any) -> Rule:
    cells = _box_cox if power.method == "box-cox" else _yeo_johnson
    return Rule(
        partial(cells, power), columnwise=True, image=partial(_power_image, power)
    )


def _box_cox(power: Any, X: Any) -> Array:
    x = as_rows(X)
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = (power.lambdas_ - 1) * np.log(x) + _log_unit(power)
    return np.where(x > 0, cells, -np.inf)


def _yeo_johnson(power: Any, X: Any) -> Array:
    x = as_rows(X).astype(np.float64)
    cells = (power.lambdas_ - 1) * np.sign(x) * np.log1p(np.abs(x))
    return np.asarray(cells + _log_unit(power))


def _log_unit(power: Any) -> Any:
    """What is added because scores are divided by their standard deviation."""
    return -np.log(power._scaler.scale_) if power.standardize else 0.0


def _power_image(power: Any) -> tuple[Any, Any]:
    lam = power.lambdas_.astype(np.float64)
    with np.errstate(divide="ignore"):
        edge = -1 / lam
        low = np.where(lam > 0, edge, -np.inf)
        if power.method == "yeo-johnson":
            low = np.where(lam > 2, 1 / (2 - lam), -np.inf)
        high = np.where(lam < 0, edge, np.inf)
    if not power.standardize:
        return low, high
    mean, scale = power._scaler.mean_, power._scaler.scale_
    return (low - mean) / scale, (high - mean) / scale


@rule_of.register(QuantileTransformer)
def _quantile(quantile: Any) -> Rule:
    obstacle = ""
    if hasattr(quantile, "quantiles_"):
        tied = (np.diff(quantile.quantiles_, axis=0) <= 0).any(axis=0)
        if tied.any():
            obstacle = (
                f"makes an atom of the ties in the columns {np.flatnonzero(tied)}: "
                "tied values have a mass, and no density. "
                "sklgen.mixture.TabularMixture models both"
            )
    return Rule(
        partial(_quantile_slopes, quantile),
        columnwise=True,
        image=partial(_quantile_image, quantile),
        obstacle=obstacle,
    )


def _quantile_slopes(quantile: Any, X: Any) -> Array:
    x = as_rows(X).astype(np.float64)
    levels = quantile.references_
    cells = np.full(x.shape, -np.inf)
    for j, knots in enumerate(quantile.quantiles_.T.astype(np.float64)):
        k = np.clip(np.searchsorted(knots, x[:, j], "right") - 1, 0, len(knots) - 2)
        slope = (levels[k + 1] - levels[k]) / (knots[k + 1] - knots[k])
        share = levels[k] + (x[:, j] - knots[k]) * slope
        inside = (x[:, j] >= knots[0]) & (x[:, j] <= knots[-1])
        cells[inside, j] = np.log(slope[inside])
        if quantile.output_distribution == "normal":
            low, high = _quantile_image(quantile)
            z = np.clip(norm.ppf(share[inside]), low, high)
            cells[inside, j] -= norm.logpdf(z)
    return cells


def _quantile_image(quantile: Any) -> tuple[Any, Any]:
    if quantile.output_distribution == "uniform":
        return 0.0, 1.0
    # scikit-learn clips to these very floats, at which observed cells may be.
    least = 1e-7 - np.spacing(1)
    return norm.ppf(least), norm.ppf(1 - least)


@rule_of.register(TabularEncoder)
def _encoder(encoder: Any) -> Rule:
    columns = getattr(encoder, "columns_", ())
    coded = [c.name for c in columns if c.has_codes]
    gridded = [c.name for c in columns if c.resolution is not None]
    obstacle = ""
    if coded or gridded:
        obstacle = (
            f"gives codes to the columns {coded} and a grid to the columns {gridded}, "
            "whose values have a mass, and no density: sklgen.mixture.TabularMixture "
            "has both"
        )
    numbers = all(c.kind == "number" and not c.has_codes for c in columns)
    return Rule(encoder.log_density_offset, columnwise=numbers, obstacle=obstacle)


@rule_of.register(FunctionTransformer)
def _function(transformer: Any) -> Rule:
    func = transformer.func
    if func is None:
        return Rule(lambda X: np.zeros(_num_samples(X)), columnwise=True, affine=True)
    found = FUNCTIONS.get(func) if isinstance(func, Hashable) else None
    if found is None:
        return Rule(
            obstacle=f"applies {func!r}, whose derivative is not known: give it with "
            "sklgen.compose.register_jacobian"
        )
    log_derivatives, image = found
    obstacle = ""
    if transformer.inverse_func is None:
        obstacle = f"applies {func!r} and has no way back: set inverse_func"
    options = transformer.kw_args or {}

    def cells(X: Any) -> Any:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return log_derivatives(as_rows(X).astype(np.float64), **options)

    return Rule(cells, columnwise=True, image=image, obstacle=obstacle)


def _positive(x: Array, values: Array) -> Array:
    return np.where(x > 0, values, -np.inf)


def _same(ends: tuple[float, float]) -> tuple[float, float]:
    return ends


_LOG_2, _LOG_3, _LOG_10 = np.log(2.0), np.log(3.0), np.log(10.0)
_KNOWN: dict[Any, tuple[Callable[[Array], Array], tuple[float, float]]] = {
    np.log: (lambda x: _positive(x, -np.log(x)), (-np.inf, np.inf)),
    np.log2: (lambda x: _positive(x, -np.log(x) - np.log(_LOG_2)), (-np.inf, np.inf)),
    np.log10: (lambda x: _positive(x, -np.log(x) - np.log(_LOG_10)), (-np.inf, np.inf)),
    np.log1p: (lambda x: _positive(1 + x, -np.log1p(x)), (-np.inf, np.inf)),
    np.exp: (lambda x: x, (0.0, np.inf)),
    np.expm1: (lambda x: x, (-1.0, np.inf)),
    np.sqrt: (lambda x: _positive(x, -_LOG_2 - 0.5 * np.log(x)), (0.0, np.inf)),
    np.cbrt: (lambda x: -_LOG_3 - 2 / 3 * np.log(np.abs(x)), (-np.inf, np.inf)),
    np.arcsinh: (lambda x: -0.5 * np.log1p(x**2), (-np.inf, np.inf)),
    np.sinh: (lambda x: np.logaddexp(x, -x) - _LOG_2, (-np.inf, np.inf)),
    np.arctanh: (lambda x: _positive(1 - x**2, -np.log1p(-(x**2))), (-np.inf, np.inf)),
    np.tanh: (lambda x: 2 * (_LOG_2 - np.logaddexp(x, -x)), (-1.0, 1.0)),
    logit: (
        lambda x: _positive(x * (1 - x), -np.log(x) - np.log1p(-x)),
        (-np.inf, np.inf),
    ),
    expit: (lambda x: -np.logaddexp(0, x) - np.logaddexp(0, -x), (0.0, 1.0)),
}
for _known, (_cells, _ends) in _KNOWN.items():
    FUNCTIONS[_known] = _cells, partial(_same, _ends)
