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
# Five tables: two of numbers, one of mixed columns, one of counts (the units of ink in
# each of the 64 pixels of a digit) and one of compositions (the share of a digit's ink
# in each of its 8 lines). Then lists of sequences: runs of 16 eruptions, measured, or
# long and short ones, and the earthquakes of 9 years each. A new model is one more row
# of ``MODELS``.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklgen.datasets import load_earthquakes, load_old_faithful, load_penguins
from sklgen.hmm import (
    GMMHMM,
    CategoricalHMM,
    GaussianHMM,
    HMMMixture,
    PoissonHMM,
    TabularHMM,
)
from sklgen.mcmc import PosteriorSampler
from sklgen.mixture import (
    DirichletMixture,
    DirichletMultinomialMixture,
    DirichletProcessMixture,
    DirichletProcessMultinomialMixture,
    GaussianMixture,
    TabularMixture,
)
from sklgen.neural import GAN, VAE, NormalizingFlow
from sklgen.topics import LatentDirichletAllocation, LDAMixture
from sklgen.tree import AdversarialForest, BoostedAutoregressive


def runs(X, n):
    """A table in the order of time as a list of tables of n rows."""
    return [X[at : at + n] for at in range(0, len(X), n)]


eruptions = load_old_faithful(as_frame=True).data
kinds = eruptions[["duration"]].gt(3).replace({True: "long", False: "short"})
earthquakes = load_earthquakes(as_frame=True).frame[["count"]]
penguins = load_penguins(as_frame=True).frame
digits = load_digits().images
counts = digits.reshape(-1, 64).astype(int) // 4
ink = digits.sum(axis=2)
DATA = {
    "Old Faithful": eruptions,
    "Penguins, numbers": penguins.select_dtypes("number").dropna(how="all"),
    "Penguins, table": penguins,
    "Digits, counts": pd.DataFrame(counts),
    "Digits, shares": pd.DataFrame(ink / ink.sum(axis=1, keepdims=True)),
    "Old Faithful, in order": runs(eruptions, 16),
    "Old Faithful, long or short": runs(kinds, 16),
    "Earthquakes": runs(earthquakes, 9),
}
NUMBERS = {
    "GaussianMixture(2)": GaussianMixture(2, random_state=0),
    "GaussianMixture(3)": GaussianMixture(3, random_state=0),
    "GaussianMixture(3), tied": GaussianMixture(
        3, covariance_type="tied", random_state=0
    ),
    "DirichletProcessMixture": DirichletProcessMixture(random_state=0),
    "PosteriorSampler, one Gaussian": PosteriorSampler(random_state=0),
    "NormalizingFlow": NormalizingFlow(max_iter=500, random_state=0),
}
MODELS = {
    "Old Faithful": NUMBERS,
    "Penguins, numbers": NUMBERS,
    "Penguins, table": {
        "TabularMixture": TabularMixture(random_state=0),
        "TabularMixture(6)": TabularMixture(6, random_state=0),
        "AdversarialForest": AdversarialForest(random_state=0),
        "BoostedAutoregressive": BoostedAutoregressive(random_state=0),
        "GAN *": GAN(hidden=[64], max_iter=500, random_state=0),
        "VAE": VAE(max_iter=500, random_state=0),
    },
    "Digits, counts": {
        "DirichletMultinomialMixture(10)": DirichletMultinomialMixture(
            10, random_state=0
        ),
        "DirichletMultinomialMixture, Gibbs": DirichletMultinomialMixture(
            30, method="gibbs", random_state=0
        ),
        "DirichletProcessMultinomialMixture": DirichletProcessMultinomialMixture(
            random_state=0
        ),
        "LatentDirichletAllocation(10)": LatentDirichletAllocation(10, random_state=0),
        "LDAMixture(10), 20 topics": LDAMixture(10, n_topics=20, random_state=0),
    },
    "Digits, shares": {
        "DirichletMixture(1)": DirichletMixture(random_state=0),
        "DirichletMixture(10)": DirichletMixture(10, random_state=0),
    },
    "Old Faithful, in order": {
        "GaussianHMM(2)": GaussianHMM(2, random_state=0),
        "GaussianHMM(3), tied": GaussianHMM(3, covariance_type="tied", random_state=0),
        "GMMHMM(2), 2 Gaussians each": GMMHMM(2, n_mix=2, random_state=0),
        "TabularHMM(3)": TabularHMM(3, random_state=0),
        "HMMMixture(2), 2 states": HMMMixture(2, 2, random_state=0),
    },
    "Old Faithful, long or short": {
        "CategoricalHMM(1)": CategoricalHMM(1, random_state=0),
        "CategoricalHMM(2)": CategoricalHMM(2, random_state=0),
    },
    "Earthquakes": {
        "PoissonHMM(2)": PoissonHMM(2, random_state=0),
        "PoissonHMM(3)": PoissonHMM(3, random_state=0),
    },
}

# %%
# Fit, score, sample
# ------------------
#
# The score is the mean log-likelihood per held-out row, in nats: higher is better, and
# comparable within one table; whole sequences are held out. K is the number of
# components, which some models find, of states, of topics, or of clusters; a posterior
# is of one Gaussian, averaged over its parameters. A GAN (*) has no likelihood: its
# score is the negative energy distance between held-out rows and draws.
# The first fit and the first sample after an installation compile kernels, which takes
# some seconds; here that happens before the clock starts.

PARTS = ["weights_", "startprob_", "doc_topic_prior_"]


def timed(call, *args, **kwargs):
    start = perf_counter()
    return call(*args, **kwargs), perf_counter() - start


splits, fitted, scores = {}, {}, {}
print(f"{'model':<38}{'K':>4}{'held-out':>11}{'fit s':>8}{'sample s':>10}")
for data_name, X in DATA.items():
    splits[data_name] = train, test = train_test_split(X, test_size=0.3, random_state=0)
    print(f"{data_name}: {len(X)} {'sequences' if isinstance(X, list) else 'rows'}")
    for model_name, template in MODELS[data_name].items():
        clone(template).fit(train[:100]).sample(10)
        model, fit_seconds = timed(clone(template).fit, train)
        _, sample_seconds = timed(model.sample, 10_000, random_state=0)
        score = model.score(test)
        fitted[data_name, model_name] = model
        if hasattr(model, "score_samples"):
            scores[data_name, model_name] = score
        parts = [getattr(model, name) for name in PARTS if hasattr(model, name)]
        n_parts = len(parts[0]) if parts else 1
        print(
            f"  {model_name:<36}{n_parts:>4}{score:>11.3f}"
            f"{fit_seconds:>8.3f}{sample_seconds:>10.4f}"
        )

# %%
# Fill in missing cells
# ---------------------
#
# Hide the body mass of the held-out penguins, and let models give its mean under the
# cells that are left.

train, test = splits["Penguins, table"]
known = test["body_mass_g"].notna()
hidden = test[known].assign(body_mass_g=np.nan)
numbers = fitted["Penguins, numbers", "GaussianMixture(3), tied"]
table = fitted["Penguins, table", "TabularMixture(6)"]
measured = splits["Penguins, numbers"][0].columns
for name, guess in {
    "the mean of all penguins": train["body_mass_g"].mean(),
    "GaussianMixture, given three numbers": (
        numbers.impute(hidden[measured])["body_mass_g"]
    ),
    "TabularMixture, given species, island and sex too": (
        table.impute(hidden)["body_mass_g"]
    ),
}.items():
    error = np.sqrt(np.mean((guess - test["body_mass_g"][known]) ** 2))
    print(f"body mass by {name}: off by {error:.0f} g")

# %%
# Real and sampled
# ----------------
#
# From top to bottom: numbers, where shades are the smallest regions that hold 50 and 90
# per cent of the model's probability; a table, whose samples have a species too; and
# counts, each row an image.

VIEWS = {
    "Old Faithful": {"duration": "eruption (min)", "waiting": "wait after it (min)"},
    "Penguins, table": {
        "bill_length_mm": "bill length (mm)",
        "bill_depth_mm": "bill depth (mm)",
    },
}
DOTS = {"s": 20, "linewidths": 0.3, "edgecolors": "white"}
COLOURS = {"Adelie": "tab:orange", "Chinstrap": "tab:purple", "Gentoo": "tab:cyan"}


def best_model(data_name):
    """The model with the highest score on the held-out rows."""
    own = {name: score for (data, name), score in scores.items() if data == data_name}
    name = max(own, key=own.get)
    return name, fitted[data_name, name]


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


def draw_rows(ax, rows, x, y, colour):
    """Draw rows as dots, by species where they have one."""
    groups = rows.groupby("species", observed=True) if "species" in rows else []
    for name, group in groups or [(None, rows)]:
        ax.scatter(group[x], group[y], color=COLOURS.get(name, colour), **DOTS)
        if name:
            ax.scatter([], [], color=COLOURS[name], label=name, **DOTS)


def draw_counts(ax, rows):
    """Draw rows of 64 counts as small images, 3 lines of 8."""
    images = np.asarray(rows, dtype=float).reshape(3, 8, 8, 8)
    framed = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=np.nan)
    ax.imshow(framed.transpose(0, 2, 1, 3).reshape(30, 80), cmap="Greys", vmax=6)
    ax.set_axis_off()


fig, axes = plt.subplots(
    3,
    2,
    figsize=(9, 10),
    layout="constrained",
    sharex="row",
    sharey="row",
    height_ratios=[4, 4, 1.8],
)
for (data_name, labels), (real_ax, sampled_ax) in zip(
    VIEWS.items(), axes[:2], strict=True
):
    X = DATA[data_name]
    x, y = names = list(labels)
    name, model = best_model(data_name)
    draw_rows(real_ax, X, x, y, "tab:blue")
    draw_rows(sampled_ax, model.sample(len(X), random_state=0), x, y, "tab:green")
    for ax in (real_ax, sampled_ax):
        ax.margins(0.1)
        ax.set_xlabel(labels[x])
        ax.spines[["top", "right"]].set_visible(False)
    if X.dtypes.map(pd.api.types.is_numeric_dtype).all():
        for ax in (real_ax, sampled_ax):
            regions = draw_density(ax, model, X, names)
        sampled_ax.legend(handles=regions, loc="lower right", frameon=False)
    real_ax.set(title=f"{data_name}: {len(X)} real rows", ylabel=labels[y])
    if real_ax.get_legend_handles_labels()[0]:
        real_ax.legend(loc="lower right", frameon=False, handletextpad=0.1)
    sampled_ax.set_title(f"{len(X)} sampled rows, {name}")

X = DATA["Digits, counts"]
name, model = best_model("Digits, counts")
draw_counts(axes[2, 0], X.sample(24, random_state=0))
draw_counts(axes[2, 1], model.sample(24, random_state=0))
axes[2, 0].set_title(f"Digits, counts: 24 of {len(X)} real rows")
axes[2, 1].set_title(f"24 sampled rows,\n{name}")

fig.savefig("quickstart.png", dpi=150)
print("picture: quickstart.png")
