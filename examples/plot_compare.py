"""
===========================================
Which model? A comparison, and its pictures
===========================================

Compare models of a table on rows that they have not seen, between two anchors: what a
perfect model would give, and what a table without any dependence does.
"""

# %%
# Models side by side
# -------------------
#
# Three models of the penguins. One component cannot tell species apart; six can. The
# third is no model: it draws its training rows again, with a little noise.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split

from sklgen.compose import compare
from sklgen.datasets import load_penguins
from sklgen.metrics import closest_record_share, membership_inference
from sklgen.mixture import TabularMixture
from sklgen.plotting import DensityDisplay, SampleComparisonDisplay

X = load_penguins(as_frame=True).frame


class Copier(BaseEstimator):
    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, *, random_state=None):
        rng = np.random.default_rng(random_state)
        rows = self.rows_.iloc[rng.integers(len(self.rows_), size=n_samples)]
        noise = pd.Series(rng.normal(0.0, 0.02, n_samples), index=rows.index)
        numbers = rows.select_dtypes("number")
        return rows.assign(
            **{name: rows[name] + noise * numbers[name].std() for name in numbers}
        )


comparison = compare(
    X,
    {
        "one component": TabularMixture(1),
        "six components": TabularMixture(6),
        "copies with noise": Copier(),
    },
    target="species",
    random_state=0,
)
comparison.table.round(3)

# %%
# Small differences are noise: dots are folds. Copies are like real rows in all but one
# thing, they are nearer to the training rows than to others. With three folds a model
# that only copies has a share of 0.75 there.

comparison.plot()
plt.show()

# %%
# ``comparison.to_html("report.html")`` writes a report with these pictures and those
# below, for each model, in one file.
#
# Whose rows were in training?
# ----------------------------
#
# An attacker who has the draws, and other penguins to compare with, tells the training
# rows of the copier from others. Those of the mixture he must guess.

train, test = train_test_split(X, test_size=0.5, random_state=0)
for name, model in {
    "six components": TabularMixture(6, random_state=0),
    "copies with noise": Copier(),
}.items():
    rows = model.fit(train).sample(len(train), random_state=0)
    attack = membership_inference(train, test, rows, random_state=0)
    share = closest_record_share(train, test, rows, random_state=0)
    print(
        f"{name:<18} AUC of the attack {attack.auc:.2f} ± {attack.std_error:.2f}, "
        f"nearer to training rows {share:.2f}"
    )

# %%
# What the draws look like
# ------------------------
#
# Marginals are no test of a model: one component has them about right. What it lacks is
# dependence. Real rows are below the diagonal, synthetic ones above it.

one = TabularMixture(1, random_state=0).fit(train)
columns = ["species", "bill_length_mm", "bill_depth_mm", "flipper_length_mm"]
SampleComparisonDisplay.from_estimator(
    one, test, kind="pairs", features=columns, random_state=0
)
plt.show()

# %%
# Six components have the clusters.

six = TabularMixture(6, random_state=0).fit(train)
display = SampleComparisonDisplay.from_estimator(
    six, test, kind="pairs", features=columns, random_state=0
)
plt.show()

# %%
# Correlations and their differences, for columns of any kind:

display.plot(kind="correlations")
plt.show()

# %%
# Densities
# ---------
#
# Contours bound the smallest regions with 20, 50, 80 and 95 % of the mass. The other
# columns are integrated out. On the right there is no model: the histogram of the rows.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
features = ["bill_length_mm", "bill_depth_mm"]
DensityDisplay.from_estimator(six, test, features=features, ax=left)
DensityDisplay.from_samples(X, features=features, ax=right)
plt.show()
