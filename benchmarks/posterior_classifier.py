"""Log-loss of Bayesian and of penalised logistic regression on held-out rows.

    python benchmarks/posterior_classifier.py

All choose how much to shrink by the log-loss of inner folds, in a Pipeline with
StandardScaler: the scale of a normal or of a Student prior, or the penalty, on grids of
the same scales. `--synthetic` has 300 rows of 40 correlated columns instead, of which 5
matter or all do.
"""

import argparse
import os
import time
import warnings
from collections import defaultdict

import numpy as np
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.mcmc import PosteriorClassifier
from sklgen.mcmc.models import LogisticModel

SCALES = np.geomspace(0.1, 3.2, 11)


PEER = "scikit-learn"


def searches(n_draws):
    found = {PEER: (LogisticRegression(max_iter=10_000), {"model__C": SCALES**2})}
    for name, df in (("normal", None), ("Student", 3.0)):
        ours = PosteriorClassifier(
            LogisticModel(prior_df=df),
            n_warmup=n_draws,
            n_draws=n_draws,
            random_state=0,
        )
        found[name] = ours, {"model__model__scale": SCALES}
    for name, (model, grid) in found.items():
        pipeline = Pipeline([("scale", StandardScaler()), ("model", model)])
        yield name, GridSearchCV(pipeline, grid, scoring="neg_log_loss", n_jobs=2)


def synthetic(kind, n=300, d=40):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))
    X = StandardScaler().fit_transform(X)
    coef = rng.normal(size=d) * 0.4
    if kind == "sparse":
        coef = np.append([2.0, -2.0, 1.5, 1.0, -1.0], np.zeros(d - 5))
    return X, (rng.random(n) < expit(X @ coef)).astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=4, help="times five outer folds")
    parser.add_argument("--draws", type=int, default=500, help="draws of each chain")
    parser.add_argument("--synthetic", choices=("sparse", "dense"))
    options = parser.parse_args()
    # Short runs of inner folds may say that they are short.
    warnings.simplefilter("ignore", ConvergenceWarning)
    os.environ["PYTHONWARNINGS"] = "ignore"
    if options.synthetic:
        X, y = synthetic(options.synthetic)
    else:
        X, y = load_breast_cancer(return_X_y=True)
    losses, best = defaultdict(list), defaultdict(list)
    for seed in range(options.repeats):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for train, test in folds.split(X, y):
            for name, search in searches(options.draws):
                begin = time.perf_counter()
                search.fit(X[train], y[train])
                passed = time.perf_counter() - begin
                losses[name].append(log_loss(y[test], search.predict_proba(X[test])))
                best[name].append(-search.best_score_)
                print(f"{name:14}{losses[name][-1]:8.4f}{passed:8.1f} s", flush=True)
    for name, found in losses.items():
        gap = np.subtract(found, losses[PEER])
        error = gap.std(ddof=1) / np.sqrt(len(gap))
        print(
            f"{name:14}mean log-loss {np.mean(found):.4f}, over scikit-learn's "
            f"{gap.mean():+.4f}, standard error over folds {error:.4f}; "
            f"best of inner folds {np.mean(best[name]):.4f}"
        )


if __name__ == "__main__":
    main()
