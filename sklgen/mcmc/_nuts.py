"""The No-U-Turn sampler for many chains in lock step, which asks for densities.

`init` makes a state, `queries` are the positions at which it wants the log-density and
its gradient, `advance` takes them and moves every chain on by one leapfrog. The metric
is the identity: whoever wants another one transforms positions and gradients outside.

References
----------
Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15; Betancourt (2017), A
conceptual introduction to Hamiltonian Monte Carlo, arXiv 1701.02434, for multinomial
draws and the criterion; Dance, Glaser, Orbanz and Adams (2025), Efficiently vectorized
MCMC on modern accelerators, arXiv 2503.17405, for state machines.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.mcmc import _nuts_kernels as kernels

Index = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """Where C chains stand, some in the midst of a tree.

    The arrays are laid out as told in `_nuts_kernels`; `advance` writes into them, and
    `copy` keeps what they are. A state is all there is to know: a run that goes on from
    a copy has the same bits.
    """

    vectors: Array
    numbers: Array
    counts: Index
    streams: NDArray[np.uint64]

    @property
    def n_chains(self) -> int:
        """Number of chains."""
        return len(self.counts)

    @property
    def positions(self) -> Array:
        """Last draw (C, d) of each chain."""
        draws: Array = self.vectors[kernels.CHOSEN]
        return draws

    @property
    def log_densities(self) -> Array:
        """Log-density (C,) at the last draws."""
        values: Array = self.numbers[:, kernels.LOG_DENSITY]
        return values

    @property
    def gradients(self) -> Array:
        """Gradient (C, d) of the log-density at the last draws."""
        slopes: Array = self.vectors[kernels.CHOSEN_GRADIENT]
        return slopes

    @property
    def mean_step_sizes(self) -> Array:
        """Step size (C,) that dual averaging has come to."""
        return np.exp(self.numbers[:, kernels.LOG_STEP_MEAN])

    @property
    def n_drawn(self) -> Index:
        """Number (C,) of draws in the trace that is being written."""
        return self.counts[:, kernels.DRAWS]

    def copy(self) -> State:
        """Give a state that shares no memory with this one."""
        return State(
            self.vectors.copy(),
            self.numbers.copy(),
            self.counts.copy(),
            self.streams.copy(),
        )


class Recorded(ABC):
    """Draws, and what is known of each.

    Attributes
    ----------
    positions : ndarray of shape (C, n, d)
        Draws.
    records : ndarray of shape (C, n, 7)
        The columns are the properties below.
    """

    positions: Array
    records: Array

    @property
    def log_densities(self) -> Array:
        """Log-density of each draw."""
        return self.records[..., 0]

    @property
    def energies(self) -> Array:
        """Hamiltonian at each draw."""
        return self.records[..., 1]

    @property
    def accept_statistics(self) -> Array:
        """Mean acceptance probability over the leaves of each tree."""
        return self.records[..., 2]

    @property
    def step_sizes(self) -> Array:
        """Step size of each tree."""
        return self.records[..., 3]

    @property
    def depths(self) -> Index:
        """Number of doublings of each tree."""
        return self.records[..., 4].astype(np.int64)

    @property
    def n_leapfrogs(self) -> Index:
        """Number of gradients of each tree."""
        return self.records[..., 5].astype(np.int64)

    @property
    def divergent(self) -> NDArray[np.bool_]:
        """Whether each tree ended because the energy was lost."""
        return self.records[..., 6] > 0


@dataclass(frozen=True)
class Trace(Recorded):
    """Room for n draws of each of C chains.

    Attributes
    ----------
    positions : ndarray of shape (C, n, d)
        Draws.
    records : ndarray of shape (C, n, 7)
        What is known of them.
    gradients : ndarray of shape (C, n, d) or (C, 0, d)
        Gradients of the log-density there, if they are kept.
    """

    positions: Array
    records: Array
    gradients: Array

    @staticmethod
    def empty(n_chains: int, n_draws: int, d: int, *, gradients: bool) -> Trace:
        """Make room for draws, and for gradients if wanted."""
        return Trace(
            np.empty((n_chains, n_draws, d)),
            np.empty((n_chains, n_draws, kernels.N_RECORDS)),
            np.empty((n_chains, n_draws if gradients else 0, d)),
        )


def streams(rng: np.random.Generator, n_chains: int) -> NDArray[np.uint64]:
    """Seeds (C, 4) of the chains' streams; the first do not depend on how many."""
    root = np.random.SeedSequence(rng.integers(2**63, size=2, dtype=np.uint64).tolist())
    return np.stack(
        [child.generate_state(4, np.uint64) for child in root.spawn(n_chains)]
    )


def init(
    positions: Array,
    log_density: Array,
    gradient: Array,
    seeds: NDArray[np.uint64],
    *,
    step_size: float | Array = 1.0,
    max_depth: int = 10,
) -> State:
    """Put chains at positions (C, d) where the log-density (C,) is finite."""
    n_chains, d = positions.shape
    vectors = np.zeros((kernels.STACK + 3 * (max_depth + 1), n_chains, d))
    numbers = np.zeros((n_chains, kernels.N_NUMBERS))
    numbers[:, kernels.LOG_DENSITY] = log_density
    counts = np.zeros((n_chains, kernels.N_COUNTS), dtype=np.int64)
    counts[:, kernels.DIRECTION] = 1
    state = State(vectors, numbers, counts, seeds.copy())
    restart(state, positions, gradient, step_size=step_size)
    return state


def restart(
    state: State, positions: Array, gradient: Array, *, step_size: float | Array
) -> None:
    """Begin new trees, and the adaptation of steps, at the last draws.

    `positions` and `gradient` are those draws in coordinates that may be new.
    """
    state.vectors[kernels.CHOSEN] = positions
    state.vectors[kernels.CHOSEN_GRADIENT] = gradient
    state.numbers[:, kernels.STEP] = step_size
    state.numbers[:, kernels.ANCHOR] = np.log(step_size)
    state.numbers[:, kernels.LOG_STEP_MEAN] = np.log(step_size)
    state.numbers[:, kernels.SHORTFALL] = 0.0
    state.counts[:, kernels.UPDATES] = 0
    kernels.start(
        state.vectors,
        state.numbers,
        state.counts,
        state.streams,
        np.arange(state.n_chains),
    )


def queries(state: State) -> Array:
    """Positions (C, d) at which the chains want density and gradient, as a view."""
    positions: Array = state.vectors[kernels.POSITION]
    return positions


def advance(
    state: State,
    log_density: Array,
    gradient: Array,
    trace: Trace,
    *,
    rows: Index,
    max_depth: int,
    target_accept: float = 0.0,
) -> bool:
    """Answer the queries of the chains `rows`, each of which takes one leapfrog.

    Draws go to the `trace`; with a `target_accept` above 0, each tree is followed by a
    change of the step size. Tells whether some chain has come to the end of its trace:
    it must not be advanced before `rewind`.
    """
    full: bool = kernels.advance(
        state.vectors,
        state.numbers,
        state.counts,
        state.streams,
        rows,
        log_density,
        gradient,
        max_depth,
        target_accept,
        trace.positions,
        trace.gradients,
        trace.records,
    )
    return full


def rewind(state: State) -> None:
    """Let the next draws go to the beginning of a trace."""
    state.counts[:, kernels.DRAWS] = 0
