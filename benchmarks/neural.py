"""Neural generators: real tables, and the modes of two mixtures of Gaussians.

Tables: models are fitted to 80 % of the rows at their defaults. Printed are the AUC of
boosted trees that tell draws from held-out rows (0.5 is best), that of boosted trees
trained on draws and tested on real rows (R2 where the target is a number), the same for
real rows, and processor seconds of the fit. TabularMixture is the baseline, ctgan's
CTGAN and TVAE run where ctgan is installed.

Modes: 8 Gaussians on a ring (radius 2, deviation 0.02) and 25 on a grid (spacing 2,
deviation 0.05), 10,000 rows each. Printed are the share of 10,000 draws within three
deviations of a mode, the smallest and the largest share of these that a mode has, times
the number of modes, and processor seconds.

Run with OMP_NUM_THREADS=1: seconds are those of one thread then.
"""

import argparse
import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklgen.metrics import classifier_two_sample_test, train_synthetic_test_real
from sklgen.mixture import TabularMixture
from sklgen.neural import GAN, VAE


@dataclass(frozen=True)
class Model:
    """What a line is about: how to make it for a seed, and what it is run on."""

    make: Callable[[int], Any]
    tables: bool = True
    modes: bool = False


class Peer:
    """A synthesizer of ctgan, with the interface of ours."""

    def __init__(self, name, seed):
        import ctgan

        self.model = getattr(ctgan, name)(cuda=False, epochs=50)
        self.seed = seed

    def fit(self, table):
        # ctgan takes no missing cells: they become a level, or the mean.
        labels = list(table.select_dtypes(exclude="number").columns)
        numbers = table.columns.difference(labels)
        self.model.set_random_state(self.seed)
        filled = table.fillna({**dict.fromkeys(labels, "?"), **table[numbers].mean()})
        self.model.fit(filled, labels)
        self.labels = labels
        return self

    def sample(self, n, random_state=None):
        self.model.set_random_state(random_state)
        draws = self.model.sample(n)
        for label in self.labels:
            draws[label] = draws[label].where(draws[label] != "?")
        return draws


MODELS = {
    "TabularMixture": Model(lambda seed: TabularMixture(random_state=seed)),
    "GAN": Model(lambda seed: GAN(random_state=seed), modes=True),
    "GAN wgan-gp": Model(
        lambda seed: GAN(loss="wgan-gp", penalty=10, random_state=seed),
        tables=False,
        modes=True,
    ),
    "VAE": Model(lambda seed: VAE(random_state=seed)),
}
if importlib.util.find_spec("ctgan"):
    MODELS["CTGAN"] = Model(lambda seed: Peer("CTGAN", seed))
    MODELS["TVAE"] = Model(lambda seed: Peer("TVAE", seed))


def read_tables(folder):
    adult = pd.read_csv(folder / "adult.csv", skipinitialspace=True, na_values="?")
    california = pd.read_csv(folder / "california_housing.csv")
    penguins = pd.read_csv(folder / "penguins.csv")
    return {
        "adult": (adult, "income"),
        "california": (california, "median_house_value"),
        "penguins": (penguins.dropna(subset="species"), "species"),
    }


def ring(n, rng):
    angles = 2 * np.pi * np.arange(8) / 8
    return _modes(2 * np.column_stack([np.cos(angles), np.sin(angles)]), 0.02, n, rng)


def grid(n, rng):
    sides = np.arange(-4, 5, 2)
    return _modes(np.array([(x, y) for x in sides for y in sides]), 0.05, n, rng)


def _modes(centers, deviation, n, rng):
    X = centers[rng.integers(len(centers), size=n)]
    return X + deviation * rng.normal(size=(n, 2)), centers, deviation


def coverage(draws, centers, deviation):
    """Share of draws at modes, and the smallest and largest share of a mode."""
    distances = np.linalg.norm(draws[:, None] - centers, axis=2)
    inside = distances.min(axis=1) < 3 * deviation
    nearest = distances.argmin(axis=1)[inside]
    shares = np.bincount(nearest, minlength=len(centers)) / len(nearest)
    return inside.mean(), *(len(centers) * np.array([shares.min(), shares.max()]))


def fitted(model, X):
    start = time.process_time()
    return model.fit(X), time.process_time() - start


def report_table(name, table, target, seed, models):
    train, test = train_test_split(table, test_size=0.2, random_state=seed)
    real = train_synthetic_test_real(train, test, target, random_state=seed)
    for key, entry in models.items():
        if not entry.tables:
            continue
        model, seconds = fitted(entry.make(seed), train)
        draws = model.sample(len(test), random_state=seed)
        many = model.sample(len(train), random_state=seed + 1)
        auc = classifier_two_sample_test(test, draws, random_state=seed).auc
        use = train_synthetic_test_real(many, test, target, random_state=seed)
        print(
            f"{name:<12}{seed:>5}  {key:<22}{auc:>7.3f}{use:>7.3f}{real:>7.3f}"
            f"{seconds:>9.1f}",
            flush=True,
        )


def report_modes(draw, seed, names):
    X, centers, deviation = draw(10_000, np.random.default_rng(seed))
    for key in names:
        if not MODELS[key].modes:
            continue
        model, seconds = fitted(MODELS[key].make(seed), X)
        draws = model.sample(10_000, random_state=seed)
        inside, least, most = coverage(draws, centers, deviation)
        print(
            f"{draw.__name__:<12}{seed:>5}  {key:<16}{inside:>7.3f}{least:>7.2f}"
            f"{most:>7.2f}{seconds:>9.1f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with adult.csv, california_housing.csv and penguins.csv",
    )
    parser.add_argument("--tables", nargs="*", default=["adult"])
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=[*MODELS])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--mode-seeds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.data is not None:
        tables = read_tables(options.data)
        print(f"{'':<12}{'seed':>5}  {'':<22}{'C2ST':>7}{'TSTR':>7}{'TRTR':>7}{'s':>9}")
        models = {key: MODELS[key] for key in options.models}
        for name in options.tables:
            for seed in range(options.seeds):
                report_table(name, *tables[name], seed, models)
    print(f"{'':<12}{'seed':>5}  {'':<16}{'inside':>7}{'least':>7}{'most':>7}{'s':>9}")
    for draw in (ring, grid):
        for seed in range(options.mode_seeds):
            report_modes(draw, seed, options.models)


if __name__ == "__main__":
    main()
