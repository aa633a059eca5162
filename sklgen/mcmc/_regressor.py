"""The posterior of a regression, as an estimator."""

from __future__ import annotations

from typing import ClassVar

from sklearn.base import RegressorMixin

from sklgen.mcmc._conditional import NumberPosterior
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc.models import LinearModel


class PosteriorRegressor(RegressorMixin, NumberPosterior):
    """Bayesian regression: predictions that average over the posterior.

    Parameters
    ----------
    model : BayesianModel, default=None
        A model of y given X. None is `sklgen.mcmc.models.LinearModel`; a search over
        its parameters, such as `model__scale`, needs ``model=LinearModel()``.
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

    See Also
    --------
    PosteriorSampler : Models of any kind, with references.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklgen.mcmc import PosteriorRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = PosteriorRegressor(random_state=0).fit(X, y)
    >>> mean, std = regressor.predict(X[:1], return_std=True)
    >>> [round(float(mean[0]), -1), round(float(std[0]), -1)]
    [210.0, 50.0]
    """

    _needed: ClassVar[tuple[str, ...]] = ("mean",)

    def _default_model(self) -> BayesianModel:
        return LinearModel()
