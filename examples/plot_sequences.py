"""
=============================================
Sequences: states, forecasts, gaps, anomalies
=============================================

Hidden Markov models of rows in the order of time: look at the states that explain a
sequence, forecast it, fill a gap, and find the rows that are surprising when they come.
"""

# %%
# A hundred years of earthquakes
# ------------------------------
#
# The number of great earthquakes of each year changes slowly: years of a quiet state
# follow each other. Two to four states are compared by BIC, where lower is better.

import matplotlib.pyplot as plt
import numpy as np

from sklgen.datasets import load_earthquakes, load_old_faithful
from sklgen.hmm import GaussianHMM, PoissonHMM
from sklgen.plotting import StatesDisplay

counts = load_earthquakes(as_frame=True).frame[["count"]]
years = 1900 + np.arange(len(counts))
fits = {k: PoissonHMM(k, random_state=0).fit(counts) for k in (1, 2, 3, 4)}
for k, model in fits.items():
    log_likelihood = model.score_samples(counts).sum()
    print(
        f"{k} states: log-likelihood {log_likelihood:.2f}, BIC {model.bic(counts):.1f}"
    )
quakes = min(fits.values(), key=lambda model: model.bic(counts))
print("rates a year:", quakes.rates_.ravel().round(1))

# %%
# The background shows the most probable path of states, the matrix how likely each
# state is to follow another.

fig, (path_ax, matrix_ax) = plt.subplots(
    1, 2, figsize=(11, 3.6), layout="constrained", width_ratios=[3, 1]
)
display = StatesDisplay.from_estimator(quakes, counts, time=years, ax=path_ax)
display.plot_transitions(ax=matrix_ax)
path_ax.set(xlabel="year", ylabel="great earthquakes")
for ax in (path_ax, matrix_ax):
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Forecast
# --------
#
# ``forecast`` gives the law of the years to come: probabilities of the states, means,
# and whole futures as draws.

forecast = quakes.forecast(counts, horizon=15)
futures = np.stack([table["count"] for table in forecast.sample(2000, random_state=0)])
low, high = np.quantile(futures, [0.05, 0.95], axis=0)

# %%
# Fill a gap
# ----------
#
# Eruptions of Old Faithful come in order, and a short one is followed by a long one.
# Twelve rows in a row are hidden: ``impute`` gives their means given all the others,
# ``sample_conditional`` draws what may have been. The model is stationary, since the
# rows to complete are no first ones.

X = load_old_faithful(as_frame=True).data
geyser = GaussianHMM(3, stationary=True, random_state=0).fit(X)
part = X.iloc[100:160].reset_index(drop=True).astype(float)
hidden = part.copy()
hidden.iloc[25:37] = np.nan
filled = geyser.impute(hidden)
drawn = geyser.sample_conditional(hidden, random_state=0)
gap = slice(24, 38)

# %%
# Score rows as they come
# -----------------------
#
# ``score_samples`` is the log-density of each row given those before it. A wait that is
# usual by itself stands out where the rows before speak against it: here the
# waits of one row and of the next one are exchanged.

swapped = part.copy()
at = int(np.abs(np.diff(part["waiting"])).argmax())
swapped.loc[[at, at + 1], "waiting"] = part.loc[[at + 1, at], "waiting"].to_numpy()
surprise = {"as it was": part, "two waits exchanged": swapped}
surprise = {name: -geyser.score_samples(rows) for name, rows in surprise.items()}
print(f"most surprising row: {surprise['two waits exchanged'].argmax()}, changed: {at}")

# %%
# Pictures
# --------

fig, (future_ax, gap_ax, score_ax) = plt.subplots(
    3, 1, figsize=(9, 8.5), layout="constrained"
)
ahead = years[-1] + 1 + np.arange(15)
future_ax.plot(years[-40:], counts["count"][-40:], color="0.15", label="observed")
future_ax.fill_between(
    ahead, low, high, color="tab:blue", alpha=0.2, linewidth=0, label="90 % of draws"
)
future_ax.plot(ahead, futures.mean(axis=0), color="tab:blue", label="mean")
future_ax.set(ylabel="great earthquakes", xlabel="year")
future_ax.set_title("Forecast", loc="left")

StatesDisplay.from_estimator(geyser, hidden, columns="waiting", ax=gap_ax)
rows = np.arange(len(part))
for table, style, name in [
    (part, {"color": "0.15", "linestyle": ":"}, "hidden"),
    (drawn, {"color": "tab:green"}, "drawn"),
    (filled, {"color": "tab:blue"}, "mean"),
]:
    gap_ax.plot(rows[gap], table["waiting"][gap], label=name, **style)
gap_ax.legend(ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(0.4, 1.0))
gap_ax.set(xlabel="eruption", ylabel="wait (min)")
gap_ax.set_title("A gap", loc="left", pad=22)

for name, values in surprise.items():
    score_ax.plot(rows, values, label=name, color="tab:red" if "ex" in name else "0.15")
score_ax.set(xlabel="eruption", ylabel="surprise (nats)")
score_ax.set_title("Anomaly score by row", loc="left")
for ax in (future_ax, score_ax):
    ax.legend(frameon=False, loc="upper center")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
