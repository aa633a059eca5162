"""TabularMixture on real tables: synthetic rows, and completed ones.

Synthetic rows: the model is fitted to 80 % of the rows at its defaults, and as many
rows are drawn as are held out. Printed are the AUC of boosted trees that tell the draws
from the held-out rows (0.5 is best), that of the same trees between two real samples,
utility (trees trained on synthetic rows, tested on real ones, beside trees trained on
real rows), the mean distance of marginals, the share of draws that are nearer to
training than to unseen rows (0.5 is best), and seconds.

Completed rows: a fifth of all cells is hidden, and models are fitted to what is left.
`impute` is compared with means and most frequent labels and with IterativeImputer on
numbers and one-hot labels: root mean squared error in standard deviations, accuracy of
labels, and seconds of fit and completion.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.model_selection import train_test_split

from sklgen.metrics import (
    classifier_two_sample_test,
    closest_record_share,
    marginal_distances,
    train_synthetic_test_real,
)
from sklgen.mixture import TabularMixture


def read_tables(folder):
    adult = pd.read_csv(folder / "adult.csv", skipinitialspace=True, na_values="?")
    power = pd.read_csv(folder / "power_plant.txt", sep="\t", header=None)
    return {
        "adult": (adult, "income"),
        "california": (
            pd.read_csv(folder / "california_housing.csv"),
            "median_house_value",
        ),
        "power plant": (power.add_prefix("x"), "x4"),
    }


def seconds(call, *args, **kwargs):
    start = time.perf_counter()
    return call(*args, **kwargs), time.perf_counter() - start


def report_synthetic(name, table, target, seed):
    train, test = train_test_split(table, test_size=0.2, random_state=seed)
    model, fit = seconds(TabularMixture(random_state=seed).fit, train)
    draws, sample = seconds(model.sample, len(test), random_state=seed)
    many = model.sample(len(train), random_state=seed + 1)
    real = train.sample(len(test), random_state=seed)
    auc = classifier_two_sample_test(test, draws, random_state=seed)
    null = classifier_two_sample_test(test, real, random_state=seed)
    use = [
        train_synthetic_test_real(rows, test, target, random_state=seed)
        for rows in (many, train)
    ]
    marginals = marginal_distances(test, draws)
    share = closest_record_share(train, test, draws, random_state=seed)
    print(
        f"{name:<12}{seed:>5}{model.n_components_:>5}{fit:>7.1f}{sample:>8.2f}"
        f"{auc.auc:>7.3f} ± {auc.std_error:.3f}{null.auc:>7.3f}{use[0]:>8.3f}"
        f"{use[1]:>7.3f}{marginals.mean:>9.4f}{share:>8.3f}{model.score(test):>9.3f}",
        flush=True,
    )


def numbers_and_labels(table):
    numbers = table.select_dtypes("number").columns
    return numbers, table.columns.difference(numbers)


def iterative(hidden):
    """IterativeImputer on numbers and one-hot labels, decoded by the largest."""
    numbers, labels = numbers_and_labels(hidden)
    levels = {
        label: hidden[label].dropna().unique().to_numpy(dtype=object)
        for label in labels
    }

    def encode(table):
        blocks = [table[numbers].to_numpy(np.float64)]
        for label in labels:
            hot = table[label].to_numpy(dtype=object)[:, None] == levels[label]
            hot = hot.astype(np.float64)
            hot[table[label].isna()] = np.nan
            blocks.append(hot)
        return np.hstack(blocks)

    cells = encode(hidden)
    scale = np.nanstd(cells, axis=0)
    scale[scale == 0] = 1.0
    filled = IterativeImputer(random_state=0).fit_transform(cells / scale) * scale
    completed = hidden.copy()
    completed[numbers] = filled[:, : len(numbers)]
    start = len(numbers)
    for label in labels:
        stop = start + len(levels[label])
        guess = levels[label][filled[:, start:stop].argmax(axis=1)]
        completed[label] = np.where(hidden[label].isna(), guess, hidden[label])
        start = stop
    return completed


def simple(hidden):
    """Means of numbers and most frequent labels."""
    numbers, labels = numbers_and_labels(hidden)
    fill = {**hidden[numbers].mean(), **hidden[labels].mode().iloc[0]}
    return hidden.fillna(fill)


def mixture(hidden):
    return TabularMixture(random_state=0).fit(hidden).impute(hidden)


def diagonal(hidden):
    model = TabularMixture(covariance_type="diag", random_state=0)
    return model.fit(hidden).impute(hidden)


def report_imputed(name, table, seed, methods):
    # Cells of integers can be hidden in columns of floats only.
    whole = table.select_dtypes("integer").columns
    table = table.astype(dict.fromkeys(whole, np.float64))
    rng = np.random.default_rng(seed)
    hidden = table.mask(rng.random(table.shape) < 0.2)
    numbers, labels = numbers_and_labels(table)
    for key, method in methods.items():
        completed, spent = seconds(method, hidden)
        gone = hidden.isna() & table.notna()
        errors = (completed[numbers] - table[numbers]) / table[numbers].std()
        squares = np.sqrt((errors[gone[numbers]] ** 2).mean())
        right = [
            (completed[label] == table[label])[gone[label]].mean() for label in labels
        ]
        accuracy = f"{np.mean(right):>9.3f}" if right else f"{'-':>9}"
        print(
            f"{name:<12}{seed:>5}  {key:<22}{squares.mean():>8.3f}"
            f"{accuracy}{spent:>9.1f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder with adult.csv, california_housing.csv and power_plant.txt",
    )
    parser.add_argument("--tables", nargs="+", help="adult, california, power plant")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = read_tables(options.data)
    names = options.tables or list(tables)
    TabularMixture(2, max_iter=2).fit(tables["california"][0][:100]).sample()
    print(
        f"{'':<12}{'seed':>5}{'K':>5}{'fit s':>7}{'sample':>8}{'AUC':>15}{'real':>7}"
        f"{'TSTR':>8}{'real':>7}{'margins':>9}{'closest':>8}{'score':>9}"
    )
    for name in names:
        for seed in range(options.seeds):
            report_synthetic(name, *tables[name], seed)
    print(f"\n{'':<12}{'seed':>5}  {'':<22}{'RMSE':>8}{'accuracy':>9}{'seconds':>9}")
    methods = {
        "TabularMixture": mixture,
        "TabularMixture diag": diagonal,
        "IterativeImputer": iterative,
        "most frequent": simple,
    }
    for name in names:
        for seed in range(options.seeds):
            report_imputed(name, tables[name][0], seed, methods)


if __name__ == "__main__":
    main()
