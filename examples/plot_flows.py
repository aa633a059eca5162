"""
=======================================
Normalizing flows: two moons and beyond
=======================================

Fit a flow to two moons, look at its density and its draws, and hold it against the
baseline that is hard to beat: a mixture of Gaussians.
"""

# %%
# A density by an invertible network
# ----------------------------------
#
# A flow maps rows to normal vectors, and back to draw. Its density is exact, so that
# held-out rows tell how good it is: more is better, in nats per row.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sklgen.mixture import GaussianMixture
from sklgen.neural import NormalizingFlow

X, y = make_moons(1000, noise=0.08, random_state=0)
held_out, y_held_out = make_moons(1000, noise=0.08, random_state=1)

models = {
    "flow of splines": NormalizingFlow("nsf", max_iter=600, random_state=0),
    "autoregressive flow": NormalizingFlow(max_iter=600, random_state=0),
    "12 Gaussians": GaussianMixture(12, random_state=0),
}
scores = {name: model.fit(X).score(held_out) for name, model in models.items()}
for name, score in scores.items():
    print(f"{name:<22}{score:.3f}")

# %%
# Densities and draws
# -------------------
#
# A flow bends one cloud: what joins the moons is a thread of it, which more training
# makes thinner. Gaussians are pieces, and need no thread.

sides = np.linspace(-1.6, 2.6, 200), np.linspace(-1.1, 1.6, 150)
grid = np.stack(np.meshgrid(*sides), axis=-1)
figure, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True, sharey=True)
for (name, model), (above, below) in zip(models.items(), axes.T, strict=True):
    density = np.exp(model.score_samples(grid.reshape(-1, 2))).reshape(150, 200)
    above.pcolormesh(*sides, density, cmap="magma", vmax=1.2, rasterized=True)
    above.set_title(f"{name}: {scores[name]:.2f}")
    below.scatter(*model.sample(1000, random_state=0).T, s=3, color="tab:blue")
axes[0, 0].set(xlim=(-1.6, 2.6), ylim=(-1.1, 1.6), ylabel="density")
axes[1, 0].set_ylabel("draws")
figure.tight_layout()

# %%
# A density of each class
# -----------------------
#
# With labels in ``fit``, the map depends on the class. Each moon is then a cloud of its
# own, and held-out rows have a class to be classified by: that of the larger density.

flow = NormalizingFlow(max_iter=600, random_state=0).fit(X, y)
of_each = [flow.score_samples(held_out, np.full(1000, label)) for label in (0, 1)]
accuracy = np.mean(np.argmax(of_each, axis=0) == y_held_out)
print(f"score without classes: {flow.score(held_out):.3f}, accuracy: {accuracy:.3f}")

figure, axis = plt.subplots(figsize=(5, 3.2))
for label, colour in ((0, "tab:blue"), (1, "tab:orange")):
    draws = flow.sample(500, y=label, random_state=label)
    axis.scatter(*draws.T, s=4, color=colour, label=f"class {label}")
axis.legend()
axis.set_title("Draws of each class")
figure.tight_layout()
plt.show()
