"""What the user is told before and while chains run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Bar:
    """A bar over the draws of all chains, if the user wants one."""

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar
        self._before, self._in_all = 0, 0

    def begin(self, before: int, in_all: int) -> None:
        """Count the draws of a chunk from those before."""
        self._before, self._in_all = before, in_all

    def write(self, line: str) -> None:
        """Tell something beside it."""
        if self._bar is not None:
            self._bar.write(line)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far chains are."""
        if self._bar is None:
            return
        if stage == "sampling":
            done, total = self._before + done, self._in_all
        if not total:
            return
        if self._bar.desc != stage:
            self._bar.reset(total)
            self._bar.set_description_str(stage)
        self._bar.update(done - self._bar.n)

    def steps(self, n_chains: int) -> Callable[[str, int, int], None]:
        """Monitor of chains in lock step, whose steps are counted."""
        return lambda stage, done, total: self(stage, done * n_chains, total * n_chains)


@contextmanager
def progress(*, verbose: int) -> Iterator[Bar]:
    """Show a bar, if `verbose`."""
    if not verbose:
        yield Bar()
        return
    from tqdm.auto import tqdm

    with tqdm(unit="draw") as bar:
        yield Bar(bar)


def in_bytes(n: float) -> str:
    """Write out a size."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} TiB"


def memory() -> int | None:
    """Memory of the machine, if it tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
