"""Neural generators of digits: images of scikit-learn's 8x8 digits, and sequences.

Half of the digits are for training. Images: models know the labels, and 1,797 draws
with the labels' shares train a support vector classifier. Printed are its accuracy on
the other half, that of the same classifier trained on real digits in place of draws,
how many draws the latter gives the label they were drawn for, and the AUC of boosted
trees that tell draws from held-out digits (0.5 is best). Sequences: a digit is read as
8 steps of 8 numbers, without labels. Printed are the smallest and the largest share of
draws that the nearest centroid gives a digit, over its share of held-out digits, and
the AUC; perceptrons make so many steps that both take about the same seconds.

`--pictures` is a folder for a picture of draws of each model. Run with
OMP_NUM_THREADS=1: seconds are those of one processor, to fit.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC

from sklgen.metrics import classifier_two_sample_test
from sklgen.neural import GAN, VAE

IMAGES = {"sample_shape": (1, 8, 8), "early_stopping": False, "batch_size": 64}
SEQUENCES = IMAGES | {"sample_shape": (8, 8)}
LABELLED = {
    "GAN conv": lambda seed: GAN(
        architecture="conv", max_iter=2000, random_state=seed, **IMAGES
    ),
    "GAN mlp": lambda seed: GAN(max_iter=3000, random_state=seed, **IMAGES),
    "VAE conv": lambda seed: VAE(
        architecture="conv", max_iter=2000, random_state=seed, **IMAGES
    ),
    "VAE mlp": lambda seed: VAE(max_iter=3000, random_state=seed, **IMAGES),
}
UNLABELLED = {
    "GAN recurrent": lambda seed: GAN(
        architecture="recurrent", max_iter=1500, random_state=seed, **SEQUENCES
    ),
    "GAN mlp": lambda seed: GAN(max_iter=4500, random_state=seed, **SEQUENCES),
}


def timed(model, *data):
    """The fitted model, and processor seconds."""
    start = time.process_time()
    model.fit(*data)
    return model, time.process_time() - start


def auc(real, draws):
    """Whole numbers, as those of digits are: decimals would tell draws from digits."""
    draws = np.clip(np.rint(draws), 0.0, 16.0)
    return classifier_two_sample_test(real, draws, random_state=0).auc


def images(model, split, seed):
    X, X_test, y, y_test = split
    model, seconds = timed(model, X, y)
    rng = np.random.default_rng(seed)
    labels = rng.choice(model.classes_, 1797, p=model.class_shares_)
    draws = model.sample(len(labels), y=labels, random_state=seed)
    taught, real = SVC().fit(draws, labels), SVC().fit(X, y)
    return (
        taught.score(X_test, y_test),
        real.score(X_test, y_test),
        real.score(draws, labels),
        auc(X_test, draws[: len(X_test)]),
        seconds,
    )


def sequences(model, split, seed):
    X, X_test, y, _ = split
    model, seconds = timed(model, X)
    draws = model.sample(len(X_test), random_state=seed)
    nearest = NearestCentroid().fit(X, y)
    ours, real = (
        np.bincount(nearest.predict(rows), minlength=10) for rows in (draws, X_test)
    )
    shares = ours / real
    return shares.min(), shares.max(), auc(X_test, draws), seconds


def draw_picture(model, path):
    import matplotlib.pyplot as plt

    labels = np.repeat(np.arange(10), 10)
    known = {"y": labels} if hasattr(model, "classes_") else {}
    draws = model.sample(100, random_state=0, **known).reshape(10, 10, 8, 8)
    framed = np.pad(draws, [(0, 0), (0, 0), (1, 1), (1, 1)])
    picture = np.kron(np.block([list(row) for row in framed]), np.ones((5, 5)))
    plt.imsave(path, picture, cmap="gray_r", vmin=0.0, vmax=16.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--models", nargs="+", help="beginnings of names")
    parser.add_argument("--pictures")
    options = parser.parse_args()
    measures = (
        (images, LABELLED, ["taught", "real", "known", "AUC", "seconds"]),
        (sequences, UNLABELLED, ["least", "most", "AUC", "seconds"]),
    )
    for measure, models, columns in measures:
        print(f"{measure.__name__:<18}" + "".join(f"{word:>9}" for word in columns))
        for name, make in models.items():
            if options.models and not name.startswith(tuple(options.models)):
                continue
            for seed in range(options.seeds):
                X, y = load_digits(return_X_y=True)
                split = train_test_split(
                    X, y, test_size=0.5, stratify=y, random_state=seed
                )
                model = make(seed)
                found = measure(model, split, seed)
                line = "".join(f"{value:9.3f}" for value in found[:-1])
                print(f"{name:<18}{line}{found[-1]:9.1f}", flush=True)
                if options.pictures:
                    file = f"{measure.__name__} {name} {seed}.png".replace(" ", "_")
                    draw_picture(model, Path(options.pictures) / file)


if __name__ == "__main__":
    main()
