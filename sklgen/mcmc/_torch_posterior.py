"""Posteriors of models that are written with torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from sklgen._torch import one_thread, seeded
from sklgen._typing import Array
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc._posterior import BLOCK, FRAME_DRAWS, Posterior, frame_of
from sklgen.mcmc._torch_calls import Named, array, style_of, tensor
from sklgen.mcmc._torch_laws import in_double, transform_of
from sklgen.mcmc._torch_trace import Function, traced, unchecked
from sklgen.mcmc._torch_transforms import forward
from sklgen.mcmc._transforms import Joint

# Positions that are evaluated at once, at most: with many rows and with few.
_LEAST_MOST, _MOST = 16, 128
# Numbers of log-likelihoods below which threads cost more than they give.
_FEW = 1 << 15
# From positions to log-densities, and their gradients if asked for.
Asked = Callable[[Tensor], tuple[Tensor, ...]]


class TorchPosterior(Posterior):
    """The posterior of a model that is written with torch.

    Its density is traced once for each number of positions that it is asked for.

    Parameters
    ----------
    model : BayesianModel
        What is known of the parameters before the data, and of the data given them.
    priors : mapping of str to Distribution
        What `model.parameters` gave.
    X, y : ndarray of shape (n, d) and (n,) or None
        Data.
    weight : ndarray of shape (n,)
        Weight of each row.
    device : str, default="cpu"
        Where torch computes.
    """

    has_gradient = True

    def __init__(
        self,
        model: BayesianModel,
        priors: Mapping[str, Distribution],
        X: Array,
        y: Array | None,
        weight: Array,
        *,
        device: str = "cpu",
    ) -> None:
        self._model, self._device = model, device
        self._priors = {k: in_double(prior, device) for k, prior in priors.items()}
        self._joint = Joint({k: transform_of(law) for k, law in self._priors.items()})
        self.n_dim = self._joint.size
        data = (X, weight) if y is None else (X, weight, y)
        self._data = tuple(tensor(x, device) for x in data)
        drawn = self._prior_draws(priors)
        self.frame, self.is_proper_prior = frame_of(drawn), not np.isnan(drawn).any()
        self._asked: dict[tuple[int, bool, bool], Asked] = {}
        self._find_style()

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        return self._ask(u, gradient=False)[0]

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        value, gradient = self._ask(u, gradient=True)
        return value, gradient

    def split(self, u: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Log-priors (A,) and their gradients (A, d), and those of log-likelihoods."""
        n = len(u)  # varies, and each number takes a trace
        filled = np.resize(u, (1 << (n - 1).bit_length(), self.n_dim))
        found = [x[:n] for x in self._ask(filled, gradient=True, apart=True)]
        return (found[0], found[1]), (found[2], found[3])

    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""
        return self._joint.to_constrained(u)[0]

    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""
        with torch.no_grad(), unchecked():
            params, _ = self._constrained(tensor(u[None], self._device))
            found = {name: self._log_prior(name, params[name]) for name in params}
            found[""] = self._pointwise(params, *self._data)[0]
        return {name: array(x) for name, x in found.items()}

    def _ask(
        self, u: Array, *, gradient: bool, apart: bool = False
    ) -> tuple[Array, ...]:
        answers, n = [], len(self._data[0])
        most = min(max(_LEAST_MOST, _FEW // max(n, 1)), _MOST)
        for low in range(0, max(len(u), 1), most):
            x = tensor(np.array(u[low : low + most]), self._device)
            with _threads_for(len(x) * n, x.device):
                key = len(x), gradient, apart
                if key not in self._asked:
                    self._asked[key] = self._prepared(*key)
                answers.append([part.cpu().numpy() for part in self._asked[key](x)])
        if len(answers) == 1:
            return tuple(answers[0])
        return tuple(np.concatenate(parts) for parts in zip(*answers, strict=True))

    def _prepared(self, n_positions: int, gradient: bool, apart: bool) -> Asked:  # noqa: FBT001
        """What answers for this many positions, prior and likelihood apart or not."""
        example = np.random.default_rng(0).normal(size=(2, n_positions, self.n_dim))
        points = tensor(example, self._device)
        size = max(1, BLOCK // max(1, n_positions))
        if not self._model.independent_rows:
            size = max(1, len(self._data[0]))
        blocks = list(zip(*(torch.split(x, size) for x in self._data), strict=True))
        if len(blocks) == 1 and not apart:
            whole = lambda u: (
                self._log_prior_density(u) + self._log_likelihood(u, *self._data)
            )
            return _compiled(whole, points, (), gradient=gradient)
        prior = _compiled(self._log_prior_density, points, (), gradient=gradient)
        examples = {len(block[0]): block for block in (blocks[0], blocks[-1])}
        by_size = {
            n: _compiled(self._log_likelihood, points, block, gradient=gradient)
            for n, block in examples.items()
        }

        def likelihoods(u: Tensor) -> Iterator[tuple[Tensor, ...]]:
            return (by_size[len(block[0])](u, *block) for block in blocks)

        if apart:
            return lambda u: (*prior(u), *_sum(likelihoods(u)))
        return lambda u: _sum((prior(u), *likelihoods(u)))

    def _log_prior_density(self, u: Tensor) -> Tensor:
        params, total = self._constrained(u)
        for name, x in params.items():
            total = total + self._log_prior(name, x)
        return total

    def _log_prior(self, name: str, x: Tensor) -> Tensor:
        found = self._priors[name].log_prob(x)
        return found.flatten(1).sum(-1) if found.ndim > 1 else found

    def _log_likelihood(
        self, u: Tensor, X: Tensor, weight: Tensor, *y: Tensor
    ) -> Tensor:
        params, _ = self._constrained(u)
        return self._pointwise(params, X, weight, *y) @ weight

    def _pointwise(
        self, params: Named, X: Tensor, _: Tensor, y: Tensor | None = None
    ) -> Tensor:
        function = lambda p: self._model.log_likelihood(p, X, y)
        return self._style(function, params).to(torch.float64)

    def _constrained(self, u: Tensor) -> tuple[Named, Tensor]:
        params, total = {}, u.new_zeros(len(u))
        parts = self._joint.parts
        pieces = torch.split(u, [part.size for part in parts.values()], -1)
        for (name, part), piece in zip(parts.items(), pieces, strict=True):
            params[name], log_jacobian = forward(part, piece)
            total = total + log_jacobian
        return params, total

    def _prior_draws(self, priors: Mapping[str, Distribution]) -> Array:
        """Vectors without bounds (m, d) of draws, NaN of laws without any."""
        out = np.full((FRAME_DRAWS, self.n_dim), np.nan)
        with seeded(torch.Generator(), 0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some laws tell of draws near to a bound
            for name, prior in priors.items():
                with suppress(ValueError, NotImplementedError):
                    law = in_double(prior, "cpu")
                    x = array(law.sample(torch.Size([FRAME_DRAWS])))
                    drawn = self._joint.parts[name].to_unconstrained(x)
                    out[:, self._joint.slices[name]] = drawn
        return out

    def _find_style(self) -> None:
        """Find out whether the model's function takes many points."""
        n = len(self._data[0])
        rows = slice(min(n, BLOCK) if self._model.independent_rows else n)
        X, weight, *y = (x[rows] for x in self._data)
        example = np.random.default_rng(0).uniform(-1.0, 1.0, (7, self.n_dim))
        with torch.no_grad():
            params, _ = self._constrained(tensor(example, self._device))
            self._style = style_of(
                lambda p: self._model.log_likelihood(p, X, y[0] if y else None),
                params,
                "log_likelihood",
                sizes=[*X.shape],
                shape=(len(weight),),
            )


def _sum(answers: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    first, *others = answers
    for more in others:
        first = tuple(a + b for a, b in zip(first, more, strict=True))
    return first


@contextmanager
def _threads_for(n_numbers: int, device: torch.device) -> Iterator[None]:
    """Hold torch to one thread where others would wait for work and find none."""
    if n_numbers >= _FEW or device.type != "cpu":
        yield
        return
    with one_thread():
        yield


def _compiled(
    function: Callable[..., Tensor],
    points: Tensor,
    data: tuple[Tensor, ...],
    *,
    gradient: bool,
) -> Callable[..., tuple[Tensor, ...]]:
    """Trace a function, unless it does not lend itself to that."""
    asked = _differentiated(function) if gradient else _undifferentiated(function)
    first, second = points.unbind()
    try:
        program = traced(asked, (first, *data))
        answers = zip(program(second, *data), asked(second, *data), strict=True)
        agrees = all(torch.allclose(*pair, 1e-6, equal_nan=True) for pair in answers)
    except Exception:  # that of the user comes up again at the first call
        return asked
    if not agrees:  # some numbers went another way than by torch
        return asked

    def quick(*inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return program(*inputs)

    return quick


def _undifferentiated(function: Callable[..., Tensor]) -> Function:
    def asked(u: Tensor, *data: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad(), unchecked():
            return (function(u, *data),)

    return asked


def _differentiated(function: Callable[..., Tensor]) -> Function:
    def asked(u: Tensor, *data: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad(), unchecked():
            at = u.detach().requires_grad_()
            value = function(at, *data)
            if not value.requires_grad:
                return value, torch.zeros_like(u)
            return value.detach(), torch.autograd.grad(value.sum(), at)[0]

    return asked
