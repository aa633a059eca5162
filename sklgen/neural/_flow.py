"""Normalizing flows."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import qmc
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from sklgen._torch import one_thread
from sklgen.compose._table import named_columns, open_table, read_table
from sklgen.neural._base import BaseNeural, in_double
from sklgen.neural._flow_cells import CellMap
from sklgen.neural._flow_nets import FlowLoss, fill, make_flow
from sklgen.neural._labels import Codes, LabelledDensityMixin
from sklgen.neural._net import BLOCK, LossNet, RowsOf

# Points at which a density is averaged over cells.
_N_POINTS = 64


class NormalizingFlow(BaseNeural, LabelledDensityMixin, BaseEstimator):
    """Normalizing flow."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseNeural._parameter_constraints,
        "architecture": [StrOptions({"maf", "nsf", "realnvp"})],
        "n_transforms": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "hidden": ["array-like", None],
    }

    keep_missing = False
    _cells: CellMap

    def __init__(
        self,
        architecture: str = "maf",
        *,
        n_transforms: int = 5,
        hidden: Any = None,
        n_bins: int = 8,
        max_iter: int = 3000,
        batch_size: int = 256,
        learning_rate: float = 2e-3,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
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
        return [torch.from_numpy(array).to(self.device) for array in arrays]

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
            self.n_transforms,
            (64, 64) if self.hidden is None else tuple(self.hidden),
            self.n_bins,
        )
        module = FlowLoss(flow, has_cells=self._cell_map().has_cells)
        return LossNet(module, decay=0.99, optimizer=torch.optim.Adam, **options)

    def _score_samples(
        self, X: NDArray[Any], codes: Codes | None
    ) -> NDArray[np.float64]:
        module = self._double()
        tensors = [*self._tensors(X), self._classes(len(X), codes)]
        with one_thread(), torch.no_grad():
            out = [
                self._averaged(module, *(tensor[at : at + BLOCK] for tensor in tensors))
                for at in range(0, len(X), BLOCK)
            ]
        return np.asarray(torch.cat(out).cpu().numpy())

    def _double(self) -> FlowLoss:
        return cast(FlowLoss, in_double(self.net_.averaged_.module))

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
        noise = torch.from_numpy(engine.random(_N_POINTS)).to(start.device)
        each = []
        for u in noise:
            points, log_ratio = fill(start, width, sign, u)
            each.append(module.log_density(points, classes) + log_ratio)
        mean: Tensor = torch.logsumexp(torch.stack(each), dim=0) - np.log(_N_POINTS)
        return offset + mean

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        module = self._double()
        z = torch.from_numpy(rng.standard_normal((n_samples, self._schema.n_typed)))
        classes = self._classes(n_samples, codes)
        with one_thread(), torch.no_grad():
            points = module.law(classes).transform.inv(z.to(self.device))
        return self._cell_map().typed(points.cpu().numpy(), rng)
