"""The parts of a GAN: losses, distances, heads, clusters, spread and tilted rows."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import truncnorm
from torch import nn

from sklgen.metrics import whitened_energy_distance
from sklgen.neural import GAN
from sklgen.neural._gan_balance import Tilt
from sklgen.neural._gan_distance import EnergyDistance
from sklgen.neural._gan_losses import LOSSES
from sklgen.neural._gan_net import Spread


class Linear(nn.Module):
    """A critic with the same slope everywhere."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, rows, classes):
        return rows @ self.slope[:, None]


@pytest.mark.parametrize(
    ("name", "expected"),
    # Half the squared slopes at both, at real rows alone, and the slope less 1.
    [("r3gan", 25.0), ("non_saturating", 12.5), ("wgan-gp", 16.0)],
)
def test_penalties_of_a_linear_critic(name, expected):
    critic = Linear([3.0, 4.0])
    real, fake = torch.randn(2, 5, 2)
    penalty = LOSSES[name].penalty(critic, real, fake, torch.zeros(5, 0))
    assert penalty.tolist() == pytest.approx([expected] * 5, rel=1e-5)
    (slope,) = torch.autograd.grad(penalty.sum(), critic.slope)
    assert slope.norm() > 1.0  # it can be paid for


def test_losses_against_probabilities():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.5])
    first = LOSSES["r3gan"]
    assert torch.allclose(first.critic(real, fake), -torch.sigmoid(real - fake).log())
    assert torch.allclose(
        first.generator(real, fake), -torch.sigmoid(fake - real).log()
    )
    second = LOSSES["non_saturating"]
    expected = -torch.sigmoid(real).log() - (1 - torch.sigmoid(fake)).log()
    assert torch.allclose(second.critic(real, fake), expected)
    assert torch.allclose(second.generator(real, fake), -torch.sigmoid(fake).log())
    third = LOSSES["wgan-gp"]
    assert torch.equal(third.critic(real, fake), fake - real)
    assert torch.equal(third.generator(real, fake), -fake)


def test_distance_is_that_of_the_metric():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3))
    A = (A - A.mean(axis=0)) / A.std(axis=0)
    B = rng.normal(0.3, 1.2, (200, 3))
    one, other = torch.from_numpy(A), torch.from_numpy(B)
    got = EnergyDistance(one, ())(one, other)
    assert got.item() == pytest.approx(whitened_energy_distance(A, B), rel=1e-6)
    # With labels too.
    a, b = rng.choice(3, 300, p=[0.2, 0.3, 0.5]), rng.choice(3, 200)
    frames = [
        pd.DataFrame(M).assign(label=np.array(list("abc"))[k])
        for M, k in ((A, a), (B, b))
    ]
    hot = [torch.from_numpy(np.hstack([M, np.eye(3)[k]])) for M, k in ((A, a), (B, b))]
    got = EnergyDistance(hot[0], (slice(3, 6),))(*hot)
    assert got.item() == pytest.approx(whitened_energy_distance(*frames), rel=1e-6)


def test_spread_values_have_the_normal_law_of_their_cells():
    spread = Spread(torch.tensor([0.5, 0.0]), torch.tensor([2.0, 1.0]))
    inputs = torch.tensor([[9.0, 7.0, 1.0]]).repeat(100_000, 1)
    ends = torch.special.ndtr(torch.tensor([[-1.0, 7.0], [0.5, 7.0]]))
    low, high = ends[:, None].repeat(1, 100_000, 1)
    low[:, 1] = high[:, 1]  # a number without a grid stays
    got = spread(inputs, low, high, torch.Generator().manual_seed(0))
    scores = got[:, 0] * 2.0 + 0.5
    law = truncnorm(-1.0, 0.5)
    assert scores.min() >= -1.001
    assert scores.max() <= 0.501
    assert scores.mean().item() == pytest.approx(law.mean(), abs=0.01)
    assert scores.std().item() == pytest.approx(law.std(), abs=0.01)
    assert torch.equal(got[:, 1:], inputs[:, 1:])
    missing = torch.full_like(low, torch.nan)
    assert torch.equal(spread(inputs, missing, missing), inputs)


def fitted(X, **params):
    return GAN(hidden=[16], max_iter=2, random_state=0, **params).fit(X)


@pytest.mark.parametrize(("width", "units"), [(16, 64), (17, 128)])
def test_narrow_rows_have_fewer_units(width, units):
    X = np.random.default_rng(0).normal(size=(40, width))
    net = GAN(max_iter=1, random_state=0).fit(X).net_
    for network in (net.module_, net.critic_):
        sizes = {len(w) for w in network.parameters() if w.ndim == 2}
        assert max(sizes) == units


def test_gaps_are_found_where_there_are_some():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.choice([-2.0, 0.0, 5.0], 2000) + 0.02 * rng.normal(size=2000),
            rng.normal(size=2000),
            rng.exponential(size=2000) ** 3,
            rng.integers(17, 70, 2000),
        ]
    )
    model = fitted(X)
    (found,) = model.net_.module_.heads.clusters
    assert found.column == 0
    assert len(found) == 3
    ends = found.ends.numpy()
    assert (ends[1:, 0] > ends[:-1, 1]).all()
    shares = [(X[:, 0] < -1).mean(), (X[:, 0] < 2).mean()]
    assert (ends[:-1, 1] <= np.add(shares, 0.005)).all()
    assert (ends[1:, 0] >= np.subtract(shares, 0.005)).all()
    # No draw falls into a gap, even of a model that has learned nothing.
    draws = model.sample(5000, random_state=0)[:, 0]
    assert np.abs(draws[:, None] - [-2.0, 0.0, 5.0]).min(axis=1).max() < 0.2
    # The critic reads the cluster that a number is in.
    heads = model.net_.module_.heads
    inputs = model._inputs(model._schema.learn_from(model._validate(X)))
    at = heads.read(inputs)[:, -3:].argmax(dim=1).numpy()
    assert np.array_equal(at, np.searchsorted([-1.0, 2.0], X[:, 0]))


def mixed(n=400):
    rng = np.random.default_rng(0)
    number = np.where(rng.random(n) < 0.5, 0.0, rng.exponential(size=n))
    number[rng.random(n) < 0.3] = np.nan
    label = np.where(rng.random(n) < 0.3, None, rng.choice(["a", "b"], n))
    return pd.DataFrame({"number": number, "label": label})


def test_draws_look_to_the_critic_as_real_rows_do():
    model = fitted(mixed())
    net, layout = model.net_.module_, model._layout
    torch.manual_seed(0)
    made = net(torch.zeros(2000, 0))
    rows = made.detach()
    # One level in each block that is there, none in others.
    for place, block in enumerate(layout.blocks):
        gates = layout.gates[layout.n_numbers + place]
        there = torch.ones(2000)
        for gate in gates:
            there = there * rows[:, layout.blocks[gate].start]
        assert torch.allclose(rows[:, block].sum(dim=1), there, atol=1e-5)
        assert (rows[:, block].max(dim=1).values - there).abs().max() < 1e-5
    # Reading a draw as a table and back gives the draw.
    numbers, codes = net.heads.cells(rows)
    typed = model._as_typed(
        numbers.double().numpy(), codes.numpy(), np.random.default_rng(0)
    )
    again = layout.inputs(typed[:, : model._schema.n_learned])
    assert np.abs(again - rows.numpy()).max() < 1e-4
    # Every output moves draws.
    (slopes,) = torch.autograd.grad(made.square().sum(), net.body.layers[-1].bias)
    assert (slopes != 0).all()


def test_first_draws_have_the_shares_of_levels():
    X = pd.DataFrame({"label": ["a"] * 450 + ["b"] * 45 + ["c"] * 5, "x": range(500)})
    model = fitted(X)
    shares = model.sample(20_000, random_state=0)["label"].value_counts(normalize=True)
    assert shares["a"] == pytest.approx(0.9, abs=0.05)
    assert shares["b"] == pytest.approx(0.09, abs=0.05)


def test_tilted_weights_by_hand():
    codes = np.repeat([0, 1, 2], [6, 3, 1])
    rows = torch.from_numpy(np.eye(3)[codes]).float()
    rows = torch.cat([rows, torch.zeros(10, 3)])  # cells that are not there
    weights = Tilt(rows, (slice(0, 3),), 0.4)(rows)
    aims = np.log1p([6, 3, 1])
    ratios = aims / aims.sum() / [0.6, 0.3, 0.1]
    assert weights[:10].tolist() == pytest.approx(0.6 + 0.4 * ratios[codes], rel=1e-5)
    assert weights[10:].tolist() == pytest.approx([1.0] * 10)
    assert weights.mean().item() == pytest.approx(1.0, rel=1e-5)
