"""GANs as estimators: checks, classes, missing cells, own networks, scores."""

import pickle
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn

from sklgen.metrics import whitened_energy_distance
from sklgen.neural import GAN
from sklgen.neural._callbacks import Diverged


def small(**params):
    defaults = {"hidden": [32], "batch_size": 64, "random_state": 0}
    return GAN(**{**defaults, **params})


def table(n=300, seed=0):
    """A label, a number that depends on it and misses cells, and one with atoms."""
    rng = np.random.default_rng(seed)
    label = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    number = rng.normal(np.where(label == "a", -3.0, 3.0))
    number[rng.random(n) < 0.2] = np.nan
    gain = np.where(rng.random(n) < 0.5, 0.0, rng.exponential(size=n))
    return pd.DataFrame(
        {"label": pd.Categorical(label), "number": number, "gain": gain}
    )


@pytest.mark.slow
def test_draws_depend_on_classes():
    rng = np.random.default_rng(0)
    y = rng.choice(["low", "high"], 400, p=[0.25, 0.75])
    X = rng.normal(np.where(y == "low", -4.0, 4.0)[:, None], 1.0, (400, 2))
    model = small(max_iter=300).fit(X, y)
    low, high = (
        model.sample(500, y=label, random_state=0) for label in ("low", "high")
    )
    assert (low[:, 0] < 0).mean() > 0.9
    assert (high[:, 0] > 0).mean() > 0.9
    share = (model.sample(2000, random_state=0)[:, 0] < 0).mean()
    assert share == pytest.approx((y == "low").mean(), abs=0.06)
    # Labels count in the score: those of other rows make it worse.
    assert model.score(X, y) > model.score(X, rng.permutation(y)) + 0.03
    # Rows with the second number of the other class look less real.
    odd = X * [1, -1]
    assert (model.score_realism(X, y) > model.score_realism(odd, y)).mean() > 0.9
    assert (model.score_realism(X) > model.score_realism(odd)).mean() > 0.9
    for label, drawn in (("low", low), ("high", high)):
        usual = model.score_realism(drawn, np.full(500, label))
        assert abs(usual.mean()) < 5 * usual.std() / np.sqrt(500) + 1e-6


@pytest.mark.slow
def test_tables_come_back_with_their_laws():
    X = table(1000)
    draws = (
        small(max_iter=600, early_stopping=False).fit(X).sample(2000, random_state=1)
    )
    assert draws.dtypes.equals(X.dtypes)
    assert draws["number"].isna().mean() == pytest.approx(0.2, abs=0.06)
    assert (draws["gain"] == 0).mean() == pytest.approx(0.5, abs=0.08)
    assert (draws["gain"] >= 0).all()
    shares = draws["label"].value_counts(normalize=True)
    assert shares["a"] == pytest.approx(0.6, abs=0.08)
    known = draws.dropna()
    assert ((known["label"] == "a") == (known["number"] < 0)).mean() > 0.85


def test_score_is_the_distance_to_draws_of_one_seed():
    X = np.random.default_rng(0).normal(size=(600, 2))
    weight = np.random.default_rng(1).integers(1, 4, 600)
    model = small(max_iter=50).fit(X)
    draws = model.sample(600, random_state=0)
    assert model.score(X) == -whitened_energy_distance(X, draws)
    expected = -whitened_energy_distance(X, draws, sample_weight=weight)
    assert model.score(X, sample_weight=weight) == expected


class Diary(Callback):
    """Notes the weights of the generator that draws after each epoch."""

    pages: ClassVar[list] = []

    def on_epoch_end(self, net, **kwargs):
        weights = net.averaged_.module.parameters()
        self.pages.append([weight.clone() for weight in weights])


def test_the_best_epoch_is_kept():
    X = np.random.default_rng(0).normal(size=(300, 2))
    model = small(max_iter=500, learning_rate=0.05, callbacks=[Diary]).fit(X)
    best = int(np.argmin([epoch["valid_loss"] for epoch in model.history_]))
    assert best < len(model.history_) - 1
    kept = model.net_.averaged_.module.parameters()
    assert all(map(torch.equal, kept, Diary.pages[best]))


def test_partial_fit_and_warm_start_go_on():
    X = table()
    model = small(max_iter=100, warm_start=True).fit(X)
    first = model.sample(20, random_state=0)
    model.fit(X)
    assert model.n_iter_ == 200
    assert not model.sample(20, random_state=0).equals(first)
    assert small().partial_fit(X).partial_fit(X).n_iter_ == 100


def test_runs_that_go_on_take_the_loss_that_is_asked_for():
    X = table()
    model = small(max_iter=5, early_stopping=False, warm_start=True).fit(X)
    changed = {"loss": "non_saturating", "penalty": 0.0, "penalty_every": 3}
    model.set_params(**changed).fit(X)
    assert {name: getattr(model.net_, name) for name in changed} == changed


def test_both_networks_learn_again_after_a_fit():
    X = table().drop(columns="label")
    model = small(max_iter=200, early_stopping=False).fit(X)
    networks = model.net_.module_, model.net_.critic_
    before = [[w.clone() for w in network.parameters()] for network in networks]
    model.partial_fit(X)
    for network, weights in zip(networks, before, strict=True):
        moves = [
            (w - old).abs().max()
            for w, old in zip(network.parameters(), weights, strict=True)
        ]
        assert max(moves) > 0.01


def test_a_loss_that_is_no_number_moves_no_weight():
    X = table().drop(columns="label")
    model = small(max_iter=60, early_stopping=False, warm_start=True).fit(X)
    networks = model.net_.module_, model.net_.critic_
    before = [w.clone() for network in networks for w in network.parameters()]
    poison = model.net_.critic_.register_forward_hook(
        lambda module, args, says: says * float("nan")
    )
    with pytest.raises(Diverged, match=r"GAN diverged at step 61.*the step before"):
        model.fit(X)
    poison.remove()
    after = [w for network in networks for w in network.parameters()]
    assert all(map(torch.equal, before, after))
    assert all(w.requires_grad for w in after[-2:])
    assert model.fit(X).n_iter_ == 120


def test_one_row_and_batches_of_one_row():
    draws = small(max_iter=3).fit([[1.0, 2.0]]).sample(3, random_state=0)
    assert draws.shape == (3, 2)
    assert np.isfinite(small(max_iter=3, batch_size=1).fit(table()).score(table()))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["r3gan", "wgan-gp", "non_saturating"])
def test_every_loss_finds_two_groups(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(rng.choice([-4.0, 4.0], (500, 1)), 0.5, (500, 2))
    draws = (
        small(loss=loss, max_iter=400, hidden=[32], early_stopping=False)
        .fit(X)
        .sample(1000, random_state=0)
    )
    share = (draws[:, 0] > 0).mean()
    assert 0.3 < share < 0.7
    assert (np.abs(draws) > 2).all(axis=1).mean() > 0.85


def test_divergence_names_the_step():
    X = np.random.default_rng(0).normal(size=(200, 2))
    with pytest.raises(Diverged, match=r"step \d+.*learning_rate"):
        small(learning_rate=1e30, critic_learning_rate=1e30).fit(X)


@pytest.mark.slow
def test_copies_and_searches():
    X = table()
    model = small(max_iter=20).fit(X)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.sample(9, random_state=0).equals(model.sample(9, random_state=0))
    search = GridSearchCV(small(max_iter=10), {"hidden": [[8], [16]]}, cv=2, n_jobs=2)
    assert np.isfinite(search.fit(X).best_score_)


def test_seeds_and_threads_and_the_global_generator():
    X = table()
    state = torch.get_rng_state()
    draws = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        draws.append(small(max_iter=60).fit(X).sample(50, random_state=0))
    torch.set_num_threads(1)
    assert draws[0].equals(draws[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_images_stay_in_their_range():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 17, (60, 64)).astype(float)
    y = rng.integers(0, 2, 60)
    for architecture, shape in (("conv", (1, 8, 8)), ("recurrent", (8, 8))):
        model = small(
            architecture=architecture, sample_shape=shape, max_iter=3, hidden=None
        )
        draws = model.fit(X, y).sample(10, y=1, random_state=0)
        assert draws.min() >= 0
        assert draws.max() <= 16
    with pytest.raises(ValueError, match="sample_shape"):
        small(sample_shape=(3, 3)).fit(X)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        small(sample_shape=(8, 8)).fit(X)


class Images(nn.Module):
    def __init__(self, n_classes=0):
        super().__init__()
        self.layer = nn.Conv2d(1, 3, 3)
        self.end = nn.Linear(3 + n_classes, 1)

    def forward(self, images, classes=None):
        h = self.layer(images).mean(dim=(2, 3))
        return self.end(h if classes is None else torch.cat([h, classes], dim=1))


class Joined(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, noise, classes):
        return self.layer(torch.cat([noise, classes], dim=1))


def test_own_networks():
    X = np.random.default_rng(0).normal(size=(50, 16))
    generator = nn.Sequential(nn.Linear(128, 8), nn.ReLU(), nn.Linear(8, 16))
    critic = Images()
    before = [p.clone() for p in (*generator.parameters(), *critic.parameters())]
    model = small(
        generator=generator, discriminator=critic, sample_shape=(1, 4, 4), max_iter=5
    ).fit(X)
    after = [*generator.parameters(), *critic.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    learned = model.net_.module_.body.module.parameters()
    assert not any(
        torch.equal(a, b) for a, b in zip(generator.parameters(), learned, strict=True)
    )

    def build(n_latent, n_classes, width):
        assert (n_latent, n_classes, width) == (128, 2, 16)
        return Joined(n_latent + n_classes, width)

    made = small(
        generator=build,
        discriminator=lambda width, n_classes, n_out: Images(n_classes),
        sample_shape=(1, 4, 4),
        max_iter=5,
    ).fit(X, X[:, 0] > 0)
    assert made.sample(4, y=True).shape == (4, 16)


def test_where_gives_rows_with_such_cells():
    X = table(600)
    model = small(max_iter=100).fit(X)
    draws = model.sample(
        300, where={"gain": (0.5, 2.0), "label": ["a", "c"]}, random_state=0
    )
    assert draws.shape == (300, 3)
    assert draws.dtypes.equals(X.dtypes)
    assert draws.index.equals(pd.RangeIndex(300))
    assert draws["gain"].between(0.5, 2.0).all()
    assert draws["label"].isin(["a", "c"]).all()
    missing = model.sample(50, where={"number": None}, random_state=0)
    assert missing["number"].isna().all()
    # The law is that of the model: other columns have the shares of its own draws.
    many = model.sample(20_000, random_state=1)
    many = many[many["label"] == "b"]
    some = model.sample(5000, where={"label": "b"}, random_state=2)
    for column, limit in (("number", 0.0), ("gain", 0.0)):
        share = (many[column] > limit).mean()
        error = np.sqrt(share * (1 - share) * (1 / len(many) + 1 / len(some)))
        assert abs((some[column] > limit).mean() - share) < 5 * error
    with pytest.raises(ValueError, match="none of"):
        model.sample(3, where={"gain": (-5.0, -4.0)})
    for bad, error in (
        ({"gain": (1,)}, ValueError),
        ({"no": 1}, ValueError),
        (3, TypeError),
    ):
        with pytest.raises(error, match="where"):
            model.sample(3, where=bad)


def test_where_keeps_classes():
    rng = np.random.default_rng(0)
    y = rng.choice(["low", "high"], 400)
    X = rng.normal(np.where(y == "low", -1.0, 1.0)[:, None], 1.0, (400, 2))
    model = small(max_iter=200).fit(X, y)
    # Among rows above 0, classes have the shares of draws above 0, not their own.
    labels = np.repeat(["low", "high"], 4000)
    above = model.sample(8000, y=labels, random_state=0)[:, 0] > 0
    where = {0: (0.0, np.inf)}
    draws = model.sample(4000, where=where, random_state=1)
    each = [
        model.sample(2000, y=label, where=where, random_state=2)
        for label in ("low", "high")
    ]
    assert all((one[:, 0] >= 0).all() for one in each)
    share = above[4000:].sum() / above.sum()
    expected = (1 - share) * each[0][:, 1].mean() + share * each[1][:, 1].mean()
    assert draws[:, 1].mean() == pytest.approx(expected, abs=0.12)
    ordered = model.sample(400, y=y, where=where, random_state=0)
    low = ordered[y == "low", 1].mean()
    assert low == pytest.approx(each[0][:, 1].mean(), abs=0.25)


@pytest.mark.slow
def test_rare_levels_are_shown_more_and_draws_corrected():
    X = table(2000)
    X["label"] = np.where(
        np.arange(2000) < 30, "c", np.where(X["number"] < 0, "a", "b")
    )
    model = small(max_iter=300, balance=0.5, early_stopping=False).fit(X)
    net = model.net_.module_
    inputs = model._dataset(model._validate(X), None).tensors[0]
    weights = net.tilt(inputs)
    assert weights.mean().item() == pytest.approx(1.0, abs=1e-5)
    rare = inputs[:, model._layout.blocks[0].start + 2] == 1
    assert weights[rare].min() > 2.5
    # Rows made have the tilted share, rows drawn that of the data.
    torch.manual_seed(0)
    with torch.no_grad():
        made = model.net_.averaged_(torch.zeros((20_000, 0)))
    at = model._layout.blocks[0].start + 2
    tilted = (weights * inputs[:, at]).mean().item()
    assert made[:, at].mean().item() == pytest.approx(tilted, rel=0.4)
    drawn = (model.sample(20_000, random_state=0)["label"] == "c").mean()
    assert drawn == pytest.approx(0.015, rel=0.5)
    # A draw that keeps rows of the tilted data gives the data.
    generator = torch.Generator().manual_seed(0)
    ends = weights.double().cumsum(0)
    shown = torch.searchsorted(
        ends, torch.rand(200_000, dtype=torch.float64) * ends[-1]
    )
    kept = inputs[shown][net.tilt.keeps(inputs[shown], generator)]
    assert len(kept) == pytest.approx(100_000, rel=0.02)
    difference = (kept.mean(dim=0) - inputs.mean(dim=0)).abs().max().item()
    assert difference < 0.015


@pytest.mark.slow
def test_no_mode_is_missed():
    rng = np.random.default_rng(0)
    sides = np.arange(-4, 5, 2)
    centers, deviation = np.array([(x, y) for x in sides for y in sides]), 0.05
    X = centers[rng.integers(len(centers), size=10_000)]
    X = X + deviation * rng.normal(size=X.shape)
    draws = GAN(max_iter=2000, random_state=0).fit(X).sample(10_000, random_state=0)
    distances = np.linalg.norm(draws[:, None] - centers, axis=2)
    inside = distances.min(axis=1) < 3 * deviation
    assert inside.mean() >= 0.95
    counts = np.bincount(distances.argmin(axis=1)[inside], minlength=len(centers))
    shares = counts / inside.sum() * len(centers)
    assert shares.min() > 0.5
    assert shares.max() < 2.0
