"""Hidden Markov models whose laws are a table, and what sums over all paths give."""

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from sklgen.em import Sequences
from sklgen.families._base import Laws, View
from sklgen.hmm._fitted import FittedChains
from sklgen.hmm._messages import exchange
from sklgen.hmm._rules import Rules
from sklgen.hmm._structure import Chains


@dataclass(frozen=True, eq=False)
class Table(Laws):
    """Laws that give row `x` the log-density `log[:, x]`."""

    log: np.ndarray
    log_prior = 0.0
    n_features = 1

    @property
    def shape(self):
        return len(self.log), 1

    def view(self, *, complete):
        return TableView(self.log)


@dataclass(frozen=True, eq=False)
class TableView(View):
    """Its statistics are how often each law gave each row."""

    log: np.ndarray

    def evaluate(self, X, allocate, out):
        rows = X[:, 0].astype(int)
        out[:] = self.log[:, rows]
        return np.eye(self.log.shape[1])[:, rows]

    def zeros(self):
        return np.zeros(self.log.shape)

    def accumulate(self, sums, features, responsibilities):
        sums += responsibilities @ features.T

    def complete(self, sums):
        return sums


class Fitted(FittedChains):
    """What is read off given chains."""

    n_jobs = 1

    def __init__(self, chains):
        self.chains = chains

    def _fitted(self):
        return self.chains

    def _n_parameters(self):
        return 0


def chains_of(weights, start, transition, log):
    """Chains over a table (C, K, R) of log-densities."""
    K = start.shape[1]
    rules = Rules(np.zeros(K), np.zeros((K, K)))
    table = Table(log.reshape(-1, log.shape[-1]))
    return Chains(weights, start, transition, table, rules)


@dataclass
class Data:
    """Sequences of rows of a table; `labels` are states that are known."""

    sequences: list
    weight: np.ndarray
    labels: list | None = None

    @property
    def X(self):
        return np.concatenate(self.sequences)[:, None].astype(float)

    @property
    def ends(self):
        return np.cumsum([len(rows) for rows in self.sequences])

    def open(self, chains, n_threads=1):
        return Sequences(
            self.X,
            self.ends,
            self.weight,
            n_features=1,
            n_states=chains.n_laws,
            n_threads=n_threads,
            labels=None if self.labels is None else np.concatenate(self.labels),
        )

    def densities(self, chains, chain):
        """Log-density (K, T) of each sequence under a chain, known states kept to."""
        K = chains.n_states
        found = []
        for at, rows in enumerate(self.sequences):
            log = chains.components.log[chain * K : (chain + 1) * K, rows].copy()
            if self.labels is not None:
                known = self.labels[at]
                log[(np.arange(K)[:, None] != known) & (known >= 0)] = -np.inf
            found.append(log)
        return found


@dataclass
class Enumerated:
    """Sums over all paths of one sequence under one chain.

    `density` (T,) is that of each row given those before, `filtered` and `smoothed`
    (K, T) are probabilities of the states, `pairs` (K, K) is the expected number of
    transitions, `paths` and `log_joint` are all paths with their log-probability.
    """

    density: np.ndarray
    filtered: np.ndarray
    smoothed: np.ndarray
    pairs: np.ndarray
    paths: np.ndarray
    log_joint: np.ndarray


def enumerate_paths(log, start, transition):
    """Rows that are impossible after those before count as missing."""
    K, T = log.shape
    log = log.copy()
    with np.errstate(divide="ignore"):
        log_start, log_transition = np.log(start), np.log(transition)
    density, filtered = np.empty(T), np.empty((K, T))
    before = 0.0
    for t in range(T):
        paths, joint = _joint(log[:, : t + 1], log_start, log_transition)
        total = np.logaddexp.reduce(joint)
        density[t] = total - before
        if total == -np.inf:
            log[:, t] = 0.0
            paths, joint = _joint(log[:, : t + 1], log_start, log_transition)
            total = before
        share = np.exp(joint - total)
        filtered[:, t] = np.bincount(paths[:, -1], share, minlength=K)
        before = total
    smoothed = np.stack(
        [np.bincount(paths[:, t], share, minlength=K) for t in range(T)], axis=1
    )
    pairs = np.zeros((K, K))
    for path, probability in zip(paths, share, strict=True):
        for i, j in pairwise(path):
            pairs[i, j] += probability
    return Enumerated(density, filtered, smoothed, pairs, paths, joint)


def _joint(log, log_start, log_transition):
    K, T = log.shape
    paths = np.array(list(product(range(K), repeat=T)))
    joint = log_start[paths[:, 0]] + log[paths, np.arange(T)].sum(axis=1)
    joint += log_transition[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    return paths, joint


def read_each_row(chains, data, read):
    """`read(model, emissions, bundle, messages, scratch)` of all rows, as (K, n)."""
    with data.open(chains) as sequences:
        messages = exchange(chains, sequences)

        def values(bundle, scratch):
            emissions = chains.evaluate(sequences.X, bundle, scratch)
            return read(chains, emissions, bundle, messages, scratch).T

        out = np.empty((len(data.X), chains.n_laws))
        return sequences.fill(out, values).T
