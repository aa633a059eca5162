"""Sequences of several chains, and small ones with missing cells."""

import numpy as np

TRANSITIONS = np.array(
    [
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]],
        [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]],
        [[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]],
    ]
)
MEANS = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])


def planted(seed, n_each=100, T=40, *, apart=0.0, noise=0.7):
    """Sequences of three chains, the means of whose emissions are so far apart."""
    rng = np.random.default_rng(seed)
    clusters = rng.permutation(np.repeat(np.arange(3), n_each))
    cumulative = TRANSITIONS.cumsum(axis=2)
    sequences = []
    for c in clusters:
        states = [rng.integers(3)]
        while len(states) < T:
            states.append(np.searchsorted(cumulative[c, states[-1]], rng.random()))
        means = MEANS[states] + apart * c
        sequences.append(means + noise * rng.normal(size=(T, 2)))
    return sequences, clusters


def tiny(seed=0, missing=0.3, lengths=(4, 3, 4, 1, 2, 4)):
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(n, 2)) + (n % 2) for n in lengths]
    for X in sequences:
        X[rng.random(X.shape) < missing] = np.nan
    return sequences
