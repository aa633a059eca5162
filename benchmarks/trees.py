"""Generators of trees on real tables: synthetic rows, and completed ones.

Synthetic rows: models are fitted to 80 % of the rows at their defaults, as in
`neural.py`. Printed are the AUC of boosted trees that tell draws from held-out rows
(0.5 is best), that of boosted trees trained on draws and tested on real rows (R2 where
the target is a number), the same for real rows, and processor seconds of the fit, over
all threads. TabularMixture is the baseline; arfpy and ForestDiffusion run where they
are installed, arfpy 0.1.1 with numpy below 2.4 alone, as it calls `in1d`.

Completed rows: a fifth of all cells is hidden, as in `tabular_mixture.py`. `impute` is
compared with TabularMixture, with IterativeImputer on numbers and one-hot labels, and
with means and most frequent labels: root mean squared error in standard deviations,
accuracy of labels, and seconds of fit and completion.

Run with OMP_NUM_THREADS=1: boosted trees are slow where threads wait for each other.
"""

import argparse
import importlib.util
import warnings
from functools import partial
from pathlib import Path

import neural
import numpy as np
import pandas as pd
import tabular_mixture

from sklgen.mixture import TabularMixture
from sklgen.tree import AdversarialForest, BoostedAutoregressive


class ArfPy:
    """arfpy's forest, with the interface of ours; it takes no missing cells."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, table):
        from arfpy import arf

        labels = table.select_dtypes(exclude="number").columns
        self.filled = dict.fromkeys(labels, "?")
        means = table.select_dtypes("number").mean()
        table = table.fillna({**self.filled, **means})
        table = table.astype(dict.fromkeys(labels, object))
        self.model = arf.arf(x=table, random_state=self.seed, verbose=False)
        self.model.forde()
        return self

    def sample(self, n, random_state=None):
        np.random.seed(random_state)  # noqa: NPY002 - arfpy draws from no other
        draws = self.model.forge(n=n)
        for label in self.filled:
            draws[label] = draws[label].astype(object).where(draws[label] != "?")
        return draws


class Diffusion:
    """ForestDiffusion's flow, with the interface of ours."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, table):
        from ForestDiffusion import ForestDiffusionModel

        self.template = table.head(0)
        self.codes = {
            at: pd.factorize(table[name])[1]
            for at, name in enumerate(table)
            if name not in table.select_dtypes("number")
        }
        numbers = table.copy()
        for at in self.codes:
            codes = pd.factorize(table.iloc[:, at])[0].astype(float)
            numbers[table.columns[at]] = pd.Series(codes, table.index).where(codes >= 0)
        self.model = ForestDiffusionModel(
            numbers.to_numpy(float),
            n_t=50,
            duplicate_K=10,
            cat_indexes=[*self.codes],
            int_indexes=[],
            diffusion_type="flow",
            n_jobs=1,
            seed=self.seed,
        )
        return self

    def sample(self, n, random_state=None):
        draws = pd.DataFrame(self.model.generate(n), columns=self.template.columns)
        for at, levels in self.codes.items():
            codes = draws.iloc[:, at].round().clip(0, len(levels) - 1)
            draws[draws.columns[at]] = levels.take(codes.fillna(0).astype(int))
        return draws


MODELS = {
    "TabularMixture": lambda seed: TabularMixture(random_state=seed),
    "AdversarialForest": lambda seed: AdversarialForest(random_state=seed),
    "BoostedAutoregressive": lambda seed: BoostedAutoregressive(random_state=seed),
}
if importlib.util.find_spec("arfpy"):
    MODELS["arfpy"] = ArfPy
if importlib.util.find_spec("ForestDiffusion"):
    MODELS["ForestDiffusion"] = Diffusion


def completed(key, hidden):
    return MODELS[key](0).fit(hidden).impute(hidden)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with adult.csv, california_housing.csv and penguins.csv",
    )
    parser.add_argument("--tables", nargs="*", default=["adult", "california"])
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=[*MODELS])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--imputed", nargs="*", default=["adult"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = neural.read_tables(options.data)
    for key in options.models:  # compiles, or reads what was compiled
        MODELS[key](0).fit(tables["penguins"][0].head(100)).sample(10)
    models = {key: neural.Model(MODELS[key]) for key in options.models}
    print(f"{'':<12}{'seed':>5}  {'':<22}{'C2ST':>7}{'TSTR':>7}{'TRTR':>7}{'s':>9}")
    for name in options.tables:
        for seed in range(options.seeds):
            neural.report_table(name, *tables[name], seed, models)
    print(f"\n{'':<12}{'seed':>5}  {'':<22}{'RMSE':>8}{'accuracy':>9}{'seconds':>9}")
    methods = {
        key: partial(completed, key)
        for key in options.models
        if hasattr(MODELS[key](0), "impute")
    }
    methods["IterativeImputer"] = tabular_mixture.iterative
    methods["most frequent"] = tabular_mixture.simple
    for name in options.imputed:
        for seed in range(options.seeds):
            tabular_mixture.report_imputed(name, tables[name][0], seed, methods)


if __name__ == "__main__":
    main()
