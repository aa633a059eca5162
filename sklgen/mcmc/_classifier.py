"""The posterior of a classification, as an estimator."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_is_fitted

from sklgen._typing import Array
from sklgen.mcmc._conditional import ConditionalPosterior
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc.models import LogisticModel


class PosteriorClassifier(ClassifierMixin, ConditionalPosterior):
    """Bayesian classification: probabilities that average over the posterior.

    Parameters
    ----------
    model : BayesianModel, default=None
        A model of y given X with a method `probabilities`, for labels 0, 1, ... None
        is `sklgen.mcmc.models.LogisticModel`; a search over its parameters, such as
        `model__scale`, needs ``model=LogisticModel()``.
    sampler : {"nuts", "ensemble", "tempered"}, default="nuts"
        The No-U-Turn sampler, or walkers that move along differences of others and
        need no gradients. For a model without gradients, the former takes differences
        of the log-posterior. "tempered" is for posteriors with several modes: each
        chain has 4 to 32 lanes of the No-U-Turn sampler, for the prior times powers of
        the likelihood, which exchange positions.
    n_chains : int, default=4
        Number of chains. Those of "ensemble" are ensembles of many walkers.
    n_warmup : int, default=1000
        Draws of each chain that adapt the sampler and are thrown away.
    n_draws : int, default=1000
        Draws of each chain that are kept.
    target_accept : float, default=0.8
        Mean acceptance probability, between 0 and 1, that step sizes are adapted to.
        Larger values mean smaller steps, for posteriors with narrow places.
    metric : {"dense", "diagonal", "low_rank"}, default="dense"
        What is learned of the shape of the posterior. "dense" is "low_rank" beyond
        200 dimensions.
    max_depth : int, default=10
        Largest number of doublings of a trajectory.
    thin : int, default=1
        Keep one of so many draws.
    dtype : {"float64", "float32"}, default="float64"
        What draws are kept in.
    device : str, default="cpu"
        Where the log-posterior of a model that is written with torch is computed, such
        as "cuda". Predictions are made on the CPU.
    n_jobs : int, default=None
        Number of threads that run chains of models with compiled posteriors; draws do
        not depend on it. None takes the cores there are, or OMP_NUM_THREADS.
    warm_start : bool, default=False
        Whether `fit` goes on from the chains of the last one, on the same rows and in
        the same way, until there are `n_draws` of each.
    random_state : int, RandomState instance or None, default=None
        Seed of the chains. An int gives the same draws each time.
    verbose : int, default=0
        Show a progress bar if positive.

    Attributes
    ----------
    posterior_ : dict of str to ndarray of shape (n_chains, n_draws, ...)
        Draws of each parameter.
    diagnostics_ : dict of str to float
        Largest R-hat, least effective sample sizes, numbers of divergences, and more.
    converged_ : bool
        Whether nothing speaks against using the draws.
    model_ : BayesianModel
        The model that was fitted.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of columns, where all are strings.
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of `predict_proba`.

    See Also
    --------
    PosteriorSampler : Models of any kind, with references.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklgen.mcmc import PosteriorClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> classifier = PosteriorClassifier(random_state=0)
    >>> classifier = make_pipeline(StandardScaler(), classifier).fit(X, y)
    >>> classifier.score(X, y) > 0.97
    True
    """

    classes_: NDArray[Any]

    _needed: ClassVar[tuple[str, ...]] = ("probabilities",)
    _keeps_labels: ClassVar[bool] = True

    def _default_model(self) -> BayesianModel:
        return LogisticModel()

    def _targets(self, y: Any, *, reset: bool = False) -> Array:
        labels = _check_y(y, y_numeric=False, estimator=self)
        if reset:
            check_classification_targets(labels)
            self.classes_ = np.unique(labels)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs at least two classes in y, got one "
                    f"class: {self.classes_[0]!r}."
                )
        places = np.searchsorted(self.classes_, labels)
        known = places < len(self.classes_)
        known[known] = self.classes_[places[known]] == labels[known]
        if not known.all():
            raise ValueError(
                f"y must have no other labels than in fit, {self.classes_.tolist()}, "
                f"got {labels[~known][0]!r}."
            )
        return np.asarray(places, dtype=np.float64)

    def _restored(self, y: Array) -> NDArray[Any]:
        return self.classes_[y.astype(np.intp)]

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Classes.
        """
        check_is_fitted(self)
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels
