"""DirichletMultinomialMixture on short texts: clusters against labels, and seconds.

`--data` is a folder with `tweets.jsonl` and `googlenews_titles.jsonl`: one text a line,
with the fields `text` (words separated by blanks) and `cluster`. Prints the normalized
mutual information of clusters and labels for several seeds, and for the sampler the
seconds of a sweep against those of the same algorithm in plain Python, from the same
labels and in one run: at the start, when all clusters are occupied, and in the end.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from random import Random

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import normalized_mutual_info_score

from sklgen.families._counts import as_csr
from sklgen.mixture import DirichletMultinomialMixture
from sklgen.mixture._gibbs import Walkers, _State

FILES = ["tweets", "googlenews_titles"]
CLUSTERS, ALPHA, BETA, SWEEPS = 500, 0.1, 0.1, 30


def read(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    vectorizer = CountVectorizer(tokenizer=str.split, token_pattern=None)
    X = vectorizer.fit_transform(line["text"] for line in lines)
    return X, np.array([line["cluster"] for line in lines])


def information(labels, found):
    return [
        normalized_mutual_info_score(labels, found, average_method=method)
        for method in ("geometric", "arithmetic")
    ]


class PlainSampler:
    """Collapsed Gibbs sampling with lists and dictionaries (Yin and Wang, 2014)."""

    def __init__(self, X, labels, n_clusters, seed=0):
        self.random = Random(seed)
        self.n_words = X.shape[1]
        self.texts = [
            np.repeat(X[i].indices, X[i].data).tolist() for i in range(X.shape[0])
        ]
        self.labels = list(map(int, labels))
        self.members = [0] * n_clusters
        self.tokens = [0] * n_clusters
        self.counts = [{} for _ in range(n_clusters)]
        for text, k in zip(self.texts, self.labels, strict=True):
            self.move(text, k, 1)

    def move(self, text, k, by):
        self.members[k] += by
        self.tokens[k] += by * len(text)
        counts = self.counts[k]
        for word in text:
            counts[word] = counts.get(word, 0) + by

    def odds(self, text, k):
        value, counts = self.members[k] + ALPHA, self.counts[k]
        total, seen = self.tokens[k] + self.n_words * BETA, {}
        for step, word in enumerate(text):
            extra = seen.get(word, 0)
            seen[word] = extra + 1
            value *= (counts.get(word, 0) + BETA + extra) / (total + step)
        return value

    def sweep(self):
        for i, text in enumerate(self.texts):
            self.move(text, self.labels[i], -1)
            occupied = [k for k, n in enumerate(self.members) if n]
            odds = [self.odds(text, k) for k in occupied]
            empty = len(self.members) - len(occupied)
            if empty:
                occupied.append(self.members.index(0))
                odds.append(empty * self.odds(text, occupied[-1]))
            k = self.random.choices(occupied, odds)[0]
            self.labels[i] = k
            self.move(text, k, 1)


def seconds(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def compare_sweeps(name, X, when, labels):
    rng = np.random.default_rng(0)
    walkers = Walkers(as_csr(X.astype(np.float64)), np.ones(X.shape[0]), rng)

    def ours():
        state = _State(walkers, labels[walkers.rows], None, CLUSTERS)
        state.close_ranks()
        uniform = rng.random(len(walkers))
        return lambda: state.sweep(ALPHA, BETA, uniform)

    fast = float(np.median([seconds(ours(), 1) for _ in range(5)]))
    slow = seconds(PlainSampler(X, labels, CLUSTERS).sweep, 1)
    print(
        f"{name:>18} {when:>6} {len(np.unique(labels)):>9} {fast:9.4f} {slow:9.2f} "
        f"{slow / fast:7.0f}x",
        flush=True,
    )


def report(name, kind, seed, elapsed, model, labels, found):
    geometric, arithmetic = information(labels, found)
    print(
        f"{name:>18} {kind:>14} {seed:>4} {elapsed:7.2f} {model.n_components_:>6} "
        f"{geometric:9.4f} {arithmetic:10.4f}",
        flush=True,
    )
    return geometric


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    texts = {name: read(options.data / f"{name}.jsonl") for name in FILES}
    print(
        f"{'':>18} {'':>14} {'seed':>4} {'s':>7} {'found':>6} {'NMI geom.':>9} "
        f"{'NMI arith.':>10}"
    )
    last = {}
    for name, (X, labels) in texts.items():
        scores = []
        for seed in range(options.seeds):
            model = DirichletMultinomialMixture(
                CLUSTERS, method="gibbs", alpha=ALPHA, beta=BETA, n_sweeps=SWEEPS,
                random_state=seed,
            )  # fmt: skip
            elapsed = seconds(lambda model=model, X=X: model.fit(X), 1)
            found = last[name] = model.labels_
            scores.append(report(name, "gibbs", seed, elapsed, model, labels, found))
        print(f"{name:>18} mean {np.mean(scores):.4f}, deviation {np.std(scores):.4f}")
        for overdispersed in (False, True):
            model = DirichletMultinomialMixture(
                len(np.unique(labels)), overdispersed=overdispersed, n_init=1,
                init_params="k-means++", random_state=0,
            )  # fmt: skip
            elapsed = seconds(lambda model=model, X=X: model.fit(X), 1)
            kind = "em, urns" if overdispersed else "em"
            report(name, kind, 0, elapsed, model, labels, model.predict(X))
            steps = np.diff(model.lower_bounds_)
            print(
                f"{'':>18} {len(steps)} steps of the bound, smallest {steps.min():.3g}"
            )
    print(
        f"\nseconds of a sweep\n{'':>18} {'when':>6} {'occupied':>9} {'sklgen':>9} "
        f"{'Python':>9} {'ratio':>8}"
    )
    for name, (X, _) in texts.items():
        start = np.random.default_rng(0).integers(CLUSTERS, size=X.shape[0])
        compare_sweeps(name, X, "first", start)
        compare_sweeps(name, X, "last", last[name])


if __name__ == "__main__":
    main()
