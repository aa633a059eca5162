"""Coherence against its definitions, pair by pair."""

import numpy as np
import pytest

from sklgen.families._counts import as_csr
from sklgen.topics._coherence import MEASURES, coherence

# Words 0 and 1 are in the same two of four documents, 2 in all, 3 in one, 4 in none.
X = np.array(
    [[3, 1, 1, 0, 0], [1, 2, 5, 0, 0], [0, 0, 1, 2, 0], [0, 0, 2, 0, 0]], float
)


def npmi(v, w, share):
    both = share(v, w)
    if both in (0.0, 1.0):
        return 2.0 * both - 1.0
    return np.log(both / (share(v) * share(w))) / -np.log(both)


def cosine(v, w):
    return v @ w / np.sqrt((v @ v) * (w @ w))


def expected(words, has, measure):
    """Coherence of one topic, word by word."""

    def share(*columns):
        return has[:, columns].all(axis=1).mean()

    n = len(has)
    pairs = [(v, w) for at, v in enumerate(words) for w in words[:at]]
    if measure == "npmi":
        return np.mean([npmi(v, w, share) for v, w in pairs])
    if measure == "u_mass":
        return np.mean([np.log((share(*p) * n + 1) / (share(p[1]) * n)) for p in pairs])
    vectors = np.array([[npmi(v, w, share) for w in words] for v in words])
    return np.mean([cosine(v, vectors.sum(axis=0)) for v in vectors])


@pytest.mark.parametrize("measure", MEASURES)
def test_coherence_is_what_its_definition_says(measure):
    rng = np.random.default_rng(0)
    rows = rng.poisson(rng.gamma(0.5, 1.0, (60, 30)))
    words = np.stack([rng.choice(30, 6, replace=False) for _ in range(8)])
    found = coherence(words, as_csr(rows.astype(float)), measure)
    own = [expected(list(topic), rows > 0, measure) for topic in words]
    assert found == pytest.approx(own, rel=1e-10)


@pytest.mark.parametrize(
    ("words", "measure", "value"),
    [
        ([0, 1], "npmi", 1.0),
        ([0, 3], "npmi", -1.0),
        # A word that all documents have says nothing of others.
        ([0, 2], "npmi", 0.0),
        ([0, 1, 3], "npmi", (1.0 - 1.0 - 1.0) / 3),
        ([0, 1], "u_mass", np.log(3 / 2)),
        ([2, 3], "u_mass", np.log(2 / 4)),
        ([3, 2], "u_mass", np.log(2 / 1)),
        ([0, 1], "c_v", 1.0),
        # Vectors are (1, -1) and (-1, 1): their sum has no direction.
        ([0, 3], "c_v", 0.0),
        # Vectors are (1, 0) and (0, 1).
        ([0, 2], "c_v", np.sqrt(0.5)),
    ],
)
def test_coherence_of_few_words_by_hand(words, measure, value):
    assert coherence(np.array([words]), as_csr(X), measure) == pytest.approx(value)


def test_words_in_all_documents_are_always_together():
    rows = as_csr(np.ones((5, 2)))
    assert coherence(np.array([[0, 1]]), rows, "npmi") == pytest.approx(1.0)


@pytest.mark.parametrize("measure", MEASURES)
def test_words_that_never_occur_are_left_out(measure):
    found = coherence(np.array([[0, 4, 2], [0, 2, 4], [4, 0, 2]]), as_csr(X), measure)
    without = coherence(np.array([[0, 2]]), as_csr(X), measure)
    assert found == pytest.approx(np.repeat(without, 3))
    assert np.array_equal(coherence(np.array([[4, 0]]), as_csr(X), measure), [0.0])


@pytest.mark.parametrize("measure", MEASURES)
def test_coherence_knows_which_words_a_document_has_and_no_more(measure):
    words = np.array([[0, 1, 2, 3], [3, 1, 0, 2]])
    found = coherence(words, as_csr(X), measure)
    assert np.array_equal(coherence(words, as_csr((X > 0) * 0.25), measure), found)
    assert np.array_equal(coherence(words, as_csr(X[::-1]), measure), found)
    apart = np.concatenate([coherence(own[None], as_csr(X), measure) for own in words])
    assert np.array_equal(apart, found)
