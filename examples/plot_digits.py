"""
===========================
Images: digits of two kinds
===========================

A GAN and a variational autoencoder learn to draw digits, each the one that it is asked
for. Rows are flat, as scikit-learn wants them; ``sample_shape`` says that they are
images, and ``architecture="conv"`` takes convolutions.
"""

# %%
# Two models of images
# --------------------
#
# Half of scikit-learn's digits are for training. Labels are the ``y`` of ``fit``.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklgen.neural import GAN, VAE
from sklgen.plotting import TrainingHistoryDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
images = {"architecture": "conv", "sample_shape": (1, 8, 8), "batch_size": 64}
models = {
    "GAN": GAN(max_iter=1600, early_stopping=False, random_state=0, **images),
    "VAE": VAE(max_iter=1000, early_stopping=False, random_state=0, **images),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# Draws beside the real ones
# --------------------------
#
# ``sample`` takes the labels of the rows that it is to draw.

labels = np.repeat(np.arange(10), 6)
real = np.concatenate([X_test[y_test == digit][:6] for digit in range(10)])
tables = {"real": real} | {
    name: model.sample(len(labels), y=labels, random_state=0)
    for name, model in models.items()
}
fig, axes = plt.subplots(1, 3, figsize=(9, 5.4), layout="constrained")
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    framed = np.pad(table.reshape(10, 6, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    ax.imshow(np.block([list(row) for row in framed]), cmap="gray_r", vmin=0, vmax=16)
    ax.set_title(name)
    ax.axis("off")

# %%
# Are they good for anything?
# ---------------------------
#
# A classifier that has seen nothing but draws reads real digits: the closer to one that
# has seen real digits, the more the draws have of what makes digits differ.

print(f"taught by real digits: {SVC().fit(X_train, y_train).score(X_test, y_test):.3f}")
rng = np.random.default_rng(0)
for name, model in models.items():
    labels = rng.choice(model.classes_, len(X), p=model.class_shares_)
    draws = model.sample(len(labels), y=labels, random_state=0)
    print(f"taught by the {name}: {SVC().fit(draws, labels).score(X_test, y_test):.3f}")

# %%
# How they were trained
# ---------------------
#
# The losses of a GAN are those of two players: they need not fall. The loss of an
# autoencoder is a bound of the negative log-density, which does.

display = TrainingHistoryDisplay.from_estimator(models["GAN"])
display.figure_.suptitle("GAN")
display = TrainingHistoryDisplay.from_estimator(models["VAE"])
display.figure_.suptitle("VAE")
plt.show()
