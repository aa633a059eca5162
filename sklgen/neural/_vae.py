"""Variational autoencoders of tables, images and sequences."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._labels import Codes
from sklgen.neural._base import BaseNeural
from sklgen.neural._net import LossNet, RowsOf
from sklgen.neural._vae_fitted import FittedAutoencoder
from sklgen.neural._vae_laws import LAWS
from sklgen.neural._vae_module import Shape, as_options
from sklgen.neural._vae_prior import Prior, repeats
from sklgen.neural._vae_rows import CellReader

# How much the running mean of weights keeps at each step.
_DECAY = 0.995
# Latent dimensions by default, at most.
_MOST_LATENT = 16
# Draws, at most, that stand for the rows of earlier calls.
_MOST_OLD = 100_000
# Networks learn from numbers in so many steps of a standard deviation: trainings grow
# apart from differences in rounding, which single precision or another unit makes.
_STEPS = 1024.0


class VAE(BaseNeural, FittedAutoencoder, BaseEstimator):
    """Variational autoencoder of tables, images and sequences.

    Rows have latent vectors, which a decoder turns into laws of their cells: numbers
    about a mean, with a scale of their own, and categories with probabilities,
    independent given the vector. An encoder guesses the latent vector of a row from
    those of its cells that were observed; both learn by a bound on the likelihood of
    these [1]_ [2]_.
    What goes in comes out: `sample` draws every cell from its law, in the container of
    `fit`, with its columns, dtypes, categories and missing cells. `sample_conditional`
    and `impute` complete rows with any cells missing.

    Numbers, instants and durations are typed by `TabularEncoder` as normal scores and
    atoms, so that neither units nor tails matter. With `sample_shape`, rows are images
    or sequences, and all cells keep one unit.

    Parameters
    ----------
    n_latent : int or None, default=None
        Number of latent dimensions. None takes as many as there are numbers and
        categories, at most 16.
    architecture : {"mlp", "conv", "recurrent"}, default="mlp"
        Kind of both networks: residual perceptrons, convolutions over images, or
        recurrent layers over sequences.
    hidden : sequence of int or None, default=None
        Units of the blocks of a perceptron, channels of the maps of convolutions, or
        units of recurrent layers. None takes what suits the architecture; for
        perceptrons two blocks of 16 units for each input, at least 64 and at most 256.
    sample_shape : tuple of int or None, default=None
        What a row of X is, last axis fastest: an image (channels, height, width), or a
        sequence (steps, numbers of a step). All numbers then have one scale, and an end
        of their range at which many of them are, such as black, is kept by draws.
    law : {"gaussian", "student"}, default="gaussian"
        Law of numbers about their mean: normal, or Student's with 4 degrees of freedom.
    prior : {"mixture", "normal"}, default="mixture"
        Law of latent vectors after training: a mixture of Gaussians that is fitted to
        those of the training rows, class by class, or the standard normal law that
        training assumes.
    n_prior_components : int or None, default=None
        Number of Gaussians of the mixture. None takes one for every 100 rows, at most
        64.
    beta : float, default=0.5
        Weight of the divergence of latent vectors from the normal law in the loss. Only
        with 1 the loss is a bound; less gives latent vectors that tell more of rows, of
        which the mixture then learns the law.
    n_train_samples : int, default=1
        Number of latent vectors of a row that its loss is of. More than one makes the
        bound importance-weighted [3]_.
    n_importance_samples : int, default=64
        Number of latent vectors that the encoder proposes for a row in `score_samples`,
        `impute` and `sample_conditional`. 32 times as many are of the prior.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are learned
        as one, and drawn by their frequencies.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely and as dependent on
        other cells as in `fit`. Densities, `impute` and `sample_conditional` are about
        the values of cells and integrate missing ones out in any case.
    max_iter : int, default=4000
        Largest number of steps, each with one batch.
    batch_size : int, default=256
        Number of rows of a batch; all of them if `fit` has fewer.
    learning_rate : float, default=2e-3
        Step size of Adam.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the networks of the epoch with their smallest
        loss, and to stop when it no longer falls.
    validation_fraction : float, default=0.1
        Share of the rows that are held out.
    n_iter_no_change : int, default=10
        Number of epochs without a smaller loss after which training stops. An epoch is
        a pass over the rows, of at least 50 steps.
    callbacks : list or None, default=None
        Further callbacks of skorch.
    device : str, default="cpu"
        Where torch trains, as "cuda". All else is computed on the CPU.
    warm_start : bool, default=False
        Whether `fit` goes on from the networks that there are.
    random_state : int, RandomState instance or None, default=None
        Randomness of weights, batches and noise.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    net_ : LossNet
        The fitted net of skorch; `net_.averaged_` is the network that is used.
    history_ : list of dict
        What was found in each epoch: "train_loss", in part of rows with hidden cells,
        and "valid_loss" of held-out rows, in nats per row.
    n_iter_ : int
        Number of steps made.
    n_latent_ : int
        Number of latent dimensions.
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
    GAN : No density, no encoder; draws only.
    sklgen.mixture.TabularMixture : Exact densities and conditionals of tables.

    Notes
    -----
    `score_samples` is a lower bound of the log-density, on average over the points that
    estimate it, and comes close to it with many of them. The points are of the
    encoder and of the prior, and each has the weight of one drawn from the mixture of
    both [4]_, so that no weight is larger than the likelihood allows where the encoder
    is wrong. They are the same, evenly spread ones
    for every row, hence the density is smooth and has no noise. It is one with respect
    to the original columns: Lebesgue measure for numbers without a grid, the Jacobian
    of the map included, and counting measure for labels, atoms, and values on a grid
    (integers, decimals, dates), which have the probability of their cell.

    Missing cells are left out of the likelihood, and are 0 for the encoder, which sees
    what is missing [2]_. In training, random columns of a quarter of the rows are
    hidden, so that it learns to complete any of them. With `sample_shape`, cells at an
    end of their range where at least 3 % of all are have the probability of the law
    beyond that end.

    With labels in `fit`, networks know the class of a row; `impute` and
    `sample_conditional` take all classes into account.

    A step takes O(b w) operations for a batch of b rows and w weights. Scores of n rows
    with m points take O(n m w), and O(n m d) more for those of the prior, with d
    columns.

    References
    ----------
    .. [1] D. P. Kingma and M. Welling (2014). Auto-encoding variational Bayes.
       International Conference on Learning Representations.
    .. [2] P.-A. Mattei and J. Frellsen (2019). MIWAE: deep generative modelling and
       imputation of incomplete data sets. International Conference on Machine Learning.
    .. [3] Y. Burda, R. Grosse and R. Salakhutdinov (2016). Importance weighted
       autoencoders. International Conference on Learning Representations.
    .. [4] A. Owen and Y. Zhou (2000). Safe and effective importance sampling. Journal
       of the American Statistical Association 95, 135-143.

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.neural import VAE
    >>> X = load_penguins(as_frame=True).frame
    >>> model = VAE(2, hidden=(32,), max_iter=200, random_state=0).fit(X)
    >>> model.sample(2, random_state=0).columns.equals(X.columns)
    True
    >>> model.transform(X).shape
    (344, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseNeural._parameter_constraints,
        "n_latent": [Interval(Integral, 1, None, closed="left"), None],
        "architecture": [StrOptions({"mlp", "conv", "recurrent"})],
        "sample_shape": [tuple, list, None],
        "hidden": ["array-like", None],
        "law": [StrOptions(set(LAWS))],
        "prior": [StrOptions({"mixture", "normal"})],
        "n_prior_components": [Interval(Integral, 1, None, closed="left"), None],
        "beta": [Interval(Real, 0, None, closed="neither")],
        "n_train_samples": [Interval(Integral, 1, None, closed="left")],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "keep_missing": ["boolean"],
    }

    def __init__(
        self,
        n_latent: int | None = None,
        *,
        architecture: str = "mlp",
        hidden: Any = None,
        sample_shape: Any = None,
        law: str = "gaussian",
        prior: str = "mixture",
        n_prior_components: int | None = None,
        beta: float = 0.5,
        n_train_samples: int = 1,
        n_importance_samples: int = 64,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        keep_missing: bool = True,
        max_iter: int = 4000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        callbacks: Any = None,
        device: str = "cpu",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latent = n_latent
        self.architecture = architecture
        self.hidden = hidden
        self.sample_shape = sample_shape
        self.law = law
        self.prior = prior
        self.n_prior_components = n_prior_components
        self.beta = beta
        self.n_train_samples = n_train_samples
        self.n_importance_samples = n_importance_samples
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.keep_missing = keep_missing
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.device = device
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _make_net(self, dataset: RowsOf, **options: Any) -> LossNet:
        layout, reader = self._layout, self._reader
        if self.sample_shape is not None and layout.levels:
            raise ValueError(
                f"sample_shape={self.sample_shape} needs rows of numbers alone, but X "
                "has categories, or cells that miss: encode or drop categories, and "
                "set keep_missing=False to learn from rows with missing cells."
            )
        n_columns = layout.n_numbers + len(layout.levels)
        self.n_latent_ = self.n_latent or min(_MOST_LATENT, n_columns)
        shape = Shape(
            layout,
            reader.sources,
            self._n_classes,
            self.n_latent_,
            self.architecture,
            self._units(),
            None if self.sample_shape is None else tuple(self.sample_shape),
        )
        self._priors = (Prior.standard(self.n_latent_),) * max(1, self._n_classes)
        self._prior_rows = [0] * len(self._priors)
        return LossNet(
            **as_options(shape, self.law, self.beta, self.n_train_samples),
            decay=_DECAY,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            **options,
        )

    def _units(self) -> tuple[int, ...] | None:
        """Units of layers, if they are not those of the architecture."""
        if self.hidden is not None:
            return tuple(self.hidden)
        if self.architecture != "mlp":
            return None
        return (min(max(16 * self._layout.width, 64), 256),) * 2

    def _split(
        self, typed: NDArray[Any], codes: Codes | None, rng: np.random.Generator
    ) -> tuple[RowsOf, RowsOf | None]:
        if not hasattr(self, "net_") or self._reader.layout is not self._layout:
            rows = self._schema.learn_from(typed)
            self._reader = CellReader.learn(
                self._schema, self._layout, rows, shaped=self.sample_shape is not None
            )
        return super()._split(typed, codes, rng)

    def _dataset(self, typed: NDArray[Any], codes: Codes | None) -> RowsOf:
        rows = self._schema.learn_from(typed)
        *numbers, observed = self._reader.cells(rows, typed)
        tensors = [torch.round(part * _STEPS) / _STEPS for part in numbers]
        tensors += [observed, self._classes(len(rows), codes)]
        return RowsOf(*(tensor.float() for tensor in tensors))

    def _train(self, train: RowsOf, valid: RowsOf | None, *, adds: bool) -> None:
        try:
            super()._train(train, valid, adds=adds)
        finally:
            weights = self.net_.averaged_.module.parameters()
            if self.prior == "mixture" and all(w.isfinite().all() for w in weights):
                if not adds:
                    self._prior_rows = [0] * len(self._priors)
                self._priors = tuple(self._learn_priors(train))

    def _learn_priors(self, train: RowsOf) -> list[Prior]:
        """Mixtures that fit the latent vectors of rows, one for each class.

        Draws of the mixture before stand for the rows of earlier calls.
        """
        inputs, _, _, observed, classes = train.tensors
        priors = []
        with torch.no_grad():
            mean, scale = self.net_.averaged_.module.encode(inputs, observed, classes)
            own = [torch.ones(len(mean), dtype=torch.bool)]
            if self._n_classes:
                own = [classes[:, k] > 0 for k in range(self._n_classes)]
            for k, rows in enumerate(own):
                n, before = int(rows.sum()), self._prior_rows[k]
                if not n:
                    priors.append(self._priors[k])
                    continue
                self._prior_rows[k] = before + n
                shape = (repeats(before + n), n, self.n_latent_)
                z = mean[rows] + scale[rows] * torch.randn(shape, device=mean.device)
                z = z.flatten(0, 1).double().cpu().numpy()
                n_old = min(len(z) * before // n, _MOST_OLD)
                old = self._priors[k].draw(n_old, np.random.default_rng(0))
                z = np.vstack([z, old])
                priors.append(Prior.learn(z, before + n, self.n_prior_components, 0))
        return priors
