"""
=========================================
Pipelines: densities in one's own units
=========================================

Put scikit-learn's transformers before a model, and let held-out log-likelihoods choose
among them. That takes densities of the rows themselves, not of what transformers make
of them.
"""

# %%
# A search over scalers
# ---------------------
#
# Two columns of scikit-learn's breast cancer table, which are positive and skewed. The
# scalers are none at all, two that shift and scale, one of which makes all numbers
# tiny, and one that bends.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler

from sklgen.compose import GenerativePipeline
from sklgen.mixture import GaussianMixture

X = load_breast_cancer(as_frame=True).data[["mean area", "area error"]]
SCALERS = {
    "none": None,
    "standard": StandardScaler(),
    "min-max to 0.001": MinMaxScaler((0, 1e-3)),
    "power": PowerTransformer(),
}
N_COMPONENTS = [1, 2, 3]
grid = {"scaler": [*SCALERS.values()], "mixture__n_components": N_COMPONENTS}
steps = [("scaler", None), ("mixture", GaussianMixture(random_state=0))]


def search(pipeline, X):
    """Cross-validated log-likelihoods, one row a scaler and one column a mixture."""
    cv = KFold(3, shuffle=True, random_state=0)
    found = GridSearchCV(pipeline, grid, cv=cv).fit(X)
    scores = found.cv_results_["mean_test_score"].reshape(len(N_COMPONENTS), -1).T
    return found, pd.DataFrame(scores, SCALERS, N_COMPONENTS)


# %%
# Transformed units reward what shrinks
# -------------------------------------
#
# scikit-learn's pipeline scores transformed rows. A density is per unit: a thousand
# times smaller rows have a million times the density on the plane. So the scaler that
# shrinks most wins, and says nothing of the rows.

plain, plain_scores = search(Pipeline(steps), X)
print(plain_scores.round(2), plain.best_params_, sep="\n")

# %%
# Original units do not
# ---------------------
#
# ``GenerativePipeline`` adds the logarithm of what the steps do to volumes. Scalers
# that only shift and scale now tie, since they lead to one and the same Gaussian
# mixture, and the one that bends wins: with it, one Gaussian is better than several
# without.

search_here, scores = search(GenerativePipeline(steps), X)
print(scores.round(2), search_here.best_params_, sep="\n")

# %%
# Nothing depends on the unit. In hundredths, all scores fall by the same number, twice
# the logarithm of 100. Only ``PowerTransformer`` has a unit of its own: its bend, and
# with it its scores, move by a hair.

_, cents = search(GenerativePipeline(steps), 100 * X)
print((scores - cents).round(3), 2 * np.log(100), sep="\n")

# %%
# Draws and missing cells
# -----------------------
#
# Draws come back through the steps, as a DataFrame. Rows can be completed, since the
# steps act column by column.

model = search_here.best_estimator_
print(model.sample(3, random_state=0))
half_known = X.head(3).assign(**{"area error": np.nan})
print(model.impute(half_known))

# %%
# Pictures
# --------
#
# One Gaussian before and after: lines hold 50, 90 and 99 % of the draws.

fig, (score_ax, straight_ax, bent_ax) = plt.subplots(
    1, 3, figsize=(12, 4), layout="constrained"
)
place = np.arange(len(SCALERS))
for table, colour, label, offset in [
    (plain_scores, "0.7", "Pipeline", 0.18),
    (scores, "tab:blue", "GenerativePipeline", -0.18),
]:
    best = table.max(axis=1)
    score_ax.barh(place + offset, best, height=0.34, color=colour, label=label)
    score_ax.plot(best.max(), place[best.argmax()] + offset, "k*", markersize=9)
score_ax.axvline(0, color="k", linewidth=0.8)
score_ax.set_yticks(place, SCALERS)
score_ax.set(title="held-out score, the best starred", xlabel="nats a row")
score_ax.legend(frameon=False, loc="upper right")

area, error = np.meshgrid(np.geomspace(100, 3000, 200), np.geomspace(4, 600, 200))
points = pd.DataFrame({"mean area": area.ravel(), "area error": error.ravel()})
for ax, name in [(straight_ax, "none"), (bent_ax, "power")]:
    one = GenerativePipeline(steps).set_params(
        scaler=SCALERS[name], mixture__n_components=1
    )
    one.fit(X)
    draws = one.score_samples(one.sample(5000, random_state=0))
    levels = np.quantile(draws, [0.01, 0.1, 0.5])
    ax.scatter(*X.to_numpy().T, s=6, color="0.6", linewidths=0)
    log_density = one.score_samples(points).reshape(area.shape)
    ax.contour(area, error, log_density, levels, colors="tab:blue", linestyles="solid")
    ax.set(title=f"one Gaussian, scaler: {name}", xlabel="mean area")
    ax.set(xscale="log", yscale="log", xlim=(100, 3000), ylim=(4, 600))
straight_ax.set_ylabel("area error")
for ax in (score_ax, straight_ax, bent_ax):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
