"""Chains of an estimator: how they are run."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from sklgen._typing import Array
from sklgen.em import single_threaded_libraries
from sklgen.mcmc._nuts_kernels import N_RECORDS
from sklgen.mcmc._progress import Bar, in_bytes, memory, progress
from sklgen.mcmc._runner import CHUNK, Chains, LogDensity, Settings
from sklgen.mcmc._runners import Lanes, Nuts, Walkers
from sklgen.mcmc._starts import Frame

_RUNNERS: dict[str, type[Nuts | Walkers | Lanes]] = {
    "nuts": Nuts,
    "ensemble": Walkers,
    "tempered": Lanes,
}


def draw(
    density: LogDensity,
    n_dim: int,
    settings: Settings,
    rng: np.random.Generator,
    *,
    starts: Array | None = None,
    frame: Frame | None = None,
    going_on: Chains | None = None,
) -> Chains:
    """Run chains.

    Parameters
    ----------
    density : LogDensity
        What to draw from.
    n_dim : int
        Number of dimensions.
    settings : Settings
        How to draw; `n_draws` counts those of `going_on`.
    rng : Generator
        Seeds the chains, unless they go on.
    starts : ndarray of shape (n_chains, n_dim), optional
        Where chains start; by default that is found out. Walkers of an ensemble start
        from (n_chains, n_walkers, n_dim).
    frame : Frame, optional
        Where to look for starts, and in which units.
    going_on : Chains, optional
        What to go on from, with the metric and the step sizes as they are: the draws
        are those of one longer run.

    Returns
    -------
    Chains
        Those of `going_on`, and new ones.

    Raises
    ------
    KeyboardInterrupt
        If the user ends the run before there are draws. After that, draws so far are
        kept.
    MemoryError
        If draws would take more memory than the machine has.
    """
    own_threads = getattr(density, "own_threads", False)
    hold = nullcontext() if own_threads else single_threaded_libraries()
    # Samplers look where numbers overflow, and turn back.
    quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
    with hold, quiet, progress(verbose=settings.verbose) as bar:
        _check_memory(settings, n_dim, bar)
        runner = _RUNNERS[settings.sampler](density, settings, bar)
        return runner.run(n_dim, rng, starts, frame, going_on)


def _check_memory(settings: Settings, n_dim: int, bar: Bar) -> None:
    """Tell how much memory draws take, before they do."""
    s = settings
    needed = 8 * s.n_chains * s.n_draws * (n_dim + N_RECORDS) + 16 * CHUNK
    bar.write(f"The draws of {s.n_chains} chains take {in_bytes(needed)} of memory.")
    there = memory()
    if there is not None and needed > there:
        raise MemoryError(
            f"n_chains={s.n_chains} times n_draws={s.n_draws} draws in {n_dim} "
            f"dimensions take {in_bytes(needed)} of memory, and this machine has "
            f"{in_bytes(there)}. Lower n_draws; thin={10 * s.thin} would keep every "
            f"{10 * s.thin}th draw, which tells almost as much as all."
        )
