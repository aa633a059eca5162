"""One hidden Markov model: what its emissions fill in, and what is read off it."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.em._threads import N_JOBS
from sklgen.families import Family
from sklgen.hmm._base import BaseChains, expectation
from sklgen.hmm._groups import SequenceData
from sklgen.hmm._paths import decode
from sklgen.hmm._rules import Rules, prior_counts
from sklgen.hmm._start import Start, promising
from sklgen.hmm._structure import Chains
from sklgen.hmm._topology import TOPOLOGIES, is_connected, start_law, transition_law
from sklgen.mixture._starts import STARTS

_PARTS = ("start", "transition", "emission")


class BaseHMM(BaseChains):
    """One hidden Markov model. The hooks of its emissions are the abstract methods."""

    n_components: int
    startprob_prior: Any
    transmat_prior: Any
    stickiness: float
    startprob_init: Any
    transmat_init: Any
    topology: str
    stationary: bool
    fixed: Any
    algorithm: str
    n_init: int
    init_params: str
    random_state: Any

    startprob_: Array
    transmat_: Array

    # Number of chains that the emissions serve; a mixture of HMMs has several.
    _n_chains = 1

    _chain_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "startprob_prior": [Interval(Real, 1, None, closed="left"), "array-like"],
        "transmat_prior": [Interval(Real, 1, None, closed="left"), "array-like"],
        "stickiness": [Interval(Real, 0, None, closed="left")],
        "startprob_init": ["array-like", None],
        "transmat_init": ["array-like", None],
        "topology": [StrOptions(set(TOPOLOGIES))],
        "stationary": ["boolean"],
        "fixed": ["array-like", None],
        "algorithm": [StrOptions({"viterbi", "marginal"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(STARTS))],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    @abstractmethod
    def _learn_emissions(self, X: NDArray[Any], weight: Array) -> None:
        """Learn what emissions need to know of the rows before any start."""

    @abstractmethod
    def _equal_components(self) -> Family:
        """`_n_wanted` laws of a row that are all alike."""

    @abstractmethod
    def _standardized(self, X: Array) -> Array:
        """Rows in which distances are meaningful, without missing cells."""

    @abstractmethod
    def _labelled(self, rows: Any, labels: Any, equal: Any) -> Any:
        """The mixture of rows with given labels; `equal` has equal components."""

    @abstractmethod
    def _with_given(self, components: Any) -> Any:
        """Components with what the user gave put in its place."""

    @abstractmethod
    def _store_emissions(self, components: Any) -> None:
        """Set the fitted attributes that describe the emissions."""

    @abstractmethod
    def _components(self) -> Any:
        """Components as the fitted attributes describe them."""

    @property
    def _n_states(self) -> int:
        return int(self.n_components)

    @property
    def _n_members(self) -> int:
        """Number of clusters of rows that a state may consist of."""
        return 1

    @property
    def _n_wanted(self) -> int:
        return int(self.n_components) * self._n_chains

    def _fitted(self) -> Chains[Any]:
        return Chains(
            np.ones(1),
            np.asarray(self.startprob_)[None],
            np.asarray(self.transmat_)[None],
            self._components(),
            self._rules,
        )

    def _store(self, model: Chains[Any]) -> None:
        self.startprob_ = model.start[0]
        self.transmat_ = model.transition[0]
        self._store_emissions(model.components)

    def _chain_rules(self) -> Rules:
        """Priors and constraints as the parameters describe them."""
        fixed = frozenset(map(str, () if self.fixed is None else self.fixed))
        wrong = sorted(fixed - set(_PARTS))
        if wrong:
            raise ValueError(
                "fixed must be a list of parts to leave as they start, out of "
                f"{', '.join(_PARTS)}; got {', '.join(wrong)}."
            )
        K = self.n_components
        start, transition = self._laws()
        if self.stationary and not is_connected(transition):
            raise ValueError(
                "stationary=True needs transitions by which every state can come back "
                f"from every other one, but topology={self.topology!r} or the zeros of "
                "transmat_init rule some out. Set stationary=False."
            )
        pairs = prior_counts(self.transmat_prior, "transmat_prior", (K, K))
        return Rules(
            prior_counts(self.startprob_prior, "startprob_prior", (K,)),
            pairs + self.stickiness * np.eye(K),
            self.stationary,
            fixed,
            start > 0,
            transition > 0,
        )

    def _laws(self) -> tuple[Array, Array]:
        """Start and transition probabilities that the user gave, or even ones."""
        K, topology = self.n_components, self.topology
        return (
            start_law(self.startprob_init, topology, K),
            transition_law(self.transmat_init, topology, K),
        )

    def _prepare(
        self, X: NDArray[Any], ends: NDArray[np.intp], weight: Array
    ) -> Chains[Any]:
        rules = self._chain_rules()
        start, transition = self._laws()
        lengths = np.diff(ends, prepend=0)
        self._learn_emissions(X, np.repeat(weight, lengths))
        transitions = transition[None]
        starts = rules.starts(start[None], transitions)
        equal = self._equal_components()
        return Chains(np.ones(1), starts, transitions, equal, rules)

    def _starts(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: Array,
        labels: NDArray[np.intp] | None,
        equal: Chains[Any],
    ) -> list[Chains[Any]]:
        """The best of `n_init` short runs on some of the sequences."""
        sample = Start(self, X, ends, weight, labels, equal)
        with self._sequences(*sample.rows, equal, *sample.parts) as sequences:
            return promising(
                (start.settle(equal) for start in sample.starts()),
                expectation(sequences),
                n_rows=len(sample.X),
                max_iter=self.max_iter,
            )

    def predict(self, X: Any, groups: Any = None) -> Any:
        """Hidden state of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        states : ndarray of shape (n_samples,), or a list of them
            States, from 0: the most probable path of the whole sequence with
            `algorithm="viterbi"`, the most probable state of each row with
            "marginal".
        """
        rows, data = self._read(X, groups)
        if self.algorithm == "marginal":
            return data.give_back(self._smoothed(rows, data).argmax(axis=1))
        model = self._reader()
        with self._sequences(rows, data.ends, model) as sequences:
            return data.give_back(decode(model, sequences))

    def predict_proba(self, X: Any, groups: Any = None, method: str = "smooth") -> Any:
        """Probability of each hidden state.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.
        method : {"smooth", "filter"}, default="smooth"
            Whether states are those given the whole sequence, or given the rows up to
            their own.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components), or a list of them
            Rows sum to one.
        """
        if method not in ("smooth", "filter"):
            raise ValueError(f"method must be 'smooth' or 'filter', got {method!r}.")
        rows, data = self._read(X, groups)
        read = self._smoothed if method == "smooth" else self._filtered
        return data.give_back(read(rows, data).astype(rows.dtype, copy=False))

    @property
    def _n_features_out(self) -> int:
        """Number of columns of `transform`."""
        return len(self.startprob_)

    def _smoothed(self, rows: NDArray[Any], data: SequenceData) -> Array:
        return self._each_row(
            rows,
            data.ends,
            self.startprob_.shape,
            lambda model, bundle, messages, scratch: (
                model.smooth(
                    model.evaluate(rows, bundle, scratch), bundle, messages, scratch
                )
                .smoothed[0]
                .T
            ),
        )

    def _filtered(self, rows: NDArray[Any], data: SequenceData) -> Array:
        def read(model: Any, bundle: Any, messages: Any, scratch: Any) -> Array:
            log = model.evaluate(rows, bundle, scratch).log
            previous, _ = model.begin(bundle, messages, 0)
            done = model.filter(log, 0, previous, bundle.offset, scratch)
            return np.asarray(np.exp(done.log_filtered()).T)

        return self._each_row(rows, data.ends, self.startprob_.shape, read)

    def sample_latent(
        self,
        n_samples: int = 1,
        *,
        n_sequences: int | None = None,
        random_state: Any = None,
    ) -> tuple[Any, Any]:
        """Draw a new sequence, or several, with the hidden states.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows of each sequence, at least 1.
        n_sequences : int or None, default=None
            Number of sequences, given as a list of tables.
        random_state : int, RandomState instance or None, default=None
            As in `sample`; the same seed gives the same rows as `sample`.

        Returns
        -------
        X : array or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        states : ndarray of shape (n_samples,), or a list of them
            State of each row.
        """
        return self._draw_sequences(n_samples, n_sequences, random_state)
