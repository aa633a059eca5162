"""Two-sample metrics on real tables: real against real, and two anchors.

For each table, with equal halves over several seeds: the AUC of the classifier test and
the whitened energy distance of real rows against real rows, against rows whose columns
are made independent, and against draws of a Gaussian with the right covariance (numeric
columns only). Prints mean, spread over the halves and mean standard error.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from sklgen import datasets
from sklgen.metrics import classifier_two_sample_test, whitened_energy_distance
from sklgen.mixture import GaussianMixture


def shipped_tables():
    names = [name for name in datasets.__all__ if name.startswith("load_")]
    return {
        name.removeprefix("load_"): getattr(datasets, name)(as_frame=True).frame
        for name in names
    }


def larger_tables(folder):
    if folder is None:
        return {}
    return {"california_housing": pd.read_csv(folder / "california_housing.csv")}


def halves(X, rng, largest):
    rows = rng.permutation(len(X))[: 2 * largest]
    size = len(rows) // 2
    return X.iloc[rows[:size]], X.iloc[rows[size : 2 * size]]


def independent(X, rng):
    return X.apply(lambda column: rng.permutation(column.to_numpy()))


def gaussian(X, rng):
    model = GaussianMixture(1).fit(X)
    return model.sample(len(X), random_state=int(rng.integers(2**31)))


def measure(X, against, seeds, largest):
    found = []
    start = time.perf_counter()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        real, other = halves(X, rng, largest)
        synthetic = against(other, rng)
        test = classifier_two_sample_test(real, synthetic, random_state=seed)
        energy = whitened_energy_distance(real, synthetic, return_std_error=True)
        found.append([test.auc, test.std_error, *energy])
    seconds = (time.perf_counter() - start) / seeds
    found = np.array(found)
    return len(real), found.mean(axis=0), found.std(axis=0), seconds


def report(name, what, X, against, options):
    n, mean, spread, seconds = measure(X, against, options.seeds, options.largest)
    print(
        f"{name:>18} {what:>12} {n:>6} {mean[0]:7.4f} {spread[0]:7.4f} {mean[1]:7.4f} "
        f"{mean[2]:9.5f} {spread[2]:8.5f} {mean[3]:8.5f} {seconds:6.2f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of california_housing.csv")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--largest", type=int, default=10_000, help="rows of a half")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"{'table':>18} {'against':>12} {'rows':>6} {'AUC':>7} {'spread':>7} "
        f"{'s.e.':>7} {'energy':>9} {'spread':>8} {'s.e.':>8} {'s':>6}"
    )
    for name, X in {**shipped_tables(), **larger_tables(options.data)}.items():
        report(name, "real", X, lambda other, rng: other, options)
        if X.shape[1] > 1:
            report(name, "independent", X, independent, options)
        numbers = X.select_dtypes("number").dropna()
        report(name, "Gaussian", numbers, gaussian, options)


if __name__ == "__main__":
    main()
