"""
====================================
Posteriors: how sure a prediction is
====================================

Bayesian models as estimators: a curve of one's own, counts that vary from decade to
decade, probabilities of a diagnosis. Which model is better is told by leave-one-out
cross-validation, and what a model misses by data that it makes.
"""

# %%
# A curve of one's own
# --------------------
#
# The longer an eruption of Old Faithful, the longer the wait for the next one, but the
# second minute adds more than the fifth. A model is a class that says two things: laws
# of its parameters before the data, and the log-likelihood of each row. Parameters
# come with leading axes, for chains and draws, so ``[..., None]`` makes room for the
# rows.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.datasets import load_earthquakes, load_old_faithful
from sklgen.mcmc import BayesianModel, PosteriorClassifier, PosteriorRegressor
from sklgen.mcmc.models import NegativeBinomialModel, PoissonModel
from sklgen.mcmc.priors import HalfNormal, Normal
from sklgen.plotting import ForestDisplay, PairsDisplay, PredictiveCheckDisplay


class SaturatingModel(BayesianModel):
    """Waits that grow with the eruption before them, up to a limit."""

    def parameters(self, X, y):
        return {
            "limit": Normal(90.0, 20.0),
            "rate": HalfNormal(1.0),
            "sigma": HalfNormal(10.0),
        }

    def mean(self, params, X):
        limit, rate = params["limit"][..., None], params["rate"][..., None]
        return limit * (1.0 - np.exp(-rate * X[:, 0]))

    def log_likelihood(self, params, X, y):
        return norm.logpdf(y, self.mean(params, X), params["sigma"][..., None])

    def simulate(self, params, X, rng):
        return rng.normal(self.mean(params, X), params["sigma"][..., None])


eruptions = load_old_faithful(as_frame=True).data
X, y = eruptions[["duration"]], eruptions["waiting"]
curve = PosteriorRegressor(SaturatingModel(), random_state=0).fit(X, y)
print(curve.summary()[["mean", "sd", "q5", "q95", "ess_bulk", "r_hat"]].round(2))

# %%
# Beside it a straight line, the default model. The log predictive density of each wait
# given all others says which is better: the sum, and the difference with its standard
# error. Nothing is fitted again for it. These data hardly tell the two apart, as few
# eruptions are very short or of three minutes.


def difference(a, b):
    """Gain of a over b, with its standard error."""
    gain, error = a.minus(b)
    return f"{gain:.1f} +- {error:.1f}"


line = PosteriorRegressor(random_state=0).fit(X, y)
loo = {"line": line.score_loo(X, y), "curve": curve.score_loo(X, y)}
for name, result in loo.items():
    print(f"{name:<6}{result.total:8.1f}")
print("curve against line:", difference(loo["curve"], loo["line"]))

# %%
# Bands have 50 and 90 per cent of the waits that the model expects: they average over
# all draws of the parameters.

minutes = pd.DataFrame({"duration": np.linspace(0.5, 6.5, 100)})
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, {"line": line, "curve": curve}.items(), strict=True):
    quantiles = [0.05, 0.25, 0.75, 0.95]
    low, left, right, high = model.predict_quantiles(
        minutes, quantiles, random_state=0
    ).T
    ax.fill_between(minutes["duration"], low, high, color="0.93", label="90 %")
    ax.fill_between(minutes["duration"], left, right, color="0.83", label="50 %")
    ax.plot(minutes["duration"], model.predict(minutes), color="tab:blue")
    ax.scatter(X, y, s=12, color="0.25", linewidths=0)
    ax.set(title=name, xlabel="eruption (min)")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("wait after it (min)")
axes[0].legend(loc="lower right", frameon=False)

# %%
# What the data leave open is a ridge: a higher limit goes with a lower rate.

PairsDisplay.from_estimator(curve)

# %%
# Counts of earthquakes
# ---------------------
#
# Strong earthquakes of each year, by three models: one rate for all years and Poisson's
# law about it, a negative binomial law, which is wider, and rates that vary from decade
# to decade. ``groups`` is the place of the column that has the decades.

earthquakes = load_earthquakes(as_frame=True).frame
counts = earthquakes["count"]
year, decade = earthquakes[["year"]], earthquakes[["year"]] // 10 * 10
RATES = {
    "Poisson": (PoissonModel(), year),
    "negative binomial": (NegativeBinomialModel(), year),
    "by decade": (NegativeBinomialModel(groups=0), decade),
}
posteriors = {
    name: PosteriorRegressor(model, random_state=0).fit(X, counts)
    for name, (model, X) in RATES.items()
}
loo = {name: posteriors[name].score_loo(X, counts) for name, (_, X) in RATES.items()}
for name in RATES:
    print(f"{name:<20}{loo[name].total:8.1f}")
for better, worse in (("negative binomial", "Poisson"), ("by decade", "Poisson")):
    print(f"{better} against {worse}: {difference(loo[better], loo[worse])}")

# %%
# Each thin line is a century that the model made up, the thick one is what happened.
# With Poisson's law there are too few calm years and too few bad ones.

fig, axes = plt.subplots(1, 3, figsize=(12, 3.2), sharex=True, layout="constrained")
for ax, (name, (_, X)) in zip(axes, RATES.items(), strict=True):
    PredictiveCheckDisplay.from_estimator(
        posteriors[name], X, counts, kind="ecdf", random_state=0, ax=ax
    )
    ax.set_title(name)

# %%
# The decades, in units of how much decades differ. Few counts tell of each, so that
# they are drawn towards each other. The last line is a decade that has not been seen,
# which is what ``predict`` takes for one.

display = ForestDisplay.from_estimator(
    posteriors["by decade"], parameters="group_effect"
)
model = posteriors["by decade"].model_
names = [f"{decade:.0f}s" for decade in model.groups_]
display.ax_.set_yticks(range(len(names) + 1), [*names, "not seen"])

# %%
for name, at in {"the 1940s": 1940, "the 2010s, not seen": 2010}.items():
    row = pd.DataFrame({"year": [at]})
    low, high = posteriors["by decade"].predict_quantiles(
        row, [0.05, 0.95], random_state=0
    )[0]
    print(f"a year of {name}: {low:.0f} to {high:.0f} earthquakes")

# %%
# Probabilities of a diagnosis
# ----------------------------
#
# Thirty measurements of a tumour, and 100 patients to learn from. A plane tells their
# classes apart without an error, so that maximum likelihood is sure of everything. A
# penalty helps, of which cross-validation finds the size. A posterior averages over all
# planes that agree with the patients.

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
train, test, y_train, y_test = train_test_split(
    X, y, train_size=100, stratify=y, random_state=0
)
classifiers = {
    "maximum likelihood": LogisticRegression(C=np.inf, max_iter=10_000),
    "penalty, by cross-validation": GridSearchCV(
        LogisticRegression(max_iter=1000),
        {"C": np.logspace(-3, 3, 10)},
        scoring="neg_log_loss",
    ),
    "posterior": PosteriorClassifier(random_state=0),
}
true_class = {}
for name, classifier in classifiers.items():
    classifier = make_pipeline(StandardScaler(), classifier).fit(train, y_train)
    probabilities = classifier.predict_proba(test)
    true_class[name] = probabilities[np.arange(len(test)), y_test]
    print(
        f"{name:<30}accuracy {accuracy_score(y_test, classifier.predict(test)):.3f}, "
        f"log-loss {log_loss(y_test, probabilities):.3f}"
    )

# %%
# All three are right about equally often. Where they are wrong, the posterior has said
# that it might be: here are the lowest probabilities that true classes have got.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, probability in true_class.items():
    ax.plot(np.sort(probability)[:30], "o-", markersize=3, label=name)
ax.axhline(0.5, color="0.75", linewidth=0.8, zorder=0)
ax.set(
    yscale="log", xlabel="patients, worst first", ylabel="probability of the true class"
)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", frameon=False)
