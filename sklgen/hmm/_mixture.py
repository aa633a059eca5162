"""Mixtures of hidden Markov models: clusters of sequences."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.base import _RowsMixin
from sklgen.em._threads import N_JOBS
from sklgen.hmm._base import BaseChains, expectation
from sklgen.hmm._clusters import FittedClusters
from sklgen.hmm._gaussian import GaussianHMM
from sklgen.hmm._groups import SequenceData
from sklgen.hmm._hmm import BaseHMM
from sklgen.hmm._mixture_start import MixtureStart
from sklgen.hmm._start import promising
from sklgen.hmm._structure import Chains


class HMMMixture(FittedClusters, BaseChains):
    """Mixture of hidden Markov models: clusters of sequences.

    Each sequence belongs to a cluster, and each cluster has a hidden Markov model of
    its own. Both are found together by expectation-maximisation. Rows and single cells
    may be missing: they are integrated out.

    Parameters
    ----------
    n_components : int, default=1
        Number of clusters.
    n_states : int, default=1
        Number of hidden states of the model of each cluster.
    hmm : estimator of `sklgen.hmm` or None, default=None
        What the models of the clusters are like: their emissions, priors, topology,
        and what they start from or keep fixed. It is cloned, not fitted. Its
        `n_components` is replaced by `n_states`, and its parameters of the fit (`tol`,
        `max_iter`, `n_init`, `random_state`, `verbose`, `n_jobs`) are not used. What
        is given to start from is given to each cluster: emissions as they are,
        transitions as one pseudo-count a cell. None is `GaussianHMM()`.
    tol : float, default=1e-6
        The fit ends when the gain in log-likelihood that is left, in nats per row, is
        estimated to be below this.
    max_iter : int, default=1000
        Largest number of E-steps after the first.
    n_init : int, default=10
        Number of starts. Each runs for a few iterations, on the beginnings of some of
        the sequences where there are more than 8192 rows; the two best are fitted, and
        the better one kept.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Probability of each cluster for a new sequence.
    hmms_ : list of estimators of length n_components
        The model of each cluster, of the class of `hmm`. Each can be used alone:
        `predict` gives hidden states, and so on. What says how a fit went is an
        attribute of the mixture alone; `fit` and `partial_fit` start them anew.
    converged_ : bool
        Whether the gain left fell below `tol`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept; each later batch
        of `partial_fit` counts as one more.
    lower_bound_ : float
        Mean log-likelihood per row at the fitted parameters, priors included.
    lower_bounds_ : list of float
        The same from the start of the run that was kept. It never falls in `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GaussianHMM : The model of one cluster.
    sklgen.mixture.GaussianMixture : Clusters of rows without an order.

    Notes
    -----
    Without `groups` each row is a sequence of one step, so that rows have no order,
    and `sample` draws such rows; a list of tables, or `n_sequences`, tells otherwise.

    With C clusters of K states an iteration takes O(n C K (K + p)) operations, p being
    the number of statistics of a row: 1 + d + d (d + 1) / 2 for full covariances.
    Covariances that states share (`covariance_type="tied"`) are shared by all states
    of all clusters.

    Known states (`state_labels` in `fit`) are those of the model of the row's cluster.

    Starts cluster sequences by how often labels of rows come and follow each other.
    The labels are clusters of rows, or the states of one model of all sequences, which
    is what [1]_ does with one model a sequence.

    In a grid search, turn on `sklearn.set_config(enable_metadata_routing=True)`:
    `groups` then reaches the splitter and the model.

    References
    ----------
    .. [1] Smyth, P. (1997). Clustering sequences with hidden Markov models. Advances
       in Neural Information Processing Systems 9.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.hmm import GaussianHMM, HMMMixture
    >>> X = [np.array([[0.0], [5.0]] * 10), np.array([[0.0], [0.1], [5.0], [5.1]] * 5)]
    >>> X += [-table for table in X[::-1]]
    >>> model = HMMMixture(2, 2, hmm=GaussianHMM(reg_covar=0.01), random_state=0)
    >>> clusters = model.fit(X).predict_sequences(X)
    >>> (clusters == clusters[0]).tolist()
    [True, True, False, False]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_states": [Interval(Integral, 1, None, closed="left")],
        "hmm": [BaseHMM, None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    _emitter: Any

    def __init__(
        self,
        n_components: int = 1,
        n_states: int = 1,
        *,
        hmm: Any = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_states = n_states
        self.hmm = hmm
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @property
    def _template(self) -> Any:
        return GaussianHMM() if self.hmm is None else self.hmm

    def _one_hmm(self) -> Any:
        """An unfitted model of one cluster."""
        return clone(self._template).set_params(n_components=self.n_states)

    @property
    def _support(self) -> Any:  # type: ignore[override]
        return self._template._support

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._template).input_tags
        return tags

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        """Rows as the models of the clusters read them; `reset` makes a new emitter.

        The emitter is an HMM whose emissions serve all clusters.
        """
        if reset:
            emitter = self._one_hmm()
            emitter._validate_params()
            emitter._n_chains = self.n_components
            for name in ("max_iter", "n_init", "random_state", "n_jobs"):
                setattr(emitter, name, getattr(self, name))
            self._emitter = emitter
        how = {"reset": reset, "min_rows": min_rows, "sample_weight": sample_weight}
        if type(self._emitter)._validate is not _RowsMixin._validate:
            rows = self._emitter._validate(X, **how)
            source, target = self._emitter, self
        else:
            rows = super()._validate(X, **how)
            source, target = self, self._emitter
        if reset:
            _hand_on(source, target)
        return rows

    def _check_observed(
        self, rows: NDArray[Any], data: SequenceData, weight: Array, *, reset: bool
    ) -> None:
        self._emitter._check_observed(rows, data, weight, reset=reset)

    def _learned_rows(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._emitter._learned_rows(X))

    @property
    def _width(self) -> int:
        return int(self._emitter._width)

    @property
    def _n_states(self) -> int:
        return int(self.n_states)

    @property
    def _shape(self) -> dict[str, Any]:
        own = {"n_components": self.n_components, "n_states": self.n_states}
        template = self._template
        nested = {f"hmm__{name}": value for name, value in template._shape.items()}
        del nested["hmm__n_components"]
        return {**own, "hmm": type(template).__name__, **nested}

    def _prepare(
        self, X: NDArray[Any], ends: NDArray[np.intp], weight: Array
    ) -> Chains[Any]:
        one = self._emitter._prepare(X, ends, weight)
        C = self.n_components
        return replace(
            one,
            weights=np.full(C, 1.0 / C),
            start=np.repeat(one.start, C, axis=0),
            transition=np.repeat(one.transition, C, axis=0),
        )

    def _starts(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: Array,
        labels: NDArray[np.intp] | None,
        equal: Chains[Any],
    ) -> list[Chains[Any]]:
        """The best of `n_init` short runs on some of the sequences."""
        if self.n_components == 1:
            found: list[Chains[Any]] = self._emitter._starts(
                X, ends, weight, labels, equal
            )
            return found
        sample = MixtureStart(self._emitter, X, ends, weight, labels, equal)
        with self._sequences(*sample.rows, equal, *sample.parts) as sequences:
            return promising(
                (start.settle(equal) for start in sample.starts(self.n_init)),
                expectation(sequences),
                n_rows=len(sample.rows[0]),
                max_iter=self.max_iter,
            )

    def _store(self, model: Chains[Any]) -> None:
        self.weights_ = model.weights
        self._become(self._emitter, model, 0, model.components)
        learned = vars(self._emitter).keys() - self._emitter.get_params().keys()
        self.hmms_ = []
        for cluster in range(model.n_chains):
            hmm = self._one_hmm()
            vars(hmm).update({name: vars(self._emitter)[name] for name in learned})
            hmm._n_chains = 1
            laws = cluster * model.n_states + np.arange(model.n_states)
            self._become(hmm, model, cluster, model.components.take(laws))
            self.hmms_.append(hmm)

    @staticmethod
    def _become(hmm: Any, model: Chains[Any], cluster: int, components: Any) -> None:
        """Make an HMM the model of a cluster, as if it had been fitted so."""
        hmm._rules, hmm._fitted_shape = model.rules, hmm._shape
        hmm._store(
            replace(
                model,
                weights=np.ones(1),
                start=model.start[[cluster]],
                transition=model.transition[[cluster]],
                components=components,
            )
        )

    def _fitted(self) -> Chains[Any]:
        return Chains(
            np.asarray(self.weights_),
            np.stack([hmm.startprob_ for hmm in self.hmms_]),
            np.stack([hmm.transmat_ for hmm in self.hmms_]),
            self._emitter._components(),
            self._rules,
        )

    def _reader(self) -> Chains[Any]:
        return replace(self._fitted(), components=self._emitter._reader().components)


def _hand_on(source: Any, target: Any) -> None:
    """What one estimator learned of the container of its rows, for another one."""
    for name in ("n_features_in_", "feature_names_in_", "_schema"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
        elif hasattr(target, name):
            delattr(target, name)
