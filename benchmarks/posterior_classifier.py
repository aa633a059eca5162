"""Log-loss of Bayesian and of penalised logistic regression on held-out rows.

    python benchmarks/posterior_classifier.py

Both choose how much to shrink by the log-loss of inner folds, in a Pipeline with
StandardScaler: the prior's scale here, the penalty there, on grids of the same scales.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.mcmc import PosteriorClassifier
from sklgen.mcmc.models import LogisticModel

SCALES = np.geomspace(0.3, 5.0, 9)


def searches(n_draws):
    ours = PosteriorClassifier(
        LogisticModel(), n_warmup=n_draws, n_draws=n_draws, random_state=0
    )
    peer = LogisticRegression(max_iter=10_000)
    grids = {"model__model__scale": SCALES}, {"model__C": SCALES**2}
    for name, model, grid in zip(
        ("ours", "scikit-learn"), (ours, peer), grids, strict=True
    ):
        pipeline = Pipeline([("scale", StandardScaler()), ("model", model)])
        yield name, GridSearchCV(pipeline, grid, scoring="neg_log_loss", n_jobs=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=4, help="times five outer folds")
    parser.add_argument("--draws", type=int, default=500, help="draws of each chain")
    options = parser.parse_args()
    # Short runs of inner folds may say that they are short.
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = load_breast_cancer(return_X_y=True)
    losses = {"ours": [], "scikit-learn": []}
    for seed in range(options.repeats):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for train, test in folds.split(X, y):
            for name, search in searches(options.draws):
                begin = time.perf_counter()
                search.fit(X[train], y[train])
                passed = time.perf_counter() - begin
                losses[name].append(log_loss(y[test], search.predict_proba(X[test])))
                print(f"{name:14}{losses[name][-1]:8.4f}{passed:8.1f} s")
    ours, theirs = (np.array(losses[name]) for name in losses)
    gap = ours - theirs
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    print(f"mean log-loss: ours {ours.mean():.4f}, scikit-learn {theirs.mean():.4f}")
    print(f"difference {gap.mean():+.4f}, standard error over folds {error:.4f}")


if __name__ == "__main__":
    main()
