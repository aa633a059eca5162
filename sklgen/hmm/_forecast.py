"""The law of the rows that follow a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.em import Bundle, Scratch, Sequences
from sklgen.hmm._messages import exchange
from sklgen.hmm._paths import simulate_paths
from sklgen.hmm._structure import Chains


@dataclass(frozen=True, eq=False)
class Forecast:
    """What the rows after a sequence may be: the result of `forecast`.

    Parameters
    ----------
    probabilities : ndarray of shape (horizon, n_states)
        Probability of each hidden state at each of the next rows. For a mixture of
        HMMs, those of all clusters side by side.
    mean : array or DataFrame of shape (horizon, n_features)
        Mean of each row; most probable labels where a column holds labels.
    futures : callable
        `futures(m, rng)` draws m tables of the next rows: what `sample` calls.
    """

    probabilities: Array
    mean: Any
    futures: Callable[[int, np.random.Generator], list[Any]]

    def sample(self, n_sequences: int = 1, *, random_state: Any = None) -> Any:
        """Draw ways in which the sequence may go on.

        Parameters
        ----------
        n_sequences : int, default=1
            Number of draws.
        random_state : int, RandomState instance or None, default=None
            An int gives the same draws each time.

        Returns
        -------
        sequences : list of array or DataFrame of shape (horizon, n_features)
            The next rows, drawn together: each list member is one future.
        """
        m = int(check_scalar(n_sequences, "n_sequences", Integral, min_val=1))
        return self.futures(m, as_generator(random_state))


def forecasts(
    model: Chains[Any], sequences: Sequences, horizon: int, schema: Any, width: int
) -> list[Forecast]:
    """One forecast a sequence."""
    last = np.empty((len(sequences.ends), model.n_chains, model.n_states))
    messages = exchange(model, sequences)

    def read(bundle: Bundle, scratch: Scratch) -> None:
        emissions = model.evaluate(sequences.X, bundle, scratch)
        share = model.smooth(emissions, bundle, messages, scratch).share
        final = np.flatnonzero(np.isin(bundle.rows, sequences.ends - 1))
        where = np.searchsorted(sequences.ends - 1, bundle.rows[final])
        for chain in range(model.n_chains):
            previous, _ = model.begin(bundle, messages, chain)
            done = model.filter(emissions.log, chain, previous, bundle.offset, scratch)
            filtered = (
                np.exp(done.log_filtered(final)) * share[chain][bundle.lane[final]]
            )
            last[where, chain] = filtered.T

    for _ in sequences.map(read):
        pass
    return [_forecast(model, law, horizon, schema, width) for law in last]


def _forecast(
    model: Chains[Any], last: Array, horizon: int, schema: Any, width: int
) -> Forecast:
    law = last / last.sum()
    steps = []
    for _ in range(horizon):
        law = np.einsum("ci,cij->cj", law, model.transition)
        steps.append(law.ravel())
    probabilities = np.stack(steps)
    unseen: NDArray[Any] = np.full((horizon, width), np.nan)
    means = model.components.conditional_mean(unseen, probabilities.T)
    futures = partial(_draw, model, (last / last.sum()).ravel(), horizon, schema, width)
    return Forecast(probabilities, schema.restore(means), futures)


def _draw(
    model: Chains[Any],
    last: Array,
    horizon: int,
    schema: Any,
    width: int,
    m: int,
    rng: np.random.Generator,
) -> list[Any]:
    """Draw m tables of rows, given the probabilities of the last state."""
    chains, states = np.divmod(rng.choice(model.n_laws, m, p=last), model.n_states)
    path = simulate_paths(model, chains, horizon, rng, states)
    unseen = np.full((path.size, width), np.nan)
    rows = model.components.conditional_draw(unseen, path.ravel(), rng)
    return [schema.restore(part) for part in np.split(rows, m)]
