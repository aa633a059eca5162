"""Calls of functions of tensors that users write, for one point or for many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklgen._torch import seeded
from sklgen._typing import Array
from sklgen.mcmc._torch_trace import unchecked

Named = dict[str, Tensor]
Function = Callable[[Named], Tensor]
# From a function and parameters (A, *shape) to its values (A, ...).
Style = Callable[[Function, Named], Tensor]


def tensor(x: Array, device: str) -> Tensor:
    """Give an array to torch: that itself if its numbers have double precision."""
    kind = np.float64 if np.issubdtype(x.dtype, np.floating) else x.dtype
    own = np.ascontiguousarray(x, dtype=kind)
    return torch.from_numpy(own if own.flags.writeable else own.copy()).to(device)


def array(x: Tensor) -> Array:
    """Take an array from torch: real numbers in double precision."""
    kind = torch.float64 if x.is_floating_point() else x.dtype
    return np.asarray(x.detach().to("cpu", kind))


def torch_call(
    method: Callable[..., Any],
    params: Mapping[str, Array],
    *arrays: Array | None,
    rng: np.random.Generator | None = None,
    device: str = "cpu",
) -> Array:
    """Call a method of a model that is written with torch.

    Parameters
    ----------
    method : callable
        Gets parameters, arrays, and a `torch.Generator` if there is an `rng`.
    params : mapping of str to ndarray of shape (A, *shape)
        Parameters, with one leading axis.
    *arrays : ndarray or None
        What else it gets.
    rng : Generator, optional
        Seeds what it draws, be it by the generator that it gets or by that which is
        global in torch. The latter is put back.
    device : str, default="cpu"
        Where torch computes.

    Returns
    -------
    ndarray of shape (A, ...)
        What it returned.
    """
    named = {name: tensor(np.asarray(x), device) for name, x in params.items()}
    given = [None if x is None else tensor(np.asarray(x), device) for x in arrays]
    sizes = [size for x in given if x is not None for size in x.shape]
    name = getattr(method, "__name__", "the function")
    with torch.no_grad():
        if rng is None:
            function: Function = lambda p: method(p, *given)
            return array(style_of(function, named, name, sizes=sizes)(function, named))
        generator = torch.Generator(device)
        draw: Function = lambda p: method(p, *given, generator)

        def again(p: Named) -> Tensor:
            with seeded(generator, 0):
                return draw(p)

        style = style_of(again, named, name, sizes=sizes)
        with seeded(generator, int(rng.integers(1 << 62))):
            return array(style(draw, named))


def direct(function: Function, params: Named) -> Tensor:
    """Call a function that takes leading axes."""
    return function(params)


def mapped(function: Function, params: Named) -> Tensor:
    """Call a function of one point for all at once."""
    with unchecked():
        found: Tensor = torch.func.vmap(function)(params)
        return found


def looped(function: Function, params: Named) -> Tensor:
    """Call a function of one point for each."""
    n = len(next(iter(params.values())))
    return torch.stack([function(_one(params, k)) for k in range(n)])


def style_of(
    function: Function,
    params: Named,
    name: str,
    *,
    sizes: Iterable[int] = (),
    shape: tuple[int, ...] | None = None,
) -> Style:
    """Find out whether a function takes leading axes, or the parameters of one point.

    Parameters
    ----------
    function : callable
        From named parameters to a tensor; the same at each call.
    params : mapping of str to Tensor of shape (A, *shape)
        Some parameters.
    name : str
        What errors call the function.
    sizes : iterable of int
        Sizes that are no number of points.
    shape : tuple of int, optional
        Shape that must come out for one point.

    Returns
    -------
    callable
        How to call it.
    """
    many = _some(params, {*sizes, *(s for x in params.values() for s in x.shape[1:])})
    whole = _answer(function, many)
    one = _answer(function, _one(many, 0))
    wanted = shape
    if wanted is None and isinstance(one, Tensor):
        wanted = tuple(one.shape)
    if _is_batched(whole, function, many, wanted):
        return direct
    if isinstance(one, Tensor) and tuple(one.shape) == wanted:
        return mapped if _can_be_mapped(function, many) else looped
    raise _refusal(name, many, whole, one, shape)


def _one(params: Named, k: int) -> Named:
    return {name: x[k] for name, x in params.items()}


def _some(params: Named, sizes: set[int]) -> Named:
    """Parameters of so many points as nothing else has for a size."""
    n = next(n for n in range(2, len(sizes) + 3) if n not in sizes)
    return {name: x[torch.arange(n) % len(x)] for name, x in params.items()}


def _answer(function: Function, params: Named) -> Tensor | Exception:
    try:
        found: Any = function(params)
    except Exception as error:
        return error
    if isinstance(found, Tensor):
        return found
    return TypeError(f"it returned no tensor, but {type(found).__name__}")


def _is_batched(
    whole: Tensor | Exception,
    function: Function,
    many: Named,
    wanted: tuple[int, ...] | None,
) -> bool:
    n = len(next(iter(many.values())))
    if not isinstance(whole, Tensor) or whole.shape[:1] != (n,):
        return False
    if wanted is not None and whole.shape[1:] != wanted:
        return False
    # A sum over all of a parameter would be one over all points.
    alike = function({name: x[:1].expand(x.shape) for name, x in many.items()})
    return torch.allclose(alike[0], whole[0], rtol=1e-6, equal_nan=True)


def _can_be_mapped(function: Function, many: Named) -> bool:
    try:
        return torch.allclose(
            mapped(function, many), looped(function, many), rtol=1e-6, equal_nan=True
        )
    except Exception:
        return False


def _refusal(
    name: str,
    many: Named,
    whole: Tensor | Exception,
    one: Tensor | Exception,
    shape: tuple[int, ...] | None,
) -> Exception:
    n = len(next(iter(many.values())))
    shapes = {key: tuple(x.shape) for key, x in many.items()}
    if isinstance(whole, Exception) and isinstance(one, Exception):
        whole.add_note(f"{name} was called with parameters of the shapes {shapes}.")
        if repr(one) != repr(whole):
            whole.add_note(f"Without their first axis, it raised {one!r}.")
        return whole
    rows = "..." if shape is None else ", ".join(map(str, shape))
    error = ValueError(
        f"{name} must return a tensor of the shape ({n}, {rows}) for parameters of the "
        f"shapes {shapes}, or of ({rows},) for those of one point, without the first "
        f"axis. {_told(whole)} for the former, {_told(one)} for the latter."
    )
    error.__cause__ = whole if isinstance(whole, Exception) else None
    return error


def _told(found: Tensor | Exception) -> str:
    if isinstance(found, Tensor):
        return f"It gave the shape {tuple(found.shape)}"
    return f"It raised {found!r}"
