"""Distributions of torch as priors: their supports, and laws that torch lacks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, VonMises, biject_to, constraints
from torch.distributions import Transform as Bijection

from sklgen._typing import Array
from sklgen.mcmc import _transform_matrices as matrices
from sklgen.mcmc import _transform_numbers as numbers
from sklgen.mcmc import _transform_vectors as vectors
from sklgen.mcmc._torch_transforms import Joined, Registered
from sklgen.mcmc._transforms import Stacked, Transform

_Constraint = constraints.Constraint
_REAL = type(constraints.real)
_ABOVE = (constraints.greater_than, constraints.greater_than_eq)
_BETWEEN = (constraints.interval, constraints.half_open_interval)
_OF_LENGTH: dict[type, Callable[[int], Transform]] = {
    type(constraints.simplex): vectors.Simplex,
    type(constraints.corr_cholesky): matrices.CorrelationCholesky,
    type(constraints.lower_cholesky): matrices.CovarianceCholesky,
    type(constraints.positive_definite): matrices.Covariance,
    type(constraints.positive_semidefinite): matrices.Covariance,
}


class OrderedVector(constraints.Constraint):
    """Vectors whose elements increase.

    Parameters
    ----------
    positive : bool, default=False
        Whether the first element is positive, so that all are.
    """

    event_dim = 1

    def __init__(self, *, positive: bool = False) -> None:
        self.positive = positive
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        """Tell which vectors increase."""
        rises = (value.diff() > 0.0).all(-1)
        return rises & (value[..., 0] > 0.0) if self.positive else rises


class Sphere(constraints.Constraint):
    """Vectors of length one."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        """Tell which vectors have length one."""
        return ((value**2).sum(-1) - 1.0).abs() < 1e-6


class Ordered(Distribution):
    """Independent numbers of one law, in increasing order.

    Parameters
    ----------
    law : Distribution
        Law of one number, real or positive.
    n : int
        How many there are.

    Examples
    --------
    >>> import torch
    >>> from sklgen.mcmc.torch_priors import Ordered
    >>> law = Ordered(torch.distributions.Normal(0.0, 1.0), 2)
    >>> round(law.log_prob(torch.tensor([-1.0, 1.0])).item(), 3)
    -2.145
    """

    arg_constraints: ClassVar[dict[str, _Constraint]] = {}

    def __init__(self, law: Distribution, n: int) -> None:
        if law.batch_shape or law.event_shape:
            raise ValueError(
                "law must be the law of one number, got one of values of the shape "
                f"{(*law.batch_shape, *law.event_shape)}."
            )
        given = transform_of(law)
        positive = isinstance(given, numbers.LowerBounded) and not np.any(given.lower)
        if not positive and not isinstance(given, numbers.Real):
            raise ValueError(
                f"law must be one of real or of positive numbers, got {law!r}, whose "
                f"values are {given.support}."
            )
        self.law = law
        self._positive = positive
        super().__init__(event_shape=torch.Size([n]), validate_args=False)

    @property
    def support(self) -> _Constraint:
        """Vectors that increase."""
        return OrderedVector(positive=self._positive)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of vectors that increase.

        Parameters
        ----------
        value : Tensor of shape (..., n)
            Vectors.

        Returns
        -------
        log_density : Tensor of shape (...)
            Normalised.
        """
        return self.law.log_prob(value).sum(-1) + math.lgamma(value.shape[-1] + 1.0)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw vectors.

        Parameters
        ----------
        sample_shape : sequence of int, default=()
            How many.

        Returns
        -------
        value : Tensor of shape ``(*sample_shape, n)``
            Draws.
        """
        draws = self.law.sample(self._extended_shape(torch.Size(sample_shape)))
        return draws.sort(-1).values


class UnitVector(Distribution):
    """Uniform law of directions.

    Parameters
    ----------
    n : int
        Number of dimensions, at least two.

    Examples
    --------
    >>> import torch
    >>> from sklgen.mcmc.torch_priors import UnitVector
    >>> round(UnitVector(2).log_prob(torch.tensor([1.0, 0.0])).item(), 3)
    -1.838
    """

    arg_constraints: ClassVar[dict[str, _Constraint]] = {}
    support = Sphere()

    def __init__(self, n: int) -> None:
        super().__init__(event_shape=torch.Size([n]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density with respect to the area of the sphere.

        Parameters
        ----------
        value : Tensor of shape (..., n)
            Vectors.

        Returns
        -------
        log_density : Tensor of shape (...)
            Normalised.
        """
        half = 0.5 * value.shape[-1]
        area = math.log(2.0) + half * math.log(math.pi) - math.lgamma(half)
        return value.new_full(value.shape[:-1], -area)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw vectors.

        Parameters
        ----------
        sample_shape : sequence of int, default=()
            How many.

        Returns
        -------
        value : Tensor of shape ``(*sample_shape, n)``
            Draws.
        """
        normal = torch.randn(self._extended_shape(torch.Size(sample_shape)))
        return torch.nn.functional.normalize(normal, dim=-1)


def in_double(law: Distribution, device: str) -> Distribution:
    """Give a copy with parameters in double precision that does not check values.

    Checks would read numbers off, which tracing cannot follow.
    """
    own: Distribution = _recast(law, device)
    return own


def _recast(given: Any, device: str) -> Any:
    if isinstance(given, Tensor):
        kind = torch.float64 if given.is_floating_point() else given.dtype
        return given.detach().to(device, kind)
    if isinstance(given, list | tuple):
        return type(given)(_recast(part, device) for part in given)
    if isinstance(given, Distribution | Bijection):
        own = copy.copy(given)
        for name, value in vars(given).items():
            own.__dict__[name] = _recast(value, device)
        if isinstance(own, Distribution):
            own._validate_args = False
        return own
    return given


def transform_of(law: Distribution) -> Transform:
    """Give the map of vectors without bounds onto the support of a law."""
    shape = (*law.batch_shape, *law.event_shape)
    if isinstance(law, VonMises):  # torch says real, where the density has no integral
        return numbers.Interval(-math.pi, math.pi, shape)
    support = law.support
    if support is None or support.is_discrete:
        raise ValueError(
            f"A prior must be that of real numbers, got {law!r}, which is discrete: "
            "sum over its values in log_likelihood."
        )
    return _onto(support, shape)


def _onto(support: _Constraint, shape: tuple[int, ...]) -> Transform:
    kind = type(support)
    if isinstance(support, constraints.independent):
        return _onto(support.base_constraint, shape)
    if isinstance(support, constraints.MixtureSameFamilyConstraint):
        return _onto(_united(support.base_constraint), shape)
    if isinstance(support, constraints.cat | constraints.stack):
        return _joined(support, shape)
    if kind is _REAL:
        return numbers.Real(shape)
    if isinstance(support, _ABOVE):
        return numbers.LowerBounded(_numbers(support.lower_bound), shape)
    if isinstance(support, constraints.less_than):
        return numbers.UpperBounded(_numbers(support.upper_bound), shape)
    if isinstance(support, _BETWEEN):
        lower, upper = support.lower_bound, support.upper_bound
        return numbers.Interval(_numbers(lower), _numbers(upper), shape)
    if isinstance(support, OrderedVector):
        return _stacked(vectors.Ordered(shape[-1], support.positive), shape)
    if isinstance(support, Sphere):
        return _stacked(vectors.UnitVector(shape[-1]), shape)
    if kind in _OF_LENGTH:
        return _stacked(_OF_LENGTH[kind](shape[-1]), shape)
    return Registered(support, biject_to(support), shape)


def _numbers(bound: Any) -> Array:
    return np.asarray(torch.as_tensor(bound).cpu(), dtype=np.float64)


def _stacked(transform: Transform, shape: tuple[int, ...]) -> Transform:
    stack = shape[: len(shape) - len(transform.shape)]
    return Stacked(transform, stack) if stack else transform


def _united(support: _Constraint) -> _Constraint:
    """Give what contains the supports of all components of a mixture."""
    if isinstance(support, constraints.independent):
        return _united(support.base_constraint)
    own = copy.copy(support)
    for name, pick in ("lower_bound", torch.amin), ("upper_bound", torch.amax):
        bound = getattr(support, name, None)
        if isinstance(bound, Tensor) and bound.ndim:
            setattr(own, name, pick(bound, -1))
    return own


def _joined(support: Any, shape: tuple[int, ...]) -> Transform:
    axis = support.dim - len(shape) if support.dim >= 0 else support.dim
    stacked = isinstance(support, constraints.stack)
    parts = []
    for k, part in enumerate(support.cseq):
        piece = list(shape)
        if stacked:
            del piece[axis]
        else:
            piece[axis] = support.lengths[k]
        parts.append(_onto(part, tuple(piece)))
    return Joined(tuple(parts), axis, stacked)
