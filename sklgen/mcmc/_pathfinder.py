"""Starts of chains by Pathfinder: Gaussians along paths of L-BFGS to modes.

A path is a generator that yields positions and is sent log-densities and gradients, so
that all paths ask for them together.

References
----------
Zhang, Carpenter, Gelman and Vehtari (2022), Pathfinder: parallel quasi-Newton
variational inference, JMLR 23.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._evaluate import Evaluator
from sklgen.mcmc._metric import LowRank
from sklgen.mcmc._pathfinder_kernels import compact
from sklgen.mcmc._starts import TRIES, Frame, NoStart

Answer = tuple[Array, Array]

_MEMORY = 6
_MAX_ITER = 200
# Iterates whose evidence bounds are estimated, and draws for each.
_N_ITERATES, _N_DRAWS = 25, 6
# A path whose bound is lower than the best by this much has found no mode that counts.
_GAP = 10.0


@dataclass(frozen=True)
class Path:
    """A Gaussian, its evidence lower bound and draws from it.

    Attributes
    ----------
    gaussian : LowRank
        Its location and the factor of its covariance.
    bound : float
        Evidence lower bound, -inf if the density is 0 at a draw.
    error : float
        Standard error of the bound.
    draws, log_densities, gradients : ndarray of shape (n, d), (n,) and (n, d)
        Draws at which the density is positive, likely ones first.
    """

    gaussian: LowRank
    bound: float
    error: float
    draws: Array
    log_densities: Array
    gradients: Array


@dataclass(frozen=True)
class _Iterate:
    """A point on a path, and the inverse Hessian there in compact form.

    Times `scale` from both sides, it is I + W' `core` W with rows W, `wide` (2m, d).
    """

    x: Array
    value: float
    gradient: Array
    scale: Array
    wide: Array
    core: Array

    def newton(self) -> Array:
        """Step towards the mode."""
        slope = self.scale * self.gradient
        step: Array = self.scale * (slope + self.core @ (self.wide @ slope) @ self.wide)
        return step

    def gaussian(self) -> LowRank:
        """Give the Gaussian with that mode and the inverse Hessian for covariance."""
        space, weights = np.linalg.qr(self.wide.T)
        variance, vector = np.linalg.eigh(
            np.eye(space.shape[1]) + weights @ self.core @ weights.T
        )
        return LowRank(
            (self.x + self.newton())[None],
            self.scale[None],
            np.ascontiguousarray((space @ vector).T)[None],
            np.sqrt(np.maximum(variance, 1e-12))[None],
        )


def _iterate(
    x: Array, value: float, gradient: Array, variances: Array, pairs: list[Answer]
) -> _Iterate:
    """Put an inverse Hessian together from moves and changes of the gradient."""
    scale = np.sqrt(variances)
    if not pairs:
        empty = np.empty((0, len(x))), np.empty((0, 0))
        return _Iterate(x, value, gradient, scale, *empty)
    moves = np.array([move for move, _ in pairs])
    changes = np.array([change for _, change in pairs])
    return _Iterate(x, value, gradient, scale, *compact(moves, changes, scale))


def starts(
    evaluate: Evaluator,
    points: Array,
    rngs: Sequence[np.random.Generator],
    frame: Frame | None = None,
) -> list[Path]:
    """Run a path from each of the points (C, d), where the density is positive."""
    value, gradient = evaluate.kept(points)
    frame = frame or Frame.standard(points.shape[1])
    paths = [
        _path(points[c], float(value[c]), gradient[c], frame.scale, rng)
        for c, rng in enumerate(rngs)
    ]
    found: dict[int, Path] = {}
    asked = {c: next(path) for c, path in enumerate(paths)}
    while asked:
        value, gradient = evaluate.kept(np.concatenate(list(asked.values())))
        low = 0
        for c, x in list(asked.items()):
            answer = value[low : low + len(x)], gradient[low : low + len(x)]
            low += len(x)
            try:
                asked[c] = paths[c].send(answer)
            except StopIteration as end:
                found[c] = end.value
                del asked[c]
    return [found[c] for c in range(len(paths))]


def gate(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Choose for each chain a path and a draw: its own path, unless others are better.

    Paths with bounds far below the best one are replaced by the others in turn.
    """
    best = max(paths, key=lambda path: path.bound)
    kept = [
        c
        for c, path in enumerate(paths)
        if path is best
        or path.bound >= best.bound - _GAP - 2 * (path.error + best.error)
    ]
    used = dict.fromkeys(kept, 1)
    chosen = []
    for c in range(len(paths)):
        if c in kept:
            chosen.append((c, 0))
            continue
        other = min(kept, key=lambda k: used[k])
        chosen.append((other, used[other] % len(paths[other].draws)))
        used[other] += 1
    return chosen


def points(
    evaluate: Evaluator,
    n_dim: int,
    rngs: Sequence[np.random.Generator],
    frame: Frame | None = None,
) -> Array:
    """Draw a point with a positive density and a gradient for each chain."""
    frame = frame or Frame.standard(n_dim)
    found = np.empty((len(rngs), n_dim))
    missing = np.arange(len(rngs))
    for _ in range(TRIES):
        for c in missing.tolist():
            found[c] = frame.draw(rngs[c])
        value, gradient = evaluate(found[missing])
        usable = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
        last = missing[~usable]
        if not len(last):
            return found
        missing, value = last, value[~usable]
    what = (
        f"the log-density is {value[0]}"
        if not np.isfinite(value[0])
        else "the gradient of the log-density is not finite"
    )
    raise NoStart(f"chain {missing[0]}", what, found[missing[0]])


def _path(
    x: Array, value: float, gradient: Array, scale: Array, rng: np.random.Generator
) -> Generator[Array, Answer, Path]:
    iterates = yield from _climb(x, value, gradient, scale)
    which = np.linspace(0, len(iterates) - 1, min(len(iterates), _N_ITERATES))
    gaussians = [iterates[int(at)].gaussian() for at in np.round(which)]
    d = len(x)
    unit = rng.standard_normal((len(gaussians), _N_DRAWS, d))
    every = np.arange(_N_DRAWS)
    draws = np.stack(
        [g.positions(u, every) for g, u in zip(gaussians, unit, strict=True)]
    )
    values, gradients = yield draws.reshape(-1, d)
    values = values.reshape(len(gaussians), _N_DRAWS)
    usable = np.isfinite(gradients).all(axis=1).reshape(values.shape)
    values = np.where(usable & (values < math.inf), values, -math.inf)
    volume = np.array([g.log_determinants()[0] for g in gaussians])
    log_normal = (
        -0.5 * (unit**2).sum(axis=2) - 0.5 * d * math.log(2 * math.pi) - volume[:, None]
    )
    ratios = values - log_normal
    bounds = np.where(np.isfinite(ratios).all(axis=1), ratios.mean(axis=1), -math.inf)
    best = int(np.argmax(bounds))
    if bounds[best] == -math.inf:
        top = iterates[-1]
        return Path(
            gaussians[-1],
            -math.inf,
            0.0,
            top.x[None],
            np.array([top.value]),
            top.gradient[None],
        )
    noise = rng.gumbel(size=_N_DRAWS)
    order = np.argsort(-(ratios[best] + noise))  # importance draws, none twice
    return Path(
        gaussians[best],
        float(bounds[best]),
        float(ratios[best].std() / math.sqrt(_N_DRAWS)),
        draws[best, order],
        values[best, order],
        gradients.reshape(draws.shape)[best, order],
    )


def _climb(
    x: Array, value: float, gradient: Array, scale: Array
) -> Generator[Array, Answer, list[_Iterate]]:
    """Climb to a mode by L-BFGS, with a diagonal that learns of curvature as well."""
    variances, pairs = scale**2, list[Answer]()
    at = _iterate(x, value, gradient, variances, pairs)
    iterates = [at]
    for _ in range(_MAX_ITER):
        newton = at.newton()
        length = float(np.linalg.norm(newton / scale))
        first = 1.0 if pairs else 1.0 / max(1.0, length)
        found = yield from _line_search(at, newton, first)
        if found is None:
            break
        x, value, gradient = found
        move, change = x - at.x, at.gradient - gradient
        scaled = scale * change
        if move @ change > 1e-10 * (scaled @ scaled):
            variances = _variances(variances, move, change)
            pairs = [*pairs, (move, change)][-_MEMORY:]
        gain = value - at.value
        at = _iterate(x, value, gradient, variances, pairs)
        iterates.append(at)
        if gain <= 1e-8 * max(1.0, abs(value)):
            break
    return iterates


def _variances(variances: Array, move: Array, change: Array) -> Array:
    """Update the diagonal of the inverse Hessian (Gilbert and Lemarechal, 1989)."""
    a = change @ (variances * change)
    b = change @ move
    c = move @ (move / variances)
    inverse = a / (b * variances) + change**2 / b - a * move**2 / (b * c * variances**2)
    return 1.0 / np.maximum(inverse, 1e-300)


def _line_search(
    at: _Iterate, direction: Array, step: float
) -> Generator[Array, Answer, tuple[Array, float, Array] | None]:
    """Find a step with the weak Wolfe conditions by bisection (Lewis and Overton)."""
    slope = float(at.gradient @ direction)
    if not slope > 0:
        return None
    low, high = 0.0, math.inf
    for _ in range(30):
        x = at.x + step * direction
        values, gradients = yield x[None]
        value, gradient = float(values[0]), gradients[0]
        if not (
            value >= at.value + 1e-4 * step * slope and np.isfinite(gradient).all()
        ):
            high = step
        elif value == math.inf:
            return None
        elif gradient @ direction > 0.9 * slope:
            low = step
        else:
            return x, value, gradient
        step = 0.5 * (low + high) if high < math.inf else 2.0 * low
    return None
