"""Topics with random words, and documents drawn from them."""

import numpy as np

from sklgen.families import DirichletMultinomial
from sklgen.families._counts import as_csr
from sklgen.mixture._structure import Mixture
from sklgen.topics._structure import Topics, pad


def make_topics(n_topics=3, n_words=12, n_laws=1, seed=0, alpha=None, spread=0.3):
    """Topics whose word probabilities and laws are random, the laws far apart."""
    rng = np.random.default_rng(seed)
    words = pad(rng.dirichlet(np.full(n_words, spread), n_topics).T * 1000.0)
    if alpha is None:
        alpha = rng.gamma(1.0, 1.0, (n_laws, n_topics)) + 0.05
    weights = rng.dirichlet(np.full(len(alpha), 5.0))
    laws = Mixture(weights, DirichletMultinomial(None, np.asarray(alpha, float), 1.0))
    return Topics(words, np.full((1, words.shape[1]), 0.1), laws)


def draw_documents(topics, n=30, length=40, seed=0):
    """Documents of Poisson lengths, and the law that each one follows."""
    rng = np.random.default_rng(seed)
    K = topics.n_topics
    labels = rng.choice(len(topics.alphas), n, p=topics.laws.weights)
    shares = np.stack([rng.dirichlet(topics.alphas[c, :K]) for c in labels])
    p = shares @ topics.word_probabilities[:, :K].T
    lengths = rng.poisson(length, n)
    rows = [rng.multinomial(m, q / q.sum()) for m, q in zip(lengths, p, strict=True)]
    return as_csr(np.array(rows, float)), labels
