"""Generative adversarial networks of tables, images and sequences."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklgen._labels import LabelledGenerativeMixin
from sklgen._random import as_generator
from sklgen.base import _check_n_samples
from sklgen.neural._gan_base import BaseAdversarial
from sklgen.neural._gan_losses import LOSSES
from sklgen.neural._gan_scores import AdversarialScores
from sklgen.neural._gan_where import conditions_of, draw_where


class GAN(AdversarialScores, BaseAdversarial, LabelledGenerativeMixin, BaseEstimator):
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
    n_latent : int, default=128
        Number of normal variables that the generator makes a row of.
    architecture : {"mlp", "conv", "recurrent"}, default="mlp"
        Kind of both networks: residual perceptrons, convolutions over images, or
        recurrent layers over sequences.
    hidden : sequence of int or None, default=None
        Units of the blocks of a perceptron, channels of the maps of convolutions, or
        units of recurrent layers. None takes what suits the architecture: (128, 128)
        for perceptrons, half of that where a critic reads 16 numbers and indicators of
        levels or less.
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
    temperature : float, default=1.0
        Of the softmax that stands for the gradient of drawn categories.
    decay : float, default=0.999
        How much the running mean of the generator's weights keeps at each step. Rows
        are drawn from that mean.
    max_iter : int, default=6000
        Number of steps, each with one batch for both networks.
    batch_size : int, default=250
        Number of rows of a batch; all of them if `fit` has fewer.
    learning_rate : float, default=2e-3
        Step size of Adam for the generator. Over the last half of a fit both rates fall
        to 0, unless it is of one epoch.
    critic_learning_rate : float, default=4e-3
        Step size for the critic.
    early_stopping : bool, default=True
        Whether to hold out rows, to keep the networks of the epoch whose draws have the
        smallest whitened energy distance to them, and to stop when it no longer falls.
    validation_fraction : float, default=0.1
        Share of the rows that are held out.
    n_iter_no_change : int, default=100
        Number of epochs without a smaller distance after which training stops. An epoch
        is a pass over the rows, of at least 50 steps.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are learned
        as one, and drawn by their frequencies.
    balance : float, default=0.0
        How far rows with rare levels are shown more often: at 1 levels would come in
        proportion to the logarithms of their counts. Draws are corrected for it, as
        this share of them is thrown away, the rarer their levels the likelier.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely and as dependent on
        other cells as in `fit`.
    device : str, default="cpu"
        Where torch trains, as "cuda". All else is computed on the CPU.
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

    Where the numbers of a column have clusters, with gaps between them that are long
    for their spread, a draw has a cluster and a place within, so that none falls into
    a gap; networks of the user make numbers alone. Conditions of `where` and the
    correction for `balance` hold because draws that do not fit are thrown away: both
    leave the law of the model as it is, whatever the column.

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
        **BaseAdversarial._parameter_constraints,
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
        "balance": [Interval(Real, 0, 1, closed="left")],
        "keep_missing": ["boolean"],
    }

    def __init__(
        self,
        n_latent: int = 128,
        *,
        architecture: str = "mlp",
        hidden: Any = None,
        generator: Any = None,
        discriminator: Any = None,
        sample_shape: Any = None,
        loss: str = "r3gan",
        penalty: float = 0.1,
        penalty_every: int = 4,
        temperature: float = 1.0,
        decay: float = 0.999,
        max_iter: int = 6000,
        batch_size: int = 250,
        learning_rate: float = 2e-3,
        critic_learning_rate: float = 4e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 100,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        balance: float = 0.0,
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
        self.balance = balance
        self.keep_missing = keep_missing
        self.device = device
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def sample(
        self,
        n_samples: int = 1,
        *,
        y: Any = None,
        where: Any = None,
        random_state: Any = None,
    ) -> Any:
        """Draw new rows, all of them or those with given cells.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each of them, among `classes_`. None draws classes
            with the shares they had in `fit`, or have where `where` holds.
        where : dict or None, default=None
            Name or position of a column: what its cells have to be. A value, or None
            for a missing cell; a list or set of these; or a pair (low, high), a range
            of numbers with both ends. Rows are drawn until there are enough, so that
            they have the law of the model under these conditions; it takes the longer,
            the rarer they are.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows. Neither the
            estimator nor a global generator is changed.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows with the columns and dtypes of the training rows: in random order, or
            in that of `y`.
        """
        if where is None:
            return super().sample(n_samples, y=y, random_state=random_state)
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        names = [column.name for column in self.encoder_.columns_]
        conditions = conditions_of(where, names)
        rng = as_generator(random_state)
        codes = None if y is None else self._sample_codes(y, n_samples, rng)

        def draw(places: NDArray[np.intp]) -> Any:
            if codes is None:
                own = self._sample_codes(None, len(places), rng)
            else:
                own = codes[places]
            return self._schema.restore(self._sample(len(places), own, rng))

        in_order = codes is not None
        return draw_where(n_samples, draw, conditions, in_order=in_order)
