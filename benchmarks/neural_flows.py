"""Normalizing flows, plain zuko and Gaussian mixtures: held-out log-likelihoods.

Columns are standardized by the training rows; scores are nats per held-out row, times
are CPU seconds on one thread. The mixture has as many components as score best on a
tenth of the training rows. Run: python benchmarks/neural_flows.py --data FOLDER
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zuko
from sklearn.model_selection import KFold, train_test_split

from sklgen.mixture import GaussianMixture
from sklgen.neural import NormalizingFlow

COMPONENTS = {"power plant": (5, 20, 60), "red wine": (1, 2, 4, 8)}


def mixture(name: str, train: Any) -> Any:
    """A Gaussian mixture with the number of components that scores best."""
    rows, held = train_test_split(train, test_size=0.1, random_state=0)
    fits = [GaussianMixture(K, random_state=0).fit(rows) for K in COMPONENTS[name]]
    best = max(fits, key=lambda model: model.score(held))
    return GaussianMixture(best.n_components, random_state=0).fit(train)


def plain_zuko(train: Any, n_steps: int = 3000) -> Any:
    """MAF of zuko, by Adam with a cosine schedule; the best of rows held out."""
    torch.manual_seed(0)
    flow = zuko.flows.MAF(train.shape[1], transforms=3, hidden_features=(64, 64))
    rows, held = train_test_split(train, test_size=0.1, random_state=0)
    x, v = (torch.tensor(part, dtype=torch.float32) for part in (rows, held))
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    best, kept = math.inf, flow.state_dict()
    for step in range(n_steps):
        loss = -flow().log_prob(x[torch.randperm(len(x))[:256]]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            with torch.no_grad():
                value = float(-flow().log_prob(v).mean())
            if value < best:
                best = value
                kept = {k: w.clone() for k, w in flow.state_dict().items()}
    flow.load_state_dict(kept)
    return flow


def score(model: Any, rows: Any) -> float:
    """Mean log-density of rows."""
    if isinstance(model, zuko.flows.MAF):
        with torch.no_grad():
            return float(model().log_prob(torch.tensor(rows).float()).mean())
    return float(model.score(rows))


def tables(folder: Path) -> dict[str, tuple[Any, list[tuple[Any, Any]]]]:
    """Rows, and pairs of training and held-out positions."""
    plant = np.loadtxt(folder / "power_plant.txt")
    wine = np.loadtxt(folder / "winequality_red.csv", delimiter=",")[:, :11]
    split = train_test_split(np.arange(len(plant)), test_size=0.2, random_state=0)
    folds = list(KFold(10, shuffle=True, random_state=0).split(wine))
    return {"power plant": (plant, [tuple(split)]), "red wine": (wine, folds)}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'table':<14}{'model':<18}{'score':>9}{'s.e.':>8}{'seconds':>9}")
    for name, (X, splits) in tables(arguments.data).items():
        makers = {
            "GaussianMixture": lambda train, name=name: mixture(name, train),
            "plain zuko MAF": plain_zuko,
            **{
                architecture: lambda train, a=architecture: NormalizingFlow(
                    a, random_state=0
                ).fit(train)
                for architecture in ("maf", "nsf", "realnvp")
            },
        }
        for label, make in makers.items():
            scores, begin = [], time.process_time()
            for train, test in splits[: arguments.folds]:
                center, scale = X[train].mean(axis=0), X[train].std(axis=0)
                Z = (X - center) / scale
                scores.append(score(make(Z[train]), Z[test]))
            seconds = (time.process_time() - begin) / len(scores)
            error = np.std(scores) / math.sqrt(len(scores))
            row = f"{name:<14}{label:<18}{np.mean(scores):>9.3f}{error:>8.3f}"
            print(f"{row}{seconds:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
