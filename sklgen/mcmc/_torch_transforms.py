"""Maps onto supports, on tensors that torch can differentiate.

A `Transform` says what a parameter is and maps arrays. `forward` is the same map in
torch, whose derivatives stay finite where those of clipped numbers are zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache, singledispatch
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor
from torch.autograd import Function

from sklgen._typing import Array
from sklgen.mcmc import _transform_matrices as matrices
from sklgen.mcmc import _transform_numbers as numbers
from sklgen.mcmc import _transform_vectors as vectors
from sklgen.mcmc import _transforms as transforms
from sklgen.mcmc._transforms import Transform


class _BoundedExp(Function):
    """exp(u), neither zero nor infinite, that goes on as exp where it is bounded."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, largest: float) -> Tensor:
        x = torch.exp(u.clamp(-largest, largest))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return slopes[0] * x, None


class _Within(Function):
    """Numbers moved to bounds if they are beyond, with the derivative 1."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, least: Tensor | None, most: Tensor | None
    ) -> Tensor:
        return x.clamp(least, most)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        return slopes[0], None, None


class _Logistic(Function):
    """Numbers between two bounds, and the log of their derivative."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, lower: Tensor, upper: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(u, upper - lower)
        width, distance = upper - lower, u.abs()
        from_below = lower + width * torch.sigmoid(u)
        x = torch.where(u < 0.0, from_below, upper - width * torch.sigmoid(-u))
        log_slope = width.log() - distance - 2.0 * torch.log1p(torch.exp(-distance))
        return x, log_slope

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        u, width = ctx.saved_tensors
        slope = width * torch.sigmoid(u) * torch.sigmoid(-u)
        return slopes[0] * slope - slopes[1] * torch.tanh(0.5 * u), None, None


def _exp(u: Tensor, largest: float = 700.0) -> Tensor:
    return _BoundedExp.apply(u, largest)  # type: ignore[no-any-return, no-untyped-call]


def _log_slope(u: Tensor, largest: float = 700.0) -> Tensor:
    """Log of the derivative of `_exp`, which falls off where that is bounded."""
    return u - (u - u.clamp(-largest, largest)) ** 2


def _within(x: Tensor, least: Tensor | None, most: Tensor | None) -> Tensor:
    return _Within.apply(x, least, most)  # type: ignore[no-any-return, no-untyped-call]


def _constant(value: Any, like: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


@singledispatch
def forward(transform: Transform, u: Tensor) -> tuple[Tensor, Tensor]:
    """Map into the support.

    Parameters
    ----------
    transform : Transform
        The map.
    u : Tensor of shape (..., size)
        Vectors without bounds.

    Returns
    -------
    x : Tensor of shape (..., *shape)
        Elements of the support.
    log_jacobian : Tensor of a shape that broadcasts to (...)
        Log absolute determinant of the derivative of the free coordinates of x.
    """
    raise TypeError(f"There is no map for tensors onto what is {transform.support}.")


def _shaped(transform: Transform, u: Tensor) -> Tensor:
    return u.reshape((*u.shape[:-1], *transform.shape))


@forward.register
def _(transform: numbers.Real, u: Tensor) -> tuple[Tensor, Tensor]:
    return _shaped(transform, u), _constant(0.0, u)


@forward.register
def _(transform: numbers.LowerBounded, u: Tensor) -> tuple[Tensor, Tensor]:
    x = _exp(_shaped(transform, u))
    if np.any(transform.lower):
        least = np.nextafter(transform.lower, np.inf)
        x = _within(_constant(transform.lower, u) + x, _constant(least, u), None)
    return x, _log_slope(u).sum(-1)


@forward.register
def _(transform: numbers.UpperBounded, u: Tensor) -> tuple[Tensor, Tensor]:
    x = _constant(transform.upper, u) - _exp(_shaped(transform, u))
    most = np.nextafter(transform.upper, -np.inf)
    return _within(x, None, _constant(most, u)), _log_slope(u).sum(-1)


@forward.register
def _(transform: numbers.Interval, u: Tensor) -> tuple[Tensor, Tensor]:
    lower, upper = transform.lower, transform.upper
    x, log_slope = _Logistic.apply(  # type: ignore[no-untyped-call]
        _shaped(transform, u), _constant(lower, u), _constant(upper, u)
    )
    least, most = np.nextafter(lower, upper), np.nextafter(upper, lower)
    x = _within(x, _constant(least, u), _constant(most, u))
    return x, log_slope.reshape(u.shape).sum(-1)


@forward.register
def _(transform: vectors.Simplex, u: Tensor) -> tuple[Tensor, Tensor]:
    contrasts = _constant(np.array(vectors._contrasts(transform.n)), u)
    logs = torch.log_softmax(u @ contrasts, -1)
    return _exp(logs), logs.sum(-1) + 0.5 * np.log(transform.n)


@forward.register
def _(transform: vectors.Ordered, u: Tensor) -> tuple[Tensor, Tensor]:
    start, logs = u[..., : transform._first], u[..., transform._first :]
    x = torch.cat([start, _exp(logs)], -1).cumsum(-1)
    return x, _log_slope(logs).sum(-1)


@forward.register
def _(transform: vectors.UnitVector, u: Tensor) -> tuple[Tensor, Tensor]:
    squares = (u**2).sum(-1, keepdim=True).clamp(min=np.finfo(np.float64).tiny)
    half = 0.5 * transform.n
    constant = (half - 1.0) * np.log(2.0) + gammaln(half)
    return u * squares.rsqrt(), -0.5 * squares[..., 0] - constant


@lru_cache(maxsize=32)
def _lower(n: int, offset: int) -> Tensor:
    """Places of the elements of a lower triangle in a matrix that is laid flat."""
    i, j = np.tril_indices(n, offset)
    return torch.from_numpy(i * n + j)


def _matrix(n: int, elements: Tensor, offset: int) -> Tensor:
    """Lower triangular matrices with these elements."""
    flat = elements.new_zeros((*elements.shape[:-1], n * n))
    filled = flat.index_copy(-1, _lower(n, offset).to(elements.device), elements)
    return filled.reshape((*elements.shape[:-1], n, n))


def _log_sech(u: Tensor) -> Tensor:
    distance = u.abs()
    return math.log(2.0) - distance - torch.log1p(torch.exp(-2.0 * distance))


@forward.register
def _(transform: matrices.CorrelationCholesky, u: Tensor) -> tuple[Tensor, Tensor]:
    logs = _log_sech(u)
    log_jacobian = logs @ _constant(transform._powers, u)
    table = _matrix(transform.n, logs, -1)
    rest = _exp(table.cumsum(-1) - table)
    tangents = _matrix(transform.n, torch.tanh(u), -1)
    return torch.tril(
        (tangents + _constant(np.eye(transform.n), u)) * rest
    ), log_jacobian


def _factor(
    transform: matrices._Triangular, u: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Lower triangular matrices, logs of their diagonals, and what these lose."""
    i = torch.arange(transform.n, device=u.device)
    diagonal = i * (i + 3) // 2
    logs = u.index_select(-1, diagonal)
    largest = matrices._LARGEST_LOG
    elements = u.index_copy(-1, diagonal, _exp(logs, largest))
    lost = (logs - _log_slope(logs, largest)).sum(-1)
    return _matrix(transform.n, elements, 0), logs, lost


@forward.register
def _(transform: matrices.CovarianceCholesky, u: Tensor) -> tuple[Tensor, Tensor]:
    L, logs, lost = _factor(transform, u)
    return L, logs.sum(-1) - lost


@forward.register
def _(transform: matrices.Covariance, u: Tensor) -> tuple[Tensor, Tensor]:
    L, logs, lost = _factor(transform, u)
    log_jacobian = logs @ _constant(transform._powers, u) + transform.n * np.log(2.0)
    return L @ L.mT, log_jacobian - lost


@forward.register
def _(transform: transforms.Stacked, u: Tensor) -> tuple[Tensor, Tensor]:
    each = u.reshape((*u.shape[:-1], *transform.stack, transform.transform.size))
    x, log_jacobian = forward(transform.transform, each)
    whole = log_jacobian.expand(each.shape[:-1])
    return x, whole.reshape((*u.shape[:-1], -1)).sum(-1)


@dataclass(frozen=True)
class Joined(Transform):
    """An array of pieces that have supports of their own.

    Parameters
    ----------
    parts : tuple of Transform
        Map of each piece.
    axis : int
        Along what they lie, counted from the last axis: negative.
    stacked : bool
        Whether that axis is a new one.
    """

    parts: tuple[Transform, ...]
    axis: int
    stacked: bool
    support: ClassVar[str] = "in the supports of their pieces"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""
        return self._together([np.empty(part.shape) for part in self.parts]).shape

    @property
    def size(self) -> int:
        """Length of a u."""
        return sum(part.size for part in self.parts)

    @cached_property
    def _joint(self) -> transforms.Joint:
        return transforms.Joint({str(k): part for k, part in enumerate(self.parts)})

    def _together(self, pieces: list[Array]) -> Array:
        put = np.stack if self.stacked else np.concatenate
        return put(pieces, axis=self.axis)

    def _apart(self, x: Array) -> dict[str, Array]:
        if self.stacked:
            pieces = list(np.moveaxis(x, self.axis, 0))
        else:
            ends = np.cumsum([part.shape[self.axis] for part in self.parts])
            pieces = np.split(x, ends[:-1], axis=self.axis)
        return dict(zip(self._joint.parts, pieces, strict=True))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        x, log_jacobian = self._joint.to_constrained(u)
        return self._together(list(x.values())), log_jacobian

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        return self._joint.pull_back(self._apart(gradient), u)

    def _supports(self, x: Array) -> bool:
        pieces = self._apart(x)
        return all(part._supports(pieces[k]) for k, part in self._joint.parts.items())

    def _inverse(self, x: Array) -> Array:
        return self._joint.to_unconstrained(self._apart(x))


@forward.register
def _(transform: Joined, u: Tensor) -> tuple[Tensor, Tensor]:
    pieces, total = [], _constant(0.0, u)
    for own, part in zip(
        transform._joint.slices.values(), transform.parts, strict=True
    ):
        x, log_jacobian = forward(part, u[..., own])
        pieces.append(x)
        total = total + log_jacobian
    put = torch.stack if transform.stacked else torch.cat
    return put(pieces, transform.axis), total


@dataclass(frozen=True, eq=False)
class Registered(Transform):
    """What `torch.distributions.biject_to` gives for a support of the user's.

    Parameters
    ----------
    constraint : Constraint
        The support.
    bijection : Transform of torch
        Map onto it.
    shape : tuple of int, default=()
        Shape of an x.
    """

    constraint: Any  # torch types them by half
    bijection: Any
    shape: tuple[int, ...] = ()
    support: ClassVar[str] = "in the support of their prior"

    @property
    def _inner(self) -> tuple[int, ...]:
        return tuple(self.bijection.inverse_shape(torch.Size(self.shape)))

    @property
    def size(self) -> int:
        """Length of a u."""
        return int(np.prod(self._inner, dtype=np.int64))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        x, log_jacobian = forward(self, torch.from_numpy(u))
        return x.numpy(), log_jacobian.numpy()

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        with torch.enable_grad():
            at = torch.tensor(u, requires_grad=True)
            x, log_jacobian = forward(self, at)
            total = (x * torch.from_numpy(gradient)).sum() + log_jacobian.sum()
            return torch.autograd.grad(total, at)[0].numpy()

    def _supports(self, x: Array) -> bool:
        return bool(self.constraint.check(torch.from_numpy(x)).all())

    def _inverse(self, x: Array) -> Array:
        u = self.bijection.inv(torch.from_numpy(x))
        shape = (*x.shape[: x.ndim - len(self.shape)], self.size)
        return np.asarray(u.reshape(shape))


@forward.register
def _(transform: Registered, u: Tensor) -> tuple[Tensor, Tensor]:
    at = u.reshape((*u.shape[:-1], *transform._inner))
    x = transform.bijection(at)
    log_jacobian = transform.bijection.log_abs_det_jacobian(at, x)
    return x, log_jacobian.reshape((*u.shape[:-1], -1)).sum(-1)
