"""DirichletProcessMixture against scikit-learn's BayesianGaussianMixture.

Prints how often eight separated clusters are found from one start; held-out scores on
real data, where BayesianGaussianMixture gets the number of components that scores best
on the held-out rows themselves; the number of components of the galaxies; and seconds
on many rows, both for the whole search and for ten iterations at the same truncation.
"""

import argparse
import time
import warnings
from collections import Counter

import numpy as np
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture
from sklearn.model_selection import ShuffleSplit

from sklgen.datasets import (
    load_diabetes_classes,
    load_galaxies,
    load_old_faithful,
)
from sklgen.em import Rows, n_threads
from sklgen.mixture import DirichletProcessMixture
from sklgen.mixture._dirichlet_process_prior import prior_of, standardized
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._dirichlet_process_start import Discovery

SPEED = (200_000, 8, 8)
TRUNCATION = 10
ITERATIONS = 10


def clusters(n, seed, n_clusters=8, apart=6.0):
    """Round clusters of unit deviation in the plane, their centres `apart` at least."""
    rng = np.random.default_rng(seed)
    while True:
        means = rng.uniform(-15, 15, size=(n_clusters, 2))
        distance = np.linalg.norm(means[:, None] - means, axis=2)
        if distance[np.triu_indices(n_clusters, 1)].min() > apart:
            break
    labels = rng.choice(n_clusters, n, p=rng.dirichlet(np.full(n_clusters, 5.0)))
    return means[labels] + rng.normal(size=(n, 2))


def report_recovery(n_seeds):
    found, seconds = [], []
    for seed in range(n_seeds):
        X = clusters(10_000, seed)
        start = time.perf_counter()
        model = DirichletProcessMixture(random_state=seed).fit(X)
        seconds.append(time.perf_counter() - start)
        found.append(model.n_components_)
    hits = sum(count == 8 for count in found)
    print(
        f"8 separated clusters, n=10000, one start: found in {hits} of {n_seeds} data "
        f"sets, {np.median(seconds):.2f} s a fit; components {dict(Counter(found))}"
    )


def report_held_out(name, X, n_splits):
    splits = list(ShuffleSplit(n_splits, test_size=0.3, random_state=0).split(X))
    fits = [
        DirichletProcessMixture(random_state=0).fit(X[train]) for train, _ in splits
    ]
    ours = [model.score(X[test]) for model, (_, test) in zip(fits, splits, strict=True)]
    theirs = np.array(
        [
            [
                BayesianGaussianMixture(n_components=k, max_iter=200, random_state=0)
                .fit(X[train])
                .score(X[test])
                for train, test in splits
            ]
            for k in range(1, 11)
        ]
    )
    best = theirs.mean(axis=1).argmax()
    gap = np.array(ours) - theirs[best]
    print(
        f"{name:>12}: held-out {np.mean(ours):.4f} against {theirs[best].mean():.4f} "
        f"(best of K=1..10: {best + 1}), gap {gap.mean():.4f} +- "
        f"{gap.std() / np.sqrt(n_splits):.4f}; components "
        f"{[model.n_components_ for model in fits]}",
        flush=True,
    )


def report_galaxies(n_seeds):
    X = load_galaxies().data
    found = [
        DirichletProcessMixture(random_state=seed).fit(X).n_components_
        for seed in range(n_seeds)
    ]
    print(f"galaxies: components over {n_seeds} seeds {dict(Counter(found))}")
    # Posterior shares of the number of components with a row or more: no merges, the
    # best of ten starts for each of 1 to 8 clusters, under the prior that was tuned.
    free = DirichletProcessMixture(random_state=0).fit(X)
    law = free.posterior_.tuned(start_law(X))
    best = {}
    for k in range(1, 9):
        for seed in range(10):
            bound, n_components = climbed(X, law, k, seed)
            best[n_components] = max(best.get(n_components, -np.inf), bound * len(X))
    counts = sorted(best)
    shares = softmax([best[k] for k in counts])
    print(
        "  share of exp(bound) by K: "
        + ", ".join(f"{k}: {p:.3f}" for k, p in zip(counts, shares, strict=True))
        + f"; bounds {[round(best[k], 2) for k in counts]}, of the search "
        f"{free.lower_bound_ * len(X):.2f}"
    )


def start_law(X):
    return prior_of(DirichletProcessMixture(), X, np.ones(len(X)), 1).law


def climbed(X, law, k, seed):
    """Bound per row from k clusters by k-means, none merged, and how many hold rows."""
    discover = Discovery(
        law, 1.0, k, len(X), lambda *_: None, standardized, np.random.default_rng(seed)
    )
    labels = discover._clusters(X, np.ones(len(X)))
    with Rows(X, None, n_features=10, n_threads=1) as blocks:
        climber = Ascent(discover._labelled(blocks, labels), blocks, max_iter=2000)
        climber.climb(1e-8)
    counts = climber.model.sticks.counts
    return climber.bounds[-1], int(np.count_nonzero(counts >= 1.0))


def rows(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    means = 3.0 * rng.normal(size=(k, d))
    return means[rng.integers(k, size=n)] + rng.normal(size=(n, d))


def report_speed():
    n, d, k = SPEED
    X = rows(n, d, k)
    DirichletProcessMixture(random_state=0).fit(X[:5000])  # compiles, or loads

    def timed(model):
        start = time.perf_counter()
        model.fit(X)
        return time.perf_counter() - start, model

    ours, mine = timed(DirichletProcessMixture(random_state=0))
    theirs, peer = timed(
        BayesianGaussianMixture(
            n_components=TRUNCATION, max_iter=ITERATIONS, tol=0.0, random_state=0
        )
    )
    print(
        f"n={n} d={d}: whole search {ours:.2f} s, finds {mine.n_components_} "
        f"components, score {mine.score(X):.5f}; scikit-learn, {ITERATIONS} iterations "
        f"at truncation {TRUNCATION}, {theirs:.2f} s, score {peer.score(X):.5f}: "
        f"{theirs / ours:.1f}x"
    )
    report_iterations(X, peer)


def report_iterations(X, peer):
    """Ten plain steps from one start on each side, without the search."""
    family = prior_of(DirichletProcessMixture(), X, np.ones(len(X)), n_threads(None))
    discover = Discovery(
        family.law,
        1.0,
        TRUNCATION,
        len(X),
        lambda X, weight: None,
        family.places,
        np.random.default_rng(0),
    )
    labels = peer.predict(X)
    p = family.components.n_features
    with Rows(X, None, n_features=p, n_threads=n_threads(None)) as blocks:
        start = time.perf_counter()
        model = discover._labelled(blocks, labels)
        climber = Ascent(model, blocks, max_iter=ITERATIONS)
        climber.climb(0.0)
        ours = time.perf_counter() - start
    # Their start, labels by k-means, is timed apart and taken off.
    start = time.perf_counter()
    BayesianGaussianMixture(
        n_components=TRUNCATION, max_iter=1, tol=0.0, random_state=0
    ).fit(X)
    one = time.perf_counter() - start
    start = time.perf_counter()
    BayesianGaussianMixture(
        n_components=TRUNCATION, max_iter=1 + ITERATIONS, tol=0.0, random_state=0
    ).fit(X)
    theirs = time.perf_counter() - start - one
    print(
        f"  {ITERATIONS} iterations at truncation {TRUNCATION} from given labels: "
        f"{ours:.2f} s against {theirs:.2f} s: {theirs / ours:.1f}x"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    report_recovery(options.seeds)
    report_galaxies(options.seeds)
    report_speed()
    report_held_out("Old Faithful", load_old_faithful().data, options.splits)
    report_held_out("diabetes", load_diabetes_classes().data, options.splits)


if __name__ == "__main__":
    main()
