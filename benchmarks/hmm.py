"""GaussianHMM against hmmlearn's: seconds per EM step, same data, same parameters.

A step is one pass over all sequences and one update of the parameters. Prints medians
over alternating runs, how many times longer each implementation of hmmlearn takes, and
the log-likelihood at the start, which is the same for all. hmmlearn runs in one thread,
sklgen in as many as there are cores, or OMP_NUM_THREADS; the seconds that processors
worked, over all threads, vary less where others use them too. Where hmmlearn is not
installed, prints what sklgen takes.
"""

import argparse
import os
import time

import numpy as np

from sklgen.em import n_threads
from sklgen.hmm import GaussianHMM, groups_from_lengths
from sklgen.hmm._base import expectation

try:
    from hmmlearn.hmm import GaussianHMM as Peer
except ImportError:
    Peer = None

# States, columns, sequences and rows of each.
SIZES = [(5, 2, 100, 1000), (20, 8, 100, 500), (64, 8, 100, 200), (8, 2, 1, 1_000_000)]
IMPLEMENTATIONS = ["log", "scaling"] if Peer else []
# Steps from the same parameters in each run.
STEPS = 5
# The logarithms of hmmlearn's default would take minutes beyond this many rows.
SLOW = 500_000


def make_sequences(k, d, m, n, seed=0):
    """Rows, and parameters near those that they were drawn from."""
    rng = np.random.default_rng(seed)
    transmat = 0.2 * rng.dirichlet(np.ones(k), k) + 0.8 * np.eye(k)
    means = 2.0 * rng.normal(size=(k, d))
    drawn = GaussianHMM(
        k,
        covariance_type="diag",
        startprob_init=np.full(k, 1 / k),
        transmat_init=transmat,
        means_init=means,
        covariances_init=np.ones((k, d)),
        max_iter=0,
        n_init=1,
        random_state=0,
    ).fit(rng.normal(size=(10 * k, d)))
    X = np.concatenate(drawn.sample(n, n_sequences=m, random_state=seed))
    return X, np.full(m, n), means + 0.3, transmat


def start_of(covariance_type, means, transmat):
    k, d = means.shape
    covariances = {
        "full": np.tile(1.5 * np.eye(d), (k, 1, 1)),
        "tied": 1.5 * np.eye(d),
        "diag": np.full((k, d), 1.5),
        "spherical": np.full(k, 1.5),
    }[covariance_type]
    return np.full(k, 1 / k), transmat, means, covariances


class Ours:
    """Steps of sklgen."""

    def __init__(self, X, lengths, covariance_type, start):
        startprob, transmat, means, covariances = start
        model = GaussianHMM(
            len(means),
            covariance_type=covariance_type,
            startprob_init=startprob,
            transmat_init=transmat,
            means_init=means,
            covariances_init=covariances,
            max_iter=0,
            n_init=1,
            random_state=0,
        )
        model.fit(X, groups=groups_from_lengths(lengths))
        self.chains = model._fitted()
        self.sequences = model._sequences(X, np.cumsum(lengths), self.chains)

    def steps(self):
        """Take steps as a fit does, with threads that stay; the log-likelihood."""
        with self.sequences as sequences:
            for _ in range(STEPS):
                statistics = expectation(sequences)(self.chains)
                self.chains.m_step(statistics)
        return statistics.bound


class Theirs:
    """Steps of hmmlearn."""

    def __init__(self, implementation, X, lengths, covariance_type, start):
        startprob, transmat, means, covariances = start
        self.X, self.lengths = X, lengths
        self.start = startprob, transmat, means, covariances
        self.model = Peer(
            len(means),
            covariance_type=covariance_type,
            init_params="",
            covars_prior=0.0,
            implementation=implementation,
        )

    def steps(self):
        """Take steps; the log-likelihood."""
        for _ in range(STEPS):
            log_likelihood = self._step()
        return log_likelihood

    def _step(self):
        model = self.model
        startprob, transmat, means, covariances = map(np.copy, self.start)
        model.startprob_, model.transmat_ = startprob, transmat
        model.means_, model.covars_ = means, covariances
        model.n_features = means.shape[1]
        statistics, log_likelihood = model._do_estep(self.X, self.lengths)
        model._do_mstep(statistics)
        return log_likelihood


def compare(k, d, m, n, covariance_type, repeats):
    X, lengths, means, transmat = make_sequences(k, d, m, n)
    data = X, lengths, covariance_type, start_of(covariance_type, means, transmat)
    names = [name for name in IMPLEMENTATIONS if name != "log" or len(X) < SLOW]
    steps = {"sklgen": Ours(*data), **{name: Theirs(name, *data) for name in names}}
    for one in steps.values():
        one.steps()  # compiles, or loads the cache
    seconds = {name: [] for name in steps}
    found = {}
    for _ in range(repeats):
        for name, one in steps.items():
            start = np.array([time.perf_counter(), time.process_time()])
            found[name] = one.steps()
            now = np.array([time.perf_counter(), time.process_time()])
            seconds[name].append((now - start) / STEPS)
    medians = {name: np.median(times, axis=0) for name, times in seconds.items()}
    ours = medians["sklgen"]
    size = f"{k:>3} {d:>2} {m:>4} x {n:>7} {covariance_type:>9}"
    for at, clock in enumerate(["wall", "processor"]):
        line = f"{size} {clock:>9} {1000 * ours[at]:9.1f}"
        for name in IMPLEMENTATIONS:
            known = name in medians
            ratio = f"{medians[name][at] / ours[at]:.1f}x" if known else "-"
            line += f" {ratio:>8}"
        print(f"{line} {found['sklgen']:16.4f}", flush=True)
    for name, value in found.items():
        if not np.isclose(value, found["sklgen"], rtol=1e-10):
            raise SystemExit(f"{name} has another log-likelihood: {value:.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--covariances", nargs="+", default=["diag", "full"])
    parser.add_argument("--sizes", nargs="+", type=int, default=range(len(SIZES)))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{n_threads(None)} threads, {os.cpu_count()} cores, load {load:.1f}")
    names = "".join(f" {name:>8}" for name in IMPLEMENTATIONS)
    print(f"{'K':>3} {'d':>2} {'sequences':>14} {'':>9} {'':>9} {'ms/step':>9}{names}")
    for covariance_type in options.covariances:
        for at in options.sizes:
            compare(*SIZES[at], covariance_type, options.repeats)


if __name__ == "__main__":
    main()
