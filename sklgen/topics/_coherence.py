"""How often the top words of topics come together in documents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklgen._typing import Array


def coherence(words: NDArray[np.intp], X: csr_array, measure: str) -> Array:
    """Coherence of the top words of topics, by the documents that have them.

    Probabilities are shares of documents, which are the windows of [2]_.

    "npmi" is the mean over pairs of words of their normalised pointwise mutual
    information [1]_: -1 for words that are never together, 0 for independent ones, 1
    for words that are always together. "u_mass" [3]_ is the mean over pairs of
    log((D(v, w) + 1) / D(w)), D being the number of documents that have words, and w
    the word that comes first among the top words. "c_v" [2]_ takes for each word the
    NPMI with all top words as a vector, and is the mean cosine of these and their sum.

    Words that no document has are left out. A topic with fewer than two others has a
    coherence of zero.

    Parameters
    ----------
    words : ndarray of shape (K, n)
        Distinct columns of the top words of each topic, the most probable first.
    X : csr_array of shape (m, V)
        Counts, in canonical form.
    measure : {"npmi", "c_v", "u_mass"}
        What is measured.

    Returns
    -------
    coherence : ndarray of shape (K,)
        Higher is better.

    References
    ----------
    .. [1] Bouma, G. (2009). Normalized (pointwise) mutual information in collocation
       extraction. GSCL.
    .. [2] Roder, M., Both, A. and Hinneburg, A. (2015). Exploring the space of topic
       coherence measures. WSDM.
    .. [3] Mimno, D., Wallach, H. M., Talley, E., Leenders, M. and McCallum, A. (2011).
       Optimizing semantic coherence in topic models. EMNLP.
    """
    of = MEASURES[measure]
    out = np.zeros(len(words))
    for k, together in enumerate(_documents(words, X)):
        occurs = together.diagonal() > 0
        if occurs.sum() > 1:
            kept = np.ix_(occurs, occurs)
            out[k] = of(together[kept], X.shape[0])
    return out


def _documents(words: NDArray[np.intp], X: csr_array) -> Array:
    """Number of documents (K, n, n) that have both words of each pair."""
    used, at = np.unique(words, return_inverse=True)
    has = X[:, used].astype(bool).astype(np.float64)
    together = (has.T @ has).toarray()
    at = at.reshape(words.shape)
    return np.asarray(together[at[:, :, None], at[:, None, :]])


def _npmi(together: Array, n: int) -> Array:
    """Normalised pointwise mutual information of all pairs of words."""
    share = together / n
    own = share.diagonal()
    found = np.full(share.shape, -1.0)
    # Limits, which stay: words that are never together, and those always everywhere.
    found[share == 1.0] = 1.0
    between = (share > 0.0) & (share < 1.0)
    log_share = np.log(share[between])
    found[between] = np.log(np.outer(own, own)[between]) / log_share - 1.0
    return found


def _mean_npmi(together: Array, n: int) -> float:
    return float(_npmi(together, n)[np.tril_indices(len(together), -1)].mean())


def _c_v(together: Array, n: int) -> float:
    vectors = _npmi(together, n)
    total = vectors.sum(axis=0)
    size = np.linalg.norm(vectors, axis=1) * np.linalg.norm(total)
    # Where vectors cancel, their sum has no direction.
    return float(np.mean(vectors @ total / size)) if total.any() else 0.0


def _u_mass(together: Array, n: int) -> float:
    later, first = np.tril_indices(len(together), -1)
    odds = (together[later, first] + 1.0) / together.diagonal()[first]
    return float(np.log(odds).mean())


MEASURES: dict[str, Callable[[Array, int], float]] = {
    "npmi": _mean_npmi,
    "c_v": _c_v,
    "u_mass": _u_mass,
}
