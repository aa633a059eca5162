"""
==========================================
Tables of mixed columns: real or synthetic
==========================================

Encode a table with numbers, labels and missing cells, fit a mixture to it, draw a table
like it, measure how like it is, and fill in what is missing.
"""

# %%
# A table as typed columns
# ------------------------
#
# ``TabularEncoder`` is what ``TabularMixture`` reads tables with. Labels become codes
# and numbers normal scores. Numbers that stand out from their neighbours, such as the 0
# of an amount that most rows lack, would become codes too. The way back is exact.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sklgen.compose import TabularEncoder
from sklgen.datasets import load_penguins
from sklgen.metrics import (
    classifier_two_sample_test,
    closest_record_share,
    marginal_distances,
)
from sklgen.mixture import TabularMixture

X = load_penguins(as_frame=True).frame
encoder = TabularEncoder().fit(X)
names = encoder.get_feature_names_out()
for name, kind, n_levels in zip(names, encoder.kinds_, encoder.n_levels_, strict=True):
    print(f"{name:<24}{kind}{f', {n_levels} levels' if n_levels else ''}")
print("back again:", encoder.inverse_transform(encoder.transform(X)).equals(X))

# %%
# A synthetic table
# -----------------
#
# Dtypes, categories and missing cells are those of the real table.

train, test = train_test_split(X, test_size=0.5, random_state=0)
model = TabularMixture(6, random_state=0).fit(train)
synthetic = model.sample(len(test), random_state=0)
print(synthetic.head())

# %%
# Real against synthetic
# ----------------------
#
# Trees try to tell the draws from held-out rows, and tell training rows from them
# for comparison: an AUC of 0.5 is chance. The share of draws that are nearer to
# training than to held-out rows should not be far above 0.5. Shuffled columns have the
# right marginals and no dependence.

rng = np.random.default_rng(0)
shuffled = train.apply(lambda column: column.array[rng.permutation(len(train))])
tables = {
    "real": train,
    "synthetic": synthetic,
    "independent columns": shuffled,
}
for name, rows in tables.items():
    test_result = classifier_two_sample_test(test, rows, random_state=0)
    print(f"{name:<20} AUC {test_result.auc:.2f} ± {test_result.std_error:.2f}")
share = closest_record_share(train, test, synthetic, random_state=0)
print(f"nearer to training rows: {share:.2f}")
distances = {
    name: marginal_distances(test, rows).columns
    for name, rows in tables.items()
    if name != "independent columns"
}

# %%
# Fill in missing cells
# ---------------------
#
# Hide the species of the held-out rows: ``impute`` gives the most probable one.
# ``sample_conditional`` draws instead, so that the spread of a column stays.

hidden = test.assign(species=None)
right = (model.impute(hidden)["species"] == test["species"]).mean()
print(f"species right: {right:.0%}")

no_mass = test.dropna(subset="body_mass_g").assign(body_mass_g=np.nan)
for name, filled in {
    "impute": model.impute(no_mass),
    "sample_conditional": model.sample_conditional(no_mass, random_state=0),
    "real": test.dropna(subset="body_mass_g"),
}.items():
    print(f"spread of the body mass, {name}: {filled['body_mass_g'].std():.0f} g")

# %%
# Pictures
# --------

fig, (real_ax, synthetic_ax, distance_ax) = plt.subplots(
    1, 3, figsize=(12, 4), layout="constrained"
)
x, y = "flipper_length_mm", "bill_depth_mm"
for ax, rows, title in [
    (real_ax, test, "held-out rows"),
    (synthetic_ax, synthetic, "synthetic rows"),
]:
    for species, group in rows.groupby("species", observed=True):
        ax.scatter(group[x], group[y], s=18, alpha=0.8, linewidths=0, label=species)
    ax.set(title=title, xlabel="flipper length (mm)", ylabel="bill depth (mm)")
real_ax.legend(frameon=False, handletextpad=0.1)
synthetic_ax.sharex(real_ax)
synthetic_ax.sharey(real_ax)
place = np.arange(X.shape[1])
for name, colour, offset in [("real", "0.7", 0.18), ("synthetic", "tab:blue", -0.18)]:
    distance_ax.barh(
        place + offset,
        [distances[name][column] for column in X.columns],
        height=0.34,
        color=colour,
        label="training rows" if name == "real" else "synthetic rows",
    )
distance_ax.set_yticks(place, [name.replace("_", " ") for name in X.columns])
distance_ax.set(title="distance of marginals", xlabel="from held-out rows")
distance_ax.legend(frameon=False)
for ax in (real_ax, synthetic_ax, distance_ax):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
