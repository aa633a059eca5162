"""Spoken digits: one hidden Markov model a digit, sklgen's against hmmlearn's.

`--data` is a folder with `spoken_digits_mfcc.npz`: rows X of cepstral coefficients, the
digit `y` and the number of rows `lengths` of each recording. Four fifths of the
recordings are for training; the others get the digit of highest posterior probability.
Both packages run at their defaults, and sklgen with one start too; hmmlearn's default
is ten iterations from one start. Prints the share of digits that are right, the seconds
to fit and to classify, those that processors worked, and the mean log-likelihood of
held-out rows under the models of their digits. Where hmmlearn is not installed, only
sklgen's lines. The BLAS is held to one thread for both: with two, hmmlearn takes
several times as long. sklgen has threads of its own, one where OMP_NUM_THREADS=1.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from sklgen.em import n_threads
from sklgen.hmm import GaussianHMM

try:
    from hmmlearn.hmm import GaussianHMM as Peer
except ImportError:
    Peer = None

N_STATES = 5


def read(folder):
    """Recordings, a table each, and their digits."""
    with np.load(Path(folder) / "spoken_digits_mfcc.npz") as data:
        X = data["X"].astype(np.float64)
        return np.split(X, np.cumsum(data["lengths"])[:-1]), data["y"]


class Ours:
    def __init__(self, **parameters):
        self.parameters = parameters

    def fit(self, tables, covariance_type, seed):
        model = GaussianHMM(
            N_STATES,
            covariance_type=covariance_type,
            random_state=seed,
            **self.parameters,
        )
        return model.fit(tables)

    def log_likelihoods(self, model, tables):
        return np.array([values.sum() for values in model.score_samples(tables)])


class Theirs:
    def fit(self, tables, covariance_type, seed):
        model = Peer(N_STATES, covariance_type=covariance_type, random_state=seed)
        return model.fit(np.concatenate(tables), [len(table) for table in tables])

    def log_likelihoods(self, model, tables):
        return np.array([model.score(table) for table in tables])


def classify(package, train, test, covariance_type, seed):
    """Share of digits that are right, seconds, and held-out log-likelihood per row."""
    (tables, digits), (new, truth) = train, test
    classes, counts = np.unique(digits, return_counts=True)
    start = np.array([time.perf_counter(), time.process_time()])
    models = []
    for digit in classes:
        own = [tables[at] for at in np.flatnonzero(digits == digit)]
        models.append(package.fit(own, covariance_type, seed))
    found = np.stack([package.log_likelihoods(model, new) for model in models])
    joint = found + np.log(counts / counts.sum())[:, None]
    right = np.mean(classes[joint.argmax(axis=0)] == truth)
    seconds = np.array([time.perf_counter(), time.process_time()]) - start
    own = found[np.searchsorted(classes, truth), np.arange(len(truth))]
    return right, *seconds, own.sum() / sum(map(len, new))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--covariances", nargs="+", default=["diag", "full"])
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    tables, digits = read(options.data)
    packages = {"sklgen": Ours(), "sklgen, n_init=1": Ours(n_init=1)}
    if Peer:
        packages["hmmlearn"] = Theirs()
    load = os.getloadavg()[0]
    print(f"{n_threads(None)} threads, {os.cpu_count()} cores, load {load:.1f}")
    print(f"medians of {options.seeds} splits")
    print(
        f"{'':<10}{'':<18}{'right':>8}{'seconds':>9}{'processor':>10}{'log-lik.':>10}"
    )
    for covariance_type in options.covariances:
        lines = {name: [] for name in packages}
        for seed in range(options.seeds):
            *split, y_train, y_test = train_test_split(
                np.arange(len(digits)), digits, test_size=0.2, random_state=seed
            )
            train, test = ([tables[at] for at in part] for part in split)
            for name, package in packages.items():
                with threadpool_limits(1, user_api="blas"):
                    found = classify(
                        package, (train, y_train), (test, y_test), covariance_type, seed
                    )
                lines[name].append(found)
        for name, found in lines.items():
            right, wall, processor, score = np.median(found, axis=0)
            print(
                f"{covariance_type:<10}{name:<18}{right:>8.3f}{wall:>9.2f}"
                f"{processor:>10.2f}{score:>10.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
