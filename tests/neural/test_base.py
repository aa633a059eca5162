"""What networks are fed, how they are trained, and what is kept of them."""

import pickle
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import EpochScoring
from torch import nn

from sklgen._labels import LabelledDensityMixin
from sklgen._torch import one_thread, seeded
from sklgen.neural._base import BaseNeural, in_double
from sklgen.neural._callbacks import Diverged
from sklgen.neural._net import Average, Batches, Blocks, LossNet, RowsOf, SteppedNet

pytestmark = pytest.mark.torch


class _Normals(nn.Module):
    """Independent normal inputs, a mean for each class."""

    def __init__(self, d, K):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(d, max(K, 1)))
        self.log_scale = nn.Parameter(torch.zeros(d))

    def forward(self, x, classes):
        mean = classes @ self.mean.T if classes.shape[1] else self.mean[:, 0]
        z = (x - mean) * torch.exp(-self.log_scale)
        return (0.5 * z**2 + self.log_scale + 0.5 * np.log(2 * np.pi)).sum(1)


class Normals(BaseNeural, LabelledDensityMixin, BaseEstimator):
    """The smallest model that the base can train."""

    _parameter_constraints = MappingProxyType(
        {"max_iter": BaseNeural._parameter_constraints["max_iter"]}
    )
    keep_missing = True
    categorical_features = "from_dtype"
    max_categories = None
    device = "cpu"

    def __init__(
        self,
        *,
        max_iter=400,
        batch_size=64,
        learning_rate=0.02,
        early_stopping=True,
        validation_fraction=0.2,
        n_iter_no_change=50,
        callbacks=None,
        warm_start=False,
        random_state=0,
        verbose=0,
    ):
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _own_units(self, names):
        return dict.fromkeys(range(len(names)), "gaussian")

    def _make_net(self, dataset, **options):
        x, classes = dataset.tensors
        module = _Normals(x.shape[1], classes.shape[1])
        return LossNet(module, decay=0.9, optimizer=torch.optim.Adam, **options)

    def _score_samples(self, X, codes):
        module = in_double(self.net_.averaged_)
        with torch.no_grad():
            loss = module(
                self._inputs(self._schema.learn_from(X)), self._classes(len(X), codes)
            )
        return -loss.numpy() - np.log(self._layout.scale).sum()

    def _sample(self, n_samples, codes, rng):
        module = in_double(self.net_.averaged_.module)
        mean = module.mean.detach().numpy()[:, codes if codes is not None else 0]
        scale = np.exp(module.log_scale.detach().numpy())
        noise = rng.standard_normal((n_samples, len(scale)))
        numbers = np.reshape(mean.T, (-1, len(scale))) + scale * noise
        return self._as_typed(numbers, np.zeros((n_samples, 0)), rng)


def rows(n=300, d=2, seed=0):
    return np.random.default_rng(seed).normal(3, 2, size=(n, d))


def test_training_finds_the_maximum_likelihood():
    X = rows(600)
    model = Normals(max_iter=1500, early_stopping=False).fit(X)
    best = -np.log(X.std(axis=0)).sum() - (1 + np.log(2 * np.pi))
    assert model.score(X) == pytest.approx(best, abs=2e-3)


def test_the_order_of_rows_and_the_number_of_threads_change_no_bit():
    X = rows()
    y = np.arange(len(X)) % 3
    order = np.random.default_rng(0).permutation(len(X))
    before = torch.get_num_threads()
    one = Normals().fit(X, y).score_samples(X, y)
    seen = set()
    torch.set_num_threads(2)
    try:
        watch = EpochScoring(lambda *_: seen.add(torch.get_num_threads()) or 0.0)
        two = Normals(callbacks=[watch]).fit(X[order], y[order]).score_samples(X, y)
        assert torch.get_num_threads() == 2
        assert seen == {1}
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one, two)


def test_torch_s_own_generator_is_left_alone():
    before = torch.get_rng_state()
    Normals().fit(rows()).sample(5)
    assert torch.equal(before, torch.get_rng_state())


def test_steps_are_counted_and_batches_made_to_the_number():
    model = Normals(max_iter=133, early_stopping=False).fit(rows())
    assert model.n_iter_ == 133
    assert sum(epoch["train_batch_count"] for epoch in model.history_) == 133
    model.partial_fit(rows())
    assert model.n_iter_ == 183


def test_an_epoch_of_batches_has_each_row_once():
    dataset = RowsOf(torch.arange(60.0)[:, None])
    with seeded(torch.Generator(), 0):
        batches = Batches(dataset, 20, n_steps=3, total=6)
        for _ in range(2):
            drawn = torch.cat([x for (x,) in batches]).ravel()
            assert torch.equal(drawn.sort().values, torch.arange(60.0))
        assert not [*batches]
    blocks = torch.cat([x for (x,) in Blocks(dataset, 1)])
    assert torch.equal(blocks, dataset.tensors[0])


def test_more_rows_in_a_batch_than_there_are_is_all_rows():
    model = Normals(batch_size=1000).fit(rows(7))
    assert np.isfinite(model.score(rows(7)))
    assert np.isfinite(Normals().fit(rows(1)).score(rows(1)))


def test_the_best_epoch_is_kept():
    model = Normals(max_iter=2000, learning_rate=0.5, n_iter_no_change=5).fit(rows(40))
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) < 40  # stopped before the last epoch
    assert losses[-1] > min(losses)
    at = int(np.argmin(losses))
    again = Normals(max_iter=50 * (at + 1), learning_rate=0.5, n_iter_no_change=50)
    again.fit(rows(40))
    np.testing.assert_array_equal(
        model.score_samples(rows(5)), again.score_samples(rows(5))
    )


def test_a_loss_that_is_no_number_ends_training_and_names_the_step():
    model = Normals(max_iter=300).fit(rows())
    good = model.score(rows())
    model.set_params(warm_start=True)
    poison = model.net_.module_.register_forward_hook(
        lambda module, args, loss: loss * float("nan") if module.training else loss
    )
    with pytest.raises(Diverged, match="diverged at step 301: the loss is nan"):
        model.fit(rows())
    poison.remove()
    assert model.score(rows()) == good
    assert model.n_iter_ == 300


def test_networks_train_on_the_device_and_come_back(monkeypatch):
    model, seen, move = Normals(max_iter=100), [], SteppedNet.move
    monkeypatch.setattr(
        SteppedNet, "move", lambda net, to: seen.append(to) or move(net, to)
    )
    model.device = "cpu:0"
    model.fit(rows()).partial_fit(rows())
    assert seen == ["cpu:0", "cpu"] * 2
    assert model.net_.device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_fits_on_a_gpu_are_kept_on_the_cpu():
    model = Normals()
    model.device = "cuda"
    model.fit(rows()).partial_fit(rows())
    own = Normals().fit(rows()).partial_fit(rows())
    assert model.score(rows()) == pytest.approx(own.score(rows()), abs=0.02)
    parts = [*model.net_.averaged_.parameters(), *model.net_.module_.parameters()]
    for state in model.net_.optimizer_.state.values():
        parts += [value for value in state.values() if torch.is_tensor(value)]
    assert {part.device.type for part in parts} == {"cpu"}


def test_fitted_models_keep_no_rows():
    sizes = [len(pickle.dumps(Normals().fit(rows(n)))) for n in (100, 40_000)]
    # 8,000 rows that were held out would take 64,000 bytes, and those of fit more.
    assert sizes[1] - sizes[0] < 20_000


def test_warm_starts_go_on_and_fits_begin_anew():
    X = rows()
    model = Normals(max_iter=100, warm_start=True).fit(X)
    first = model.score(X)
    assert model.fit(X).n_iter_ == 200
    assert model.score(X) > first
    model.set_params(warm_start=False)
    assert model.fit(X).n_iter_ == 100
    assert model.score(X) == first


def test_a_run_that_goes_on_has_the_rate_of_its_own():
    model = Normals(max_iter=50, early_stopping=False, warm_start=True).fit(rows())
    before = model.net_.module_.mean.clone()
    model.set_params(learning_rate=1e-12).fit(rows())
    assert (model.net_.module_.mean - before).abs().max() < 1e-6


def test_classes_mix_to_the_density_of_all():
    X = rows()
    y = np.where(X[:, 0] > 3, "high", "low")
    model = Normals().fit(X, y)
    assert model.classes_.tolist() == ["high", "low"]
    each = [model.score_samples(X, np.full(len(X), k)) for k in model.classes_]
    mixed = np.logaddexp.reduce(each + np.log(model.class_shares_)[:, None])
    np.testing.assert_allclose(model.score_samples(X), mixed, rtol=1e-12)
    assert model.score(X, y) == pytest.approx(model.score_samples(X, y).mean())
    high = model.sample(4000, y="high", random_state=0)
    assert abs(high.mean(axis=0) - X[y == "high"].mean(axis=0)).max() < 0.2
    mixed = model.sample(4000, random_state=0)
    assert abs(mixed.mean(axis=0) - X.mean(axis=0)).max() < 0.2
    order = np.array(["low", "high"] * 500)
    drawn = model.sample(1000, y=order, random_state=0)
    assert drawn[order == "high", 0].mean() > drawn[order == "low", 0].mean() + 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(2, y="middle"), "labels that `fit` saw, got 'middle'"),
        (lambda m: m.sample(2, y=["low"] * 3), "n_samples=len"),
        (lambda m: m.score_samples(rows(2), ["low", 3]), "y|labels"),
        (lambda m: m.set_params(warm_start=True).fit(rows()), "fitted with labels"),
        (lambda m: m.fit(rows(), rows()[:, 0]), "continuous"),
    ],
)
def test_bad_labels(call, message):
    X = rows()
    model = Normals(max_iter=1).fit(X, np.where(X[:, 0] > 3, "high", "low"))
    with pytest.raises(ValueError, match=message):
        call(model)


def test_labels_where_there_were_none():
    model = Normals(max_iter=1).fit(rows())
    with pytest.raises(ValueError, match="has no classes"):
        model.sample(2, y=0)
    assert np.isfinite(model.score(rows(), np.arange(300)))


def test_layouts_bring_rows_back():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"size": rng.normal(size=200), "job": rng.choice([*"abc"], 200)})
    X["gain"] = np.where(rng.random(200) < 0.5, 0.0, rng.exponential(size=200))
    X.loc[::5, ["size", "job"]] = None
    X.loc[1::5, "gain"] = np.nan

    class Scores(Normals):
        def _own_units(self, names):
            return {}

    model = Scores(max_iter=1).fit(X)
    schema, layout = model._schema, model._layout
    learned = schema.learn_from(model._validate(X, reset=True))
    schema, layout = model._schema, layout
    inputs = layout.inputs(learned)
    assert inputs.shape == (200, layout.width)
    numbers = inputs[:, : layout.n_numbers]
    codes = np.stack([inputs[:, block].argmax(axis=1) for block in layout.blocks], 1)
    back = layout.rows(numbers, codes)
    np.testing.assert_allclose(back, learned, atol=1e-12)
    seen = layout.observed(learned)
    assert not numbers[~seen[:, : layout.n_numbers]].any()
    np.testing.assert_allclose(numbers.sum(axis=0), 0, atol=1e-9)


def test_running_means_forget_early_weights():
    module = nn.Linear(1, 1, bias=False)
    average = Average(module, decay=0.99)
    with torch.no_grad():
        module.weight.fill_(1e6)
    average.update(module)
    with torch.no_grad():
        module.weight.fill_(1.0)
    for _ in range(600):
        average.update(module)
    assert average.module.weight.item() == pytest.approx(1.0, abs=1e-3)
    assert not average.module.training


def test_threads_and_seeds_come_back_after_errors():
    before, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), one_thread(), seeded(torch.Generator(), 1):
        _ = torch.randn(3).numel() / 0
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_shares_of_classes_are_those_of_the_rows_seen():
    X = rows(200)
    even, skewed = np.arange(200) % 2, (np.arange(200) % 10 == 0).astype(int)
    model = Normals(max_iter=50, warm_start=True).fit(X, even)
    model.fit(X, skewed)
    np.testing.assert_allclose(model.class_shares_, [0.9, 0.1])
    model.partial_fit(X, even)
    np.testing.assert_allclose(model.class_shares_, [0.7, 0.3])
    assert np.isfinite(model.fit(X, np.zeros(200, dtype=int)).score(X))


def test_running_means_have_the_statistics_of_batches():
    network = nn.BatchNorm1d(1)
    average = Average(network, 0.9)
    network(torch.full((4, 1), 3.0) + torch.arange(4.0)[:, None])
    average.update(network)
    assert average.module.running_mean == network.running_mean
    assert network.running_mean > 0
