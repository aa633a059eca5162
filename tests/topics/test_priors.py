"""Priors of topics and words: where they are likeliest, and that they stay numbers."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from sklearn.exceptions import ConvergenceWarning

from sklgen.topics import LatentDirichletAllocation, LDAMixture
from sklgen.topics._priors import word_concentration

METHODS = ("cvb0", "scvb0", "gibbs")


def log_likelihood(words, b):
    """Of one concentration, given whole counts of words (V, K)."""
    V, totals = len(words), words.sum(axis=0)
    rising = gammaln(words + b) - gammaln(b)
    return rising.sum() - (gammaln(totals + V * b) - gammaln(V * b)).sum()


@pytest.mark.parametrize("concentration", [0.02, 0.3, 4.0])
def test_concentration_of_words_is_the_likeliest(concentration):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(200, concentration), 5)
    words = np.stack([rng.multinomial(2000, p) for p in shares], axis=1) * 1.0
    best = minimize_scalar(
        lambda log_b: -log_likelihood(words, np.exp(log_b)),
        bounds=(-8, 4),
        method="bounded",
        options={"xatol": 1e-9},
    )
    found = word_concentration(words, 0.05)
    assert found == pytest.approx(np.exp(best.x), rel=1e-3)
    assert word_concentration(words, 3.0) == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-8, 1e-3])
def test_less_than_a_token_tells_nothing_of_the_concentration(scale):
    words = scale * np.random.default_rng(0).random((30, 4))
    assert word_concentration(words, 0.07) == pytest.approx(0.07, rel=1e-9)
    whole = np.random.default_rng(1).poisson(np.linspace(0.0, 20.0, 30))[:, None] * 1.0
    expected = word_concentration(whole, 0.07)
    both = np.hstack([whole, words])
    assert word_concentration(both, 0.07) == pytest.approx(expected, rel=1e-6)


def test_concentration_of_words_stays_between_its_bounds():
    assert word_concentration(np.full((30, 4), 50.0), 0.05) == pytest.approx(100.0)
    one_word = np.zeros((30, 4))
    one_word[0] = 1e12
    assert word_concentration(one_word, 0.05) == pytest.approx(1e-4)


RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(0.6, (40, 25)).astype(float)
HEAVY = np.where(np.arange(1000).reshape(40, 25) == 37, 1e12, COUNTS)
HARD = {
    "alike": np.repeat(COUNTS[:1], 40, axis=0),
    "one document": COUNTS[:1],
    "two documents": COUNTS[:2],
    "more topics than words": COUNTS[:3, :4],
    "one word": COUNTS[:, :1],
    "a token each": np.eye(25)[RNG.integers(25, size=60)],
    "a word each": 10.0 * np.eye(25)[RNG.integers(25, size=60)],
    "the same token": np.eye(25)[np.zeros(60, int)],
    "empty": COUNTS * 0.0,
    "tiny": COUNTS * 1e-8,
    "tiniest": COUNTS * 1e-300,
    "heavy": COUNTS * 1e12,
    "one heavy cell": HEAVY,
    "no structure": COUNTS,
}


@pytest.mark.parametrize("kind", ["one law", "two laws", "two laws of any total"])
@pytest.mark.parametrize(
    ("case", "method"),
    # "gibbs" has a topic for each token.
    [(c, m) for c in HARD for m in METHODS if m != "gibbs" or "heavy" not in c],
)
def test_fits_of_hard_documents_are_numbers(case, method, kind):
    X = HARD[case]
    options = {"method": method, "max_iter": 30, "random_state": 0}
    if kind == "one law":
        model = LatentDirichletAllocation(6, **options)
    else:
        total = 20.0 if kind == "two laws" else None
        model = LDAMixture(2, n_topics=6, concentration=total, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
        shares = model.transform(X)
        drawn = model.sample(20, random_state=0)
    alpha, total = model.doc_topic_prior_, X.sum()
    assert np.isfinite(model.components_).all()
    assert (model.components_ > 0).all()
    tokens = (model.components_ - model.topic_word_prior_).sum()
    assert tokens == pytest.approx(total, rel=1e-3, abs=1e-6 + 1e-3 * (total > 1))
    assert ((alpha > 0) & (alpha < 2000)).all()
    if kind == "two laws":
        assert alpha.sum(axis=1) == pytest.approx(20.0)
    assert 1e-4 <= model.topic_word_prior_ <= 100.0
    assert shares.sum(axis=1) == pytest.approx(1.0)
    assert np.isfinite(model.log_likelihoods_).all()
    assert max(model.log_likelihoods_) < 1e-6
    assert drawn.shape == (20, X.shape[1])
    assert (drawn >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_priors_that_are_not_learned_keep_their_bits(method):
    rng = np.random.default_rng(1)
    alpha, words = rng.gamma(1.0, 1.0, 3), rng.gamma(1.0, 1.0, (3, 25))
    for given in (0.037, words):
        model = LatentDirichletAllocation(
            3, method=method, doc_topic_prior=alpha, topic_word_prior=given,
            learn_doc_topic_prior=False, learn_topic_word_prior=False,
            max_iter=30, random_state=0,
        )  # fmt: skip
        model.fit(COUNTS).partial_fit(COUNTS[:5])
        assert (model.doc_topic_prior_ == alpha).all()
        assert np.array_equal(model.topic_word_prior_, given)
        assert type(model.topic_word_prior_) is type(given)


@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_of_concentrations_is_not_learned(method):
    words = np.full((2, 1), [[0.3], [0.7]])
    model = LatentDirichletAllocation(2, method=method, topic_word_prior=words)
    model.fit(COUNTS[:, :1])
    assert (model.topic_word_prior_ == words).all()


WRONG = [
    ({"doc_topic_prior": [1.0, 2.0]}, r"doc_topic_prior has shape \(2,\).*3 topics"),
    ({"doc_topic_prior": [1.0, 2.0, -1.0]}, "doc_topic_prior must be.*got -1.0"),
    ({"doc_topic_prior": [1.0, 2.0, np.nan]}, "doc_topic_prior must be.*got nan"),
    ({"doc_topic_prior": 1e-200}, "doc_topic_prior must be.*from 1e-100"),
    ({"topic_word_prior": 1e-200}, "topic_word_prior must be.*from 1e-100"),
    ({"topic_word_prior": 1e200}, r"topic_word_prior must be.*to 1e\+100"),
    ({"topic_word_prior": np.zeros((3, 25))}, "topic_word_prior must be.*got 0.0"),
    ({"topic_word_prior": np.ones((2, 25))}, r"shape \(2, 25\).*of shape \(3, 25\)"),
    ({"topic_word_prior": np.ones(25)}, r"shape \(25,\).*of shape \(3, 25\)"),
    ({"doc_topic_prior": 0.0}, "'doc_topic_prior' parameter"),
    ({"topic_word_prior": np.inf}, "'topic_word_prior' parameter"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_wrong_priors_are_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        LatentDirichletAllocation(3, **changes).fit(COUNTS)


@pytest.mark.parametrize("limit", [1e-100, 1e100])
@pytest.mark.parametrize("name", ["doc_topic_prior", "topic_word_prior"])
def test_priors_at_their_limits_give_numbers(name, limit):
    both = {"doc_topic_prior": limit, "topic_word_prior": limit, name: limit}
    for changes in ({name: limit}, both):
        model = LatentDirichletAllocation(
            3, learn_doc_topic_prior=False, learn_topic_word_prior=False,
            random_state=0, **changes,
        )  # fmt: skip
        assert np.isfinite(model.fit(COUNTS).components_).all()
        assert np.isfinite(model.transform(COUNTS)).all()
    with pytest.raises(ValueError, match="doc_topic_prior must be"):
        LDAMixture(2, doc_topic_prior=1e-200).fit(COUNTS)
