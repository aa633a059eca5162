"""Normalizing flows."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklgen._labels import Codes, LabelledDensityMixin
from sklgen._torch import one_thread
from sklgen.compose._table import named_columns, open_table, read_table
from sklgen.neural._base import BaseNeural, in_double
from sklgen.neural._flow_cells import CellMap
from sklgen.neural._flow_nets import FlowLoss, fill, make_flow
from sklgen.neural._net import BLOCK, LossNet, RowsOf

# Points at which a density is averaged over cells.
_N_POINTS = 64
# How much the running mean of weights keeps at each step.
_DECAY = 0.998
# Larger than Adam's own, as gradients that are nothing but rounding must not count.
_EPS = 1e-5


class NormalizingFlow(BaseNeural, LabelledDensityMixin, BaseEstimator):
    """Normalizing flow: exact densities of tables of numbers.

    An invertible network maps rows to standard normal vectors [1]_. Its Jacobian gives
    the density of each row, which training maximizes, and its inverse maps normal
    vectors to new rows, in the container of `fit`, with its columns and dtypes. With
    labels in `fit`, the map depends on the class: there is a density of each class.

    Parameters
    ----------
    architecture : {"maf", "nsf", "realnvp"}, default="maf"
        How columns are mapped: each by a shift and a scale that depend on the columns
        before it ("maf", masked autoregressive [2]_), half of them by splines that
        depend on the others ("nsf" [3]_: often better, twice as slow), or half
        of them by shifts and scales ("realnvp" [4]_).
    n_transforms : int or None, default=None
        Number of maps, one after the other. None takes 5, for "nsf" 3, for "realnvp"
        6.
    hidden : sequence of int or None, default=None
        Units of the layers of the network of each map. None takes (64, 64).
    n_bins : int, default=8
        Number of pieces of a spline of "nsf".
    max_iter : int, default=3000
        Largest number of training steps.
    batch_size : int, default=256
        Number of rows of a step.
    learning_rate : float, default=3e-3
        Learning rate of Adam.
    early_stopping : bool, default=True
        Whether to hold rows out, keep the networks of the epoch with the largest
        likelihood of these, and stop when it does not rise. An epoch is a pass over
        the rows, of at least 50 steps.
    validation_fraction : float, default=0.1
        Share of rows held out.
    n_iter_no_change : int, default=10
        Number of epochs without a better one after which training stops.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are modelled
        as one, and drawn by their frequencies.
    device : str, default="cpu"
        Where torch trains, as "cuda". All else is computed on the CPU.
    callbacks : list or None, default=None
        Callbacks of skorch, for the training.
    warm_start : bool, default=False
        Whether `fit` goes on from the networks that there are.
    random_state : int, RandomState instance or None, default=None
        Randomness of first weights, batches, noise, and of the rows held out.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    encoder_ : TabularEncoder
        What types the rows.
    net_ : skorch.NeuralNet
        The trained net.
    history_ : list of dict
        Losses of each epoch: mean negative log-densities of batches and of rows held
        out, and whether the epoch was the best so far.
    n_iter_ : int
        Number of training steps.
    classes_ : ndarray of shape (n_classes,)
        Classes, where `fit` had labels.
    class_shares_ : ndarray of shape (n_classes,)
        Share of each class in `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklgen.mixture.GaussianMixture : Fits faster, and often as well: compare by `score`.
    sklgen.mixture.TabularMixture : Also for missing cells, which it completes.

    Notes
    -----
    The density of a table of floats is exact, in the units of the table, computed in
    float64. Floats that repeat, such as many zeros or few decimals, have a density
    that grows with training: the scores of such tables compare flows, but are not
    bounded. Name columns of few values in `categorical_features`.

    Columns of other dtypes have probabilities. A label, or an integer, is an interval
    of normal scores, which training fills with noise, fresh at each step; sampling
    rounds. `score_samples` is then an average over 64 quasi-random points of the cell
    of the row, the same for all rows: an estimate, whose error falls with the width of
    the cells, and which is the same whenever the row is scored. Densities are with
    respect to counting measure for these columns, Lebesgue measure for floats.

    A ten-thousandth of the density is a normal law twice as wide as the standardized
    columns: a row that no training row was near costs nats, not thousands of them.

    Standardization is inside, and its Jacobian is counted. Splines act within 5
    standard deviations of each column; beyond, "nsf" is the identity, so that tails
    are as light as normal ones, and log-densities finite. With a single column, "maf"
    and "realnvp" have nothing to depend on and are a normal law: take "nsf", or a
    mixture.

    Missing cells are refused, and there is no `sample_conditional`: a flow has no
    tractable conditional laws other than those given the class. `TabularMixture` has.

    A training step takes O(b t h (d + h)) operations for b rows of a batch, t maps, d
    columns and h units, on one thread. Sampling from "maf" takes d passes.

    References
    ----------
    .. [1] Papamakarios, G. et al. (2021). Normalizing flows for probabilistic modeling
       and inference. JMLR 22.
    .. [2] Papamakarios, G., Pavlakou, T. and Murray, I. (2017). Masked autoregressive
       flow for density estimation. NeurIPS.
    .. [3] Durkan, C. et al. (2019). Neural spline flows. NeurIPS.
    .. [4] Dinh, L., Sohl-Dickstein, J. and Bengio, S. (2017). Density estimation using
       Real NVP. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklgen.neural import NormalizingFlow
    >>> X, y = make_moons(500, noise=0.1, random_state=0)
    >>> flow = NormalizingFlow(max_iter=300, random_state=0).fit(X, y)
    >>> flow.sample(3, y=1, random_state=0).shape
    (3, 2)
    >>> bool(flow.score(X, y) > flow.score(X))
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseNeural._parameter_constraints,
        "architecture": [StrOptions({"maf", "nsf", "realnvp"})],
        "n_transforms": [Interval(Integral, 1, None, closed="left"), None],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hidden": ["array-like", None],
    }

    keep_missing = False
    _cells: CellMap

    def __init__(
        self,
        architecture: str = "maf",
        *,
        n_transforms: int | None = None,
        hidden: Any = None,
        n_bins: int = 8,
        max_iter: int = 3000,
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        device: str = "cpu",
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.architecture = architecture
        self.n_transforms = n_transforms
        self.hidden = hidden
        self.n_bins = n_bins
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.device = device
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _validate(self, X: Any, *, reset: bool = False, **options: Any) -> Any:
        frame, array = open_table(self, X, reset=reset)
        table = read_table(array if frame is None else frame)
        for cells in table:
            if cells.missing.any():
                raise ValueError(
                    f"{type(self).__name__} takes no missing cells, but column "
                    f"{cells.name!r} contains NaN or other missing cells. Leave those "
                    "rows out, or complete them first, as "
                    "sklgen.mixture.TabularMixture does by sample_conditional."
                )
        if reset:
            names = [cells.name for cells in table]
            labelled = named_columns(
                self.categorical_features, names, "categorical_features"
            )
            self._floats = [
                j
                for j, cells in enumerate(table)
                if cells.kind == "number"
                and np.dtype(cells.dtype).kind == "f"
                and not labelled[j]
            ]
        return super()._validate(X, reset=reset, **options)

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        return dict.fromkeys(self._floats, "density")

    def _dataset(self, typed: NDArray[Any], codes: Codes | None) -> RowsOf:
        tensors = [*self._tensors(typed), self._classes(len(typed), codes)]
        return RowsOf(*(tensor.float() for tensor in tensors))

    def _tensors(self, typed: NDArray[Any]) -> list[Tensor]:
        cells = self._cell_map().cells(typed)
        arrays = (cells.start, cells.width, cells.sign, cells.offset)
        return [torch.from_numpy(array) for array in arrays]

    def _cell_map(self) -> CellMap:
        layout, D = self._layout, self._schema.n_typed
        center, scale = np.zeros(D), np.ones(D)
        own = np.array(self.encoder_.kinds_)[layout.numbers] == "number"
        center[layout.numbers[own]] = layout.center[own]
        scale[layout.numbers[own]] = layout.scale[own]
        return CellMap(self._schema, center, scale)

    def _make_net(self, dataset: RowsOf, **options: Any) -> Any:
        flow = make_flow(
            self.architecture,
            self._schema.n_typed,
            self._n_classes,
            n_transforms=self.n_transforms,
            hidden=None if self.hidden is None else tuple(self.hidden),
            n_bins=self.n_bins,
        )
        module = FlowLoss(flow, has_cells=self._cell_map().has_cells)
        return LossNet(
            module,
            decay=_DECAY,
            optimizer=torch.optim.Adam,
            optimizer__eps=_EPS,
            **options,
        )

    def _score_samples(
        self, X: NDArray[Any], codes: Codes | None
    ) -> NDArray[np.float64]:
        module: FlowLoss = in_double(self.net_.averaged_.module)
        tensors = [*self._tensors(X), self._classes(len(X), codes)]
        with one_thread(), torch.no_grad():
            out = [
                self._averaged(module, *(tensor[at : at + BLOCK] for tensor in tensors))
                for at in range(0, len(X), BLOCK)
            ]
        return np.asarray(torch.cat(out).numpy())

    def _averaged(
        self,
        module: FlowLoss,
        start: Tensor,
        width: Tensor,
        sign: Tensor,
        offset: Tensor,
        classes: Tensor,
    ) -> Tensor:
        """Log-densities of a block of rows, averaged over points of their cells."""
        if not module.has_cells:
            return offset + module.log_density(start, classes)
        engine = qmc.Sobol(start.shape[1], rng=np.random.default_rng(0))
        noise = torch.from_numpy(engine.random(_N_POINTS))
        each = []
        for u in noise:
            points, log_ratio = fill(start, width, sign, u)
            each.append(module.log_density(points, classes) + log_ratio)
        mean: Tensor = torch.logsumexp(torch.stack(each), dim=0) - np.log(_N_POINTS)
        return offset + mean

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        module: FlowLoss = in_double(self.net_.averaged_.module)
        normal = torch.from_numpy(
            rng.standard_normal((n_samples, self._schema.n_typed))
        )
        uniform = torch.from_numpy(rng.random(n_samples))
        classes = self._classes(n_samples, codes)
        with one_thread(), torch.no_grad():
            points = module.draw(classes, normal, uniform)
        return self._cell_map().typed(points.numpy(), rng)
