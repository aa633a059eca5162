"""
==========================================
Quickstart: real rows against sampled rows
==========================================

Fit models to real data, score rows they have not seen, draw new rows and look at them
beside the real ones.
"""

# %%
# Data and models
# ---------------
#
# A new model is one more row of ``MODELS``.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from sklgen.datasets import load_old_faithful, load_penguins
from sklgen.mixture import GaussianMixture

DATA = {
    "Old Faithful": load_old_faithful(as_frame=True).data,
    "Penguins": (
        load_penguins(as_frame=True).data.select_dtypes("number").dropna(how="all")
    ),
}
MODELS = {
    "Gaussian mixture, 2 full": GaussianMixture(2, random_state=0),
    "Gaussian mixture, 3 full": GaussianMixture(3, random_state=0),
    "Gaussian mixture, 3 tied": GaussianMixture(
        3, covariance_type="tied", random_state=0
    ),
}

# %%
# Fit, score, sample
# ------------------
#
# The score is the mean log-likelihood per held-out row, in nats: higher is better. The
# first fit and the first sample after an installation compile kernels, which takes some
# seconds; here that happens before the clock starts.


def timed(call, *args, **kwargs):
    start = perf_counter()
    return call(*args, **kwargs), perf_counter() - start


for template in MODELS.values():
    clone(template).fit(DATA["Old Faithful"]).sample()

splits, fitted, scores = {}, {}, {}
print(f"{'data':<14}{'model':<26}{'held-out':>10}{'fit s':>9}{'sample s':>10}")
for data_name, X in DATA.items():
    splits[data_name] = train, test = train_test_split(X, test_size=0.3, random_state=0)
    for model_name, template in MODELS.items():
        model, fit_seconds = timed(clone(template).fit, train)
        _, sample_seconds = timed(model.sample, 10_000, random_state=0)
        score = model.score(test)
        fitted[data_name, model_name], scores[data_name, model_name] = model, score
        print(
            f"{data_name:<14}{model_name:<26}{score:>10.3f}"
            f"{fit_seconds:>9.3f}{sample_seconds:>10.4f}"
        )

# %%
# Fill in missing cells
# ---------------------
#
# Hide the body mass of the held-out penguins, and let the model give its mean under the
# three measurements that are left.

model = fitted["Penguins", "Gaussian mixture, 3 tied"]
train, test = splits["Penguins"]
hidden = test.assign(body_mass_g=np.nan)
for name, guess in {
    "the mean of all penguins": train["body_mass_g"].mean(),
    "the model, given the bill and the flipper": model.impute(hidden)["body_mass_g"],
}.items():
    error = np.sqrt(np.mean((guess - test["body_mass_g"]) ** 2))
    print(f"body mass by {name}: off by {error:.0f} g")

# %%
# Real and sampled
# ----------------
#
# The shades are the smallest regions that hold 50 and 90 per cent of the model's
# probability. Four columns are drawn as two without an integral: the density of a row
# with missing cells is that of the cells which are there.

VIEWS = {
    "Old Faithful": {"duration": "eruption (min)", "waiting": "wait after it (min)"},
    "Penguins": {
        "bill_length_mm": "bill length (mm)",
        "bill_depth_mm": "bill depth (mm)",
    },
}


def draw_density(ax, model, X, names):
    """Shade where the density of two columns is high."""
    side = 150
    grid = np.meshgrid(
        np.linspace(*ax.get_xlim(), side), np.linspace(*ax.get_ylim(), side)
    )
    rows = pd.DataFrame(
        {name: axis.ravel() for name, axis in zip(names, grid, strict=True)}
    )
    density = model.score_samples(rows.reindex(columns=X.columns)).reshape(side, side)
    draws = model.sample(10_000, random_state=1)[names].reindex(columns=X.columns)
    levels = np.quantile(model.score_samples(draws), [0.1, 0.5])
    shades = ["0.93", "0.83"]
    ax.contourf(*grid, density, [*levels, np.inf], colors=shades, zorder=0)
    ax.contour(
        *grid,
        density,
        levels,
        colors="0.6",
        linewidths=0.8,
        linestyles="solid",
        zorder=0,
    )
    return [
        Patch(color=shades[0], label="90 % region"),
        Patch(color=shades[1], label="50 % region"),
    ]


fig, axes = plt.subplots(
    2, 2, figsize=(9, 8), layout="constrained", sharex="row", sharey="row"
)
dots = {"s": 20, "linewidths": 0.3, "edgecolors": "white"}
for (data_name, labels), (real_ax, sampled_ax) in zip(VIEWS.items(), axes, strict=True):
    X = DATA[data_name]
    x, y = names = list(labels)
    train, test = splits[data_name]
    _, best = max((scores[data_name, name], name) for name in MODELS)
    model = fitted[data_name, best]
    sampled = model.sample(len(X), random_state=0)
    real_ax.scatter(train[x], train[y], color="tab:blue", label="fitted", **dots)
    real_ax.scatter(test[x], test[y], color="tab:red", label="held out", **dots)
    sampled_ax.scatter(sampled[x], sampled[y], color="tab:green", **dots)
    for ax in (real_ax, sampled_ax):
        ax.margins(0.1)
        ax.set_xlabel(labels[x])
        ax.spines[["top", "right"]].set_visible(False)
        regions = draw_density(ax, model, X, names)
    real_ax.set(title=f"{data_name}: {len(X)} real rows", ylabel=labels[y])
    real_ax.legend(loc="lower right", frameon=False, handletextpad=0.1)
    sampled_ax.set_title(f"{len(X)} sampled rows ({best})")
    sampled_ax.legend(handles=regions, loc="lower right", frameon=False)

fig.savefig("quickstart.png", dpi=150)
print("picture: quickstart.png")
