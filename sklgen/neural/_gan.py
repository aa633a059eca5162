"""Generative adversarial networks of tables, images and sequences."""

from __future__ import annotations

import math
from copy import deepcopy
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    check_is_fitted,
)
from torch import Tensor, nn

from sklgen._frames import narwhals, open_frame
from sklgen._torch import one_thread
from sklgen.metrics import whitened_energy_distance
from sklgen.neural._architectures import reader, writer
from sklgen.neural._base import BaseNeural, in_double
from sklgen.neural._gan_distance import EnergyDistance
from sklgen.neural._gan_losses import LOSSES
from sklgen.neural._gan_modules import Generator, Heads, Shaped, gumbel
from sklgen.neural._gan_net import AdversarialNet, Spread
from sklgen.neural._labels import Codes, LabelledGenerativeMixin
from sklgen.neural._net import BLOCK, RowsOf

# Draws with which `score` compares rows.
_SEED = 0
# It draws at least as many.
_FEWEST_DRAWS = 500


class GAN(BaseNeural, LabelledGenerativeMixin, BaseEstimator):
    """Generative adversarial network of tables, images and sequences.

    A generator makes rows of noise, and a critic learns to tell them from real ones;
    each is trained against the other. What goes in comes out: `sample` gives rows in
    the container of `fit`, with its columns, dtypes, categories and missing cells. With
    labels in `fit`, rows are drawn class by class.

    Numbers, instants and durations are typed by `TabularEncoder` as normal scores and
    atoms, so that neither units nor tails matter. With `sample_shape`, rows are images
    or sequences, and all cells keep one unit.

    Parameters
    ----------
    n_latent : int, default=32
        Number of normal variables that the generator makes a row of.
    architecture : {"mlp", "conv", "recurrent"}, default="mlp"
        Kind of both networks: residual perceptrons, convolutions over images, or
        recurrent layers over sequences.
    hidden : sequence of int or None, default=None
        Units of the blocks of a perceptron, channels of the maps of convolutions, or
        units of recurrent layers. None takes what suits the architecture.
    generator : Module, callable or None, default=None
        The user's network in place of that of `architecture`. A module is copied, and
        called with noise (n, `n_latent`) and, if `fit` has labels, with indicators
        (n, n_classes); its output, flattened, is a row. A callable makes such a module:
        `generator(n_latent, n_classes, n_outputs)`.
    discriminator : Module, callable or None, default=None
        The user's critic, called with rows, in `sample_shape` if it is given, and with
        indicators of classes if there are any; it returns one number a row. A callable
        makes such a module: `discriminator(n_inputs, n_classes, 1)`.
    sample_shape : tuple of int or None, default=None
        What a row of X is, last axis fastest: an image (channels, height, width), or a
        sequence (steps, numbers of a step). Cells then keep their unit, and draws stay
        in the range of `fit`.
    loss : {"r3gan", "wgan-gp", "non_saturating"}, default="r3gan"
        Real and drawn rows in pairs with penalties at both [1]_, mean differences with
        slopes of 1 [2]_, or the loss of the first GANs with a penalty at real rows.
    penalty : float, default=0.1
        Weight of the critic's squared slopes. "wgan-gp" suggests 10.
    penalty_every : int, default=4
        Steps from one penalty to the next; each counts as many times.
    temperature : float, default=0.5
        Of the softmax that stands for the gradient of drawn categories.
    decay : float, default=0.998
        How much the running mean of the generator's weights keeps at each step. Rows
        are drawn from that mean.
    max_iter : int, default=3000
        Number of steps, each with one batch for both networks.
    batch_size : int, default=500
        Number of rows of a batch; all of them if `fit` has fewer.
    learning_rate : float, default=1e-3
        Step size of Adam for the generator. Over the last half of a fit both rates fall
        to 0.
    critic_learning_rate : float, default=2e-3
        Step size for the critic.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the networks of the epoch whose draws have the
        smallest whitened energy distance to them, and to stop when it no longer falls.
    validation_fraction : float, default=0.1
        Share of the rows that are held out.
    n_iter_no_change : int, default=30
        Number of epochs without a smaller distance after which training stops. An epoch
        is a pass over the rows, of at least 50 steps.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are learned
        as one, and drawn by their frequencies.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely and as dependent on
        other cells as in `fit`.
    device : str, default="cpu"
        Where torch computes.
    callbacks : list or None, default=None
        Further callbacks of skorch.
    warm_start : bool, default=False
        Whether `fit` goes on from the networks that there are.
    random_state : int, RandomState instance or None, default=None
        Randomness of weights, batches and noise.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    net_ : AdversarialNet
        The fitted net of skorch: `net_.averaged_` is the generator that draws, and
        `net_.critic_` the critic.
    history_ : list of dict
        What was found in each epoch: "train_loss" of the generator, "critic_loss", and
        "valid_loss", the energy distance of held-out rows.
    n_iter_ : int
        Number of steps made.
    encoder_ : TabularEncoder
        What types the rows.
    classes_ : ndarray of shape (n_classes,)
        Labels seen in `fit`, if there were any.
    class_shares_ : ndarray of shape (n_classes,)
        Share of each.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklgen.mixture.TabularMixture : Has densities, and is faster on tables.
    sklgen.compose.TabularEncoder : How columns are typed.

    Notes
    -----
    A GAN has no density: `score` compares draws with rows. Categories are drawn by
    Gumbel noise in training as in sampling, gradients are those of a softmax. Values on
    a grid, such as integers, are spread over their cells in each batch anew, so that
    the critic does not know them by their gaps.

    A step takes time proportional to `batch_size` times the number of weights, on one
    thread; fits have the same bits for one seed, and do not depend on the order of
    rows. Memory grows with the typed rows.

    References
    ----------
    .. [1] Huang, Y., Gokaslan, A., Kuleshov, V. and Tompkin, J. (2024). The GAN is
       dead; long live the GAN! A modern GAN baseline. NeurIPS 37.
    .. [2] Gulrajani, I., Ahmed, F., Arjovsky, M., Dumoulin, V. and Courville, A.
       (2017). Improved training of Wasserstein GANs. NeurIPS 30.

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.neural import GAN
    >>> X = load_penguins(as_frame=True).frame
    >>> model = GAN(hidden=[32], max_iter=50, batch_size=64, random_state=0).fit(X)
    >>> model.sample(2, random_state=0).columns.equals(X.columns)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseNeural._parameter_constraints,
        "n_latent": [Interval(Integral, 1, None, closed="left")],
        "architecture": [StrOptions({"mlp", "conv", "recurrent"})],
        "hidden": ["array-like", None],
        "generator": [nn.Module, callable, None],
        "discriminator": [nn.Module, callable, None],
        "sample_shape": [tuple, list, None],
        "loss": [StrOptions(set(LOSSES))],
        "penalty": [Interval(Real, 0, None, closed="left")],
        "penalty_every": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "decay": [Interval(Real, 0, 1, closed="left")],
        "critic_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "keep_missing": ["boolean"],
    }

    def __init__(
        self,
        n_latent: int = 32,
        *,
        architecture: str = "mlp",
        hidden: Any = None,
        generator: Any = None,
        discriminator: Any = None,
        sample_shape: Any = None,
        loss: str = "r3gan",
        penalty: float = 0.1,
        penalty_every: int = 4,
        temperature: float = 0.5,
        decay: float = 0.998,
        max_iter: int = 3000,
        batch_size: int = 500,
        learning_rate: float = 1e-3,
        critic_learning_rate: float = 2e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 30,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        keep_missing: bool = True,
        device: str = "cpu",
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent = n_latent
        self.architecture = architecture
        self.hidden = hidden
        self.generator = generator
        self.discriminator = discriminator
        self.sample_shape = sample_shape
        self.loss = loss
        self.penalty = penalty
        self.penalty_every = penalty_every
        self.temperature = temperature
        self.decay = decay
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.critic_learning_rate = critic_learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.keep_missing = keep_missing
        self.device = device
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _together(self) -> bool:  # type: ignore[override]
        return self.sample_shape is not None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.sample_shape is None
        return tags

    def _check_typed(self, typed: NDArray[Any]) -> None:
        cells = typed[:, : self._schema.n_typed]
        if self.sample_shape is not None and np.isnan(cells).any():
            raise ValueError(
                "X has NaN, in rows that are images or sequences by sample_shape: fill "
                "the missing cells, or leave sample_shape out to model them."
            )

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        if self.sample_shape is None:
            return {}
        if math.prod(self.sample_shape) != len(names):
            raise ValueError(
                f"sample_shape={self.sample_shape} has {math.prod(self.sample_shape)} "
                f"cells, but X has {len(names)} columns: rows must be flat, one column "
                "for each cell."
            )
        return dict.fromkeys(range(len(names)), "gaussian")

    def _make_net(self, dataset: RowsOf, **options: Any) -> AdversarialNet:
        inputs, classes = dataset.tensors[:2]
        layout, K = self._layout, classes.shape[1]
        center = torch.from_numpy(layout.center).to(inputs)
        scale = torch.from_numpy(layout.scale).to(inputs)
        ends = (layout.width, layout.width + K)
        return AdversarialNet(
            self._generator(K),
            self._critic(K),
            loss=self.loss,
            penalty=self.penalty,
            penalty_every=self.penalty_every,
            decay=self.decay,
            spread=Spread(center, scale),
            distance=EnergyDistance(
                torch.cat([inputs, classes], dim=1),
                (*layout.blocks, *([slice(*ends)] if K else [])),
            ),
            optimizer=torch.optim.Adam,
            optimizer__betas=(0.0, 0.99),
            critic_optimizer__betas=(0.0, 0.99),
            critic_optimizer__lr=self.critic_learning_rate,
            **options,
        )

    def _options(self, steps: int, total: int) -> dict[str, Any]:
        # A single epoch, such as those of partial_fit, keeps the learning rates.
        horizon = total if total > steps else None
        return {**super()._options(steps, total), "horizon": horizon}

    def _generator(self, n_classes: int) -> Generator:
        width = self._layout.width
        if self.generator is None:
            body = writer(
                self.architecture,
                self.n_latent + n_classes,
                width,
                self.sample_shape,
                self._hidden,
            )
        else:
            made = _made(self.generator, self.n_latent, n_classes, width)
            body = Shaped(made, None)
        heads = Heads(
            self._layout,
            bounded=self.sample_shape is not None,
            temperature=self.temperature,
        )
        return Generator(body, heads, self.n_latent)

    def _critic(self, n_classes: int) -> nn.Module:
        width = self._layout.width
        if self.discriminator is None:
            return reader(
                self.architecture,
                width,
                n_classes,
                1,
                self.sample_shape,
                self._hidden,
            )
        made = _made(self.discriminator, width, n_classes, 1)
        return Shaped(made, self.sample_shape)

    @property
    def _hidden(self) -> tuple[int, ...] | None:
        return None if self.hidden is None else tuple(self.hidden)

    def _dataset(self, typed: NDArray[Any], codes: Codes | None) -> RowsOf:
        """Tensors of rows, of classes, and of the ends of cells in probability."""
        inputs, classes = super()._dataset(typed, codes).tensors
        n_ends = len(self._schema.scores)
        start = self._schema.n_learned
        ends = ndtr(typed[:, start : start + 2 * n_ends].astype(np.float64))
        low, high = np.hsplit(np.nan_to_num(ends), 2)
        if not (low < high).any():
            low = high = low[:, :0]
        ends = (torch.from_numpy(end).to(inputs) for end in (low, high))
        return RowsOf(inputs, classes, *ends)

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        generator = self.net_.averaged_.module
        classes = self._classes(n_samples, codes).float()
        numbers, drawn = [], []
        with one_thread(), torch.no_grad():
            for block in torch.split(classes, BLOCK):
                noise = rng.standard_normal((len(block), self.n_latent))
                raw = generator.raw(_to(noise, block), block)
                uniform = rng.random((len(block), sum(self._layout.levels)))
                numbers.append(generator.heads.numbers(raw))
                drawn.append(generator.heads.codes(raw, gumbel(_to(uniform, block))))
        return self._as_typed(
            torch.cat(numbers).double().cpu().numpy(),
            torch.cat(drawn).cpu().numpy(),
            rng,
        )

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Negative whitened energy distance between rows and draws: higher is better.

        Draws have a fixed seed, so that scores differ by models and rows alone. The
        distance is that of `sklgen.metrics.whitened_energy_distance`, without bias: it
        is 0 in the mean if rows and draws have one distribution.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, at least two.
        y : array-like of shape (n_samples,), default=None
            Class of each row. Draws then have these classes, and the class counts as
            one more column. Ignored where `fit` had no labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, a count. None weighs all rows alike.

        Returns
        -------
        score : float
            Negative distance, in standard deviations of `X`.
        """
        check_is_fitted(self)
        n = len(self._validate(X))
        repeats = -(-_FEWEST_DRAWS // n)
        if y is None or not self._n_classes:
            draws = self.sample(n * repeats, random_state=_SEED)
        else:
            y = _check_y(y, estimator=self)
            check_consistent_length(X, y)
            labels = np.tile(y, repeats)
            draws = self.sample(n * repeats, y=labels, random_state=_SEED)
            X, draws = _with_labels(X, y), _with_labels(draws, labels)
        return -whitened_energy_distance(X, draws, sample_weight=sample_weight)

    def score_realism(self, X: Any, y: Any = None) -> NDArray[Any]:
        """What the critic says of each row: the higher, the more it looks real.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, drawn ones or others.
        y : array-like of shape (n_samples,), default=None
            Class of each row. None takes the mean over classes, by their shares.
            Ignored where `fit` had no labels.

        Returns
        -------
        realism : ndarray of shape (n_samples,)
            Numbers of any sign, to compare rows with each other: a critic that knows
            all gives the log of the density of rows over that of draws, up to a
            constant.
        """
        check_is_fitted(self)
        typed = self._validate(X)
        n, K = len(typed), self._n_classes
        critic = in_double(self.net_.critic_.eval())
        inputs = self._inputs(self._schema.learn_from(typed))
        each: list[Codes | None]
        if y is None or not K:
            each = [np.full(n, k, dtype=np.intp) for k in range(K)] or [None]
            shares = self.class_shares_ if K else np.ones(1)
        else:
            y = _check_y(y, estimator=self)
            check_consistent_length(X, y)
            each, shares = [self._codes(y)], np.ones(1)
        realism = np.zeros(n)
        with one_thread(), torch.no_grad():
            for codes, share in zip(each, shares, strict=True):
                classes = self._classes(n, codes)
                says = [
                    critic(*pair)
                    for pair in zip(
                        torch.split(inputs, BLOCK),
                        torch.split(classes, BLOCK),
                        strict=True,
                    )
                ]
                realism += share * torch.cat(says)[:, 0].cpu().numpy()
        return realism.astype(typed.dtype, copy=False)


def _with_labels(X: Any, labels: NDArray[Any]) -> Any:
    """A table with one more column."""
    words = [str(label) for label in labels.tolist()]
    frame = open_frame(X, "GAN")
    if frame is None:
        return np.column_stack([np.asarray(X, dtype=object), words])
    name = "class"
    while name in frame.columns:
        name += "_"
    backend = frame.implementation
    column = narwhals().new_series(name, words, backend=backend)
    return frame.with_columns(column).to_native()


def _to(values: NDArray[Any], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)


def _made(module: Any, *sizes: int) -> nn.Module:
    """A user's module: a copy, or what the user's function makes."""
    if isinstance(module, nn.Module):
        return deepcopy(module)
    made: nn.Module = module(*sizes)
    return made
