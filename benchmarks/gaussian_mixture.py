"""GaussianMixture against scikit-learn's: same data, same start, same iterations.

Prints medians of seconds over alternating runs, their ratio, the final mean
log-likelihood of both, and what a fit adds to the memory of the process. Each memory
figure comes from a process of its own, and from Linux.
"""

import argparse
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

SIZES = [(200_000, 8, 8), (200_000, 16, 16), (50_000, 64, 16)]
MEMORY_SIZE = (2_000_000, 8, 32)
ITERATIONS = 10


def make_rows(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    means = 3.0 * rng.normal(size=(k, d))
    X = rng.normal(size=(n, d))
    for start in range(0, n, 100_000):
        part = X[start : start + 100_000]
        part += means[rng.integers(k, size=len(part))]
    return X, means


def estimator(package, means, covariance_type="full"):
    if package == "sklgen":
        from sklgen.mixture import GaussianMixture
    else:
        from sklearn.mixture import GaussianMixture
    k, d = means.shape
    precisions = {
        "full": np.tile(np.eye(d), (k, 1, 1)),
        "tied": np.eye(d),
        "diag": np.ones((k, d)),
        "spherical": np.ones(k),
    }
    return GaussianMixture(
        k,
        covariance_type=covariance_type,
        init_params="random_from_data",
        weights_init=np.full(k, 1.0 / k),
        means_init=means + 0.3,
        precisions_init=precisions[covariance_type],
        max_iter=ITERATIONS,
        tol=0.0,
    )


def timed_fit(package, X, means, covariance_type):
    model = estimator(package, means, covariance_type)
    start = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - start, model


def compare(n, d, k, covariance_type, repeats):
    X, means = make_rows(n, d, k)
    timed_fit("sklgen", X, means, covariance_type)  # compiles, or loads the cache
    seconds = {"sklgen": [], "scikit-learn": []}
    scores = {}
    for _ in range(repeats):
        for package, times in seconds.items():
            elapsed, model = timed_fit(package, X, means, covariance_type)
            times.append(elapsed)
            scores[package] = model.score(X)
    ours, theirs = (np.median(seconds[p]) for p in ("sklgen", "scikit-learn"))
    print(
        f"{n:>9} {d:>3} {k:>3} {covariance_type:>9} {ours:8.3f} {theirs:8.3f} "
        f"{theirs / ours:7.1f}x {scores['sklgen']:14.8f} "
        f"{scores['scikit-learn']:14.8f}",
        flush=True,
    )


def resident(key):
    """A line of Linux' account of this process, in MB: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


def report_memory(package):
    """Print what one fit adds to the memory of this process at its peak, in MB."""
    n, d, k = MEMORY_SIZE
    X, means = make_rows(n, d, k)
    estimator(package, means).fit(X[:2000])
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = resident("VmRSS")
    estimator(package, means).fit(X)
    print(f"{resident('VmHWM') - before:.1f}")


def report_first_fit():
    """Print the seconds of a first fit, imports of the estimator included."""
    rows = np.random.default_rng(0).normal(size=(1000, 4))
    start = time.perf_counter()
    from sklgen.mixture import GaussianMixture

    GaussianMixture(3, random_state=0).fit(rows)
    print(f"{time.perf_counter() - start:.2f}")


def in_fresh_process(*arguments):
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--covariances", nargs="+", default=["full"])
    parser.add_argument("--memory", choices=["sklgen", "scikit-learn"])
    parser.add_argument("--first-fit", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.memory:
        return report_memory(options.memory)
    if options.first_fit:
        return report_first_fit()
    print(
        f"{'n':>9} {'d':>3} {'K':>3} {'':>9} {'sklgen s':>8} {'sklearn s':>8} "
        f"{'ratio':>7} {'sklgen score':>14} {'sklearn score':>14}"
    )
    for covariance_type in options.covariances:
        for size in SIZES:
            compare(*size, covariance_type, options.repeats)
    n, d, k = MEMORY_SIZE
    print(f"\nMB a fit adds to the data, n={n} d={d} K={k}")
    for package in ("sklgen", "scikit-learn"):
        print(f"  {package:>12} {in_fresh_process('--memory', package):>8}")
    in_fresh_process("--first-fit")
    print(
        "\nseconds of a first fit in a fresh process, kernel cache in place, import in"
    )
    print(f"  {'sklgen':>12} {in_fresh_process('--first-fit'):>8}")
    return None


if __name__ == "__main__":
    main()
