"""Documents with topics and clusters that are known."""

import numpy as np
from scipy.optimize import linear_sum_assignment


def plant(n=300, n_words=60, n_topics=4, length=50, alpha=0.15, seed=0):
    """Documents, the probabilities of words in topics, and the shares of topics."""
    rng = np.random.default_rng(seed)
    words = rng.dirichlet(np.full(n_words, 0.1), n_topics)
    shares = rng.dirichlet(np.full(n_topics, alpha), n)
    return draw(shares, words, length, rng), words, shares


def plant_clusters(n=300, n_words=80, length=60, seed=0):
    """Documents of three clusters over six topics, their words, and the labels."""
    rng = np.random.default_rng(seed)
    words = rng.dirichlet(np.full(n_words, 0.1), 6)
    alpha = 0.02 + 3.0 * np.repeat(np.eye(3), 2, axis=1)
    labels = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    shares = np.stack([rng.dirichlet(alpha[c]) for c in labels])
    means = alpha / alpha.sum(axis=1, keepdims=True) @ words
    return draw(shares, words, length, rng), means, labels


def draw(shares, words, length, rng):
    lengths = rng.poisson(length, len(shares))
    pairs = zip(lengths, shares @ words, strict=True)
    return np.stack([rng.multinomial(m, p / p.sum()) for m, p in pairs]).astype(float)


def match(found, words):
    """Cosine of each planted topic and the one found for it, and which that is."""
    unit = [p / np.linalg.norm(p, axis=1, keepdims=True) for p in (words, found)]
    cosines = unit[0] @ unit[1].T
    rows, columns = linear_sum_assignment(-cosines)
    return cosines[rows, columns], columns
