"""Functions of tensors as straight lines of operations.

A function is called once, and the operations that torch is asked for, those of its
derivatives included, are written down. What does not depend on the inputs is computed
once for all. The rest runs without autograd, without the objects that the function
makes on its way, and with little between two operations. (`make_fx` of torch gives the
same operations, after imports that take longer than a fit of a small model.)
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.utils._python_dispatch import TorchDispatchMode

Function = Callable[..., tuple[Tensor, ...]]

_SAME_IF_SHAPED_ALIKE = {"detach", "alias", "view", "_unsafe_view", "expand"}
# What leaves an operand alone if the other one is this number.
_NEUTRAL = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0, "pow": 1.0}
_COMPILED = {"builtin_function_or_method", "method_descriptor"}
# What takes only the shape of its first operand.
_LIKE = {"ones_like", "zeros_like", "full_like", "new_zeros", "new_ones", "new_full"}

_lock, _n_unchecked, _before = threading.Lock(), 0, True


@contextmanager
def unchecked() -> Iterator[None]:
    """Make distributions of torch that do not check values, which needs them read."""
    global _n_unchecked, _before
    with _lock:
        if _n_unchecked == 0:
            _before = Distribution._validate_args
            Distribution.set_default_validate_args(False)
        _n_unchecked += 1
    try:
        yield
    finally:
        with _lock:
            _n_unchecked -= 1
            if _n_unchecked == 0:
                Distribution.set_default_validate_args(_before)


class Untraceable(Exception):
    """What a function does depends on the values of its inputs, or on chance."""


@dataclass
class _Call:
    """An operation, and what came out of it."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any

    def __post_init__(self) -> None:
        # As they are now: `squeeze_` and its like change them.
        self.kinds = [_kind(x) for x in self.args]
        self.kind = _kind(self.out)

    @property
    def name(self) -> str:
        return str(self.operation._schema.name).removeprefix("aten::")

    @property
    def reshapes(self) -> bool:
        """Whether it changes the shape of a tensor, but no number."""
        return torch.Tag.inplace_view in self.operation.tags

    @property
    def mutates(self) -> bool:
        return bool(self.operation._schema.is_mutable) and not self.reshapes


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[_Call] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether to import the compiler of torch, which takes a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls.append(_Call(func, args, kwargs or {}, out))
        return out


def traced(function: Function, inputs: Sequence[Tensor]) -> Function:
    """Trace a function.

    Parameters
    ----------
    function : callable
        From tensors to a tuple of tensors.
    inputs : sequence of Tensor
        Where it is called. Others must have the same shapes.

    Returns
    -------
    callable
        The same function, which is not differentiable.
    """
    recorder = _Recorder()
    with recorder:
        outputs = function(*inputs)
    return _Program(recorder.calls, inputs).returning(outputs)


@dataclass
class _Line:
    """A line of a program."""

    target: str
    text: str
    uses: set[str]
    needed: bool


class _Program:
    """Calls that depend on inputs, written as a function of Python."""

    def __init__(self, calls: Sequence[_Call], inputs: Sequence[Tensor]) -> None:
        self._n_inputs = len(inputs)
        # Expressions for tensors that depend on the inputs, and where these are stored.
        self._names = {id(x): f"x{k}" for k, x in enumerate(inputs)}
        self._storages = set(_storages(inputs))
        self._mutated = {
            place for call in calls if call.mutates for place in _storages(call.out)
        }
        # Where it matters what shares memory, and how, nothing is left out.
        self._fixed = bool(self._mutated) or any(c.name == "as_strided" for c in calls)
        self._scope: dict[str, Any] = {}
        self._lines: list[_Line] = []
        self._written: dict[str, Any] = {}
        self._known = {id(x) for x in inputs}
        for call in calls:
            self._follow(call)
            self._known.update(id(x) for x in _tensors(call.out))

    def _follow(self, call: _Call) -> None:
        operands = list(_tensors((call.args, call.kwargs)))
        for x in operands:  # that came by a way which was not seen
            if id(x) not in self._known and self._hidden(x):
                raise Untraceable
        varies = self._varies(operands) or not self._mutated.isdisjoint(
            _storages((operands, call.out))
        )
        if _needs_values(call, varies=varies, masked=self._varies(_masks(call))):
            raise Untraceable
        if varies and not self._alike(call):
            self._write(call)

    def _hidden(self, x: Tensor) -> bool:
        return not (self._storages | self._mutated).isdisjoint(_storages(x))

    def _varies(self, given: Any) -> bool:
        return any(id(x) in self._names for x in _tensors(given))

    def _alike(self, call: _Call) -> bool:
        """Whether what comes out is known already."""
        if self._fixed:
            return False
        if call.name in _LIKE:
            return not self._varies((call.args[1:], call.kwargs))
        same = self._unchanged(call)
        if same is not None:
            self._names[id(call.out)] = self._names[id(same)]
        return same is not None

    def _unchanged(self, call: _Call) -> Tensor | None:
        """The operand that is what comes out."""
        alone = call.name in _SAME_IF_SHAPED_ALIKE
        if not alone and (
            call.name not in _NEUTRAL or call.kwargs or len(call.args) != 2
        ):
            return None
        for k in (0, 1) if call.name in ("add", "mul") else (0,):
            x, other = call.args[k], call.args[-1 - k]
            if (
                self._varies(x)
                and call.kinds[k] == call.kind
                and (alone or _all_equal(other, _NEUTRAL[call.name]))
                and (alone or not self._varies(other))
            ):
                return x  # type: ignore[no-any-return]
        return None

    def _write(self, call: _Call) -> None:
        quick = call.reshapes or not self._fixed
        function = _quick(call) if quick else call.operation
        args = [self._text(value) for value in call.args]
        args += [f"{key}={self._text(value)}" for key, value in call.kwargs.items()]
        text = f"{self._constant(function)}({', '.join(args)})"
        names = [self._names.get(id(x)) for x in _tensors((call.args, call.kwargs))]
        uses = {name.partition("[")[0] for name in names if name is not None}
        if call.reshapes:
            del self._names[id(call.out)]
        if text in self._written:
            self._name(self._written[text], call.out)
            return
        target = f"v{len(self._lines)}"
        self._lines.append(_Line(target, text, uses, call.mutates))
        if not self._fixed:
            self._written[text] = target
        self._name(target, call.out)

    def _name(self, target: str, out: Any) -> None:
        if isinstance(out, list | tuple):
            for k, part in enumerate(out):
                self._name(f"{target}[{k}]", part)
        elif isinstance(out, Tensor):
            self._names.setdefault(id(out), target)
            self._storages.update(_storages(out))

    def _text(self, value: Any) -> str:
        if isinstance(value, Tensor):
            return self._names.get(id(value)) or self._constant(value.detach(), value)
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._text(part) for part in value)}]"
        if value is None or isinstance(value, bool | int):
            return repr(value)
        if isinstance(value, float) and math.isfinite(value):
            return repr(value)
        return self._constant(value)

    def _constant(self, value: Any, of: Any = None) -> str:
        name = f"c{id(value if of is None else of)}"
        self._scope[name] = value
        return name

    def returning(self, outputs: Sequence[Tensor]) -> Function:
        """Compile the lines that lead to some outputs."""
        results = [self._text(x) for x in outputs]
        live = {result.partition("[")[0] for result in results}
        lines = [f"return {', '.join(results)},"]
        for line in reversed(self._lines):
            if line.needed or line.target in live:
                last = sorted((line.uses - live) | ({line.target} - live))
                if last:
                    lines.append(f"del {', '.join(last)}")
                lines.append(f"{line.target} = {line.text}")
                live |= line.uses
        inputs = ", ".join(f"x{k}" for k in range(self._n_inputs))
        body = "\n    ".join(reversed(lines))
        exec(f"def program({inputs}):\n    {body}\n", self._scope)
        return self._scope["program"]  # type: ignore[no-any-return]


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for part in given:
            yield from _tensors(part)
    elif isinstance(given, dict):
        yield from _tensors(list(given.values()))


def _storages(given: Any) -> list[int]:
    """Addresses of what tensors are stored in."""
    places = (x.untyped_storage().data_ptr() for x in _tensors(given))
    return [place for place in places if place]


def _masks(call: _Call) -> list[Tensor]:
    """Indices whose sum makes the shape of what comes out."""
    if call.name != "index":
        return []
    return [x for x in _tensors(call.args[1]) if x.dtype in (torch.bool, torch.uint8)]


def _needs_values(call: _Call, *, varies: bool, masked: bool) -> bool:
    tags = call.operation.tags
    if torch.Tag.nondeterministic_seeded in tags:
        return True
    if call.name == "index":
        return masked
    of_values = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    return varies and not of_values.isdisjoint(tags)


def _kind(x: Any) -> Any:
    return isinstance(x, Tensor) and (x.dtype, x.shape)


def _all_equal(value: Any, number: float) -> bool:
    if isinstance(value, Tensor):
        return bool((value == number).all())
    return isinstance(value, bool | int | float) and value == number


def _quick(call: _Call) -> Any:
    """The function of Python for an operation, which takes half the time to call."""
    if call.reshapes:
        packet = getattr(torch.ops.aten, call.name.removesuffix("_"))
        return getattr(packet, call.operation._overloadname)
    name = "reshape" if call.name in ("view", "_unsafe_view") else call.name
    for place in (torch, torch._C._nn, Tensor):
        function: Any = getattr(place, name, None)
        if type(function).__name__ not in _COMPILED:
            continue
        try:
            out = function(*call.args, **call.kwargs)
        except Exception:
            continue
        if _identical(out, call.out):
            return function
    return call.operation


def _identical(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_identical, a, b))
    return (
        bool(_kind(a))
        and _kind(a) == _kind(b)
        and torch.allclose(a, b, rtol=0.0, atol=0.0, equal_nan=True)
    )
