"""The posterior of any model, as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from sklgen._typing import Array
from sklgen.base import GenerativeMixin, check_weights
from sklgen.mcmc._conditional import NumberPosterior
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc.models import GaussianModel


def _of_rows(estimator: Any) -> bool:
    model = estimator._stated_model()
    name = type(model).__name__
    if model.conditional:
        raise AttributeError(f"{name} is a model of targets: `sample_y` draws them.")
    if not hasattr(model, "simulate"):
        raise AttributeError(f"It needs a method `simulate` of {name}.")
    return True


class PosteriorSampler(GenerativeMixin, NumberPosterior):
    """Draws from the posterior of a Bayesian model, and predictions that average them.

    Parameters are drawn by the No-U-Turn sampler [1]_, all chains in lock step: it asks
    for the log-posterior and its gradient at one position of each chain at once, and
    nothing is compiled for a model. Chains start from draws of Pathfinder [2]_ and
    learn the shape of the posterior while they warm up [3]_.

    What there is to call after `fit` depends on the model: a model of rows can
    `sample` new rows, a model of y given X can `predict` y and draw it by `sample_y`.

    Parameters
    ----------
    model : BayesianModel, default=None
        What is known of the parameters before the data, and the law of the data given
        them. None is `sklgen.mcmc.models.GaussianModel`, a model of rows; a search
        over its parameters, such as `model__scale`, needs ``model=GaussianModel()``.
    sampler : {"nuts", "ensemble", "tempered"}, default="nuts"
        The No-U-Turn sampler, or walkers that move along differences of others and
        need no gradients. For a model without gradients, the former takes differences
        of the log-posterior. "tempered" is for posteriors with several modes: each
        chain has 4 to 32 lanes of the No-U-Turn sampler, for the prior times powers of
        the likelihood, which exchange positions [4]_.
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
    PosteriorRegressor : Targets that are numbers.
    PosteriorClassifier : Targets that are labels.
    DensitySampler : A log-density without data.

    Notes
    -----
    One draw takes some evaluations of the log-posterior and its gradient, 3 to 31 for
    most posteriors; memory is that of the draws. Predictions average over all draws,
    in blocks: their time is proportional to draws times rows.

    References
    ----------
    .. [1] Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler. JMLR, 15.
    .. [2] Zhang, L., Carpenter, B., Gelman, A. and Vehtari, A. (2022). Pathfinder:
       parallel quasi-Newton variational inference. JMLR, 23.
    .. [3] Seyboldt, A., Carlson, E. and Carpenter, B. (2026). Preconditioning
       Hamiltonian Monte Carlo by minimizing Fisher divergence. arXiv:2603.18845.
    .. [4] Syed, S., Bouchard-Cote, A., Deligiannidis, G. and Doucet, A. (2022).
       Non-reversible parallel tempering: a scalable highly parallel MCMC scheme.
       JRSS B, 84.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc import PosteriorSampler
    >>> X = np.random.default_rng(0).normal(5.0, 2.0, size=(200, 1))
    >>> sampler = PosteriorSampler(random_state=0).fit(X)
    >>> sampler.posterior_["mean"].shape
    (4, 1000, 1)
    >>> sampler.converged_
    True
    >>> sampler.sample(2, random_state=0).shape
    (2, 1)
    """

    def _default_model(self) -> BayesianModel:
        return GaussianModel()

    sample = available_if(_of_rows)(GenerativeMixin.sample)

    def _sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        return self._predictive().simulate(None, n_samples, rng)

    def score_samples(self, X: Any, y: Any = None) -> Array:
        """Log predictive density of each row, in nats.

        It is the log of the mean density over all draws of the parameters. That of a
        model of y given X is the density, or probability, of y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for a model of y given X; ignored by a model of rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the predictive density of each row.
        """
        return self._log_density(X, y)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean of `score_samples`: higher is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for a model of y given X; ignored by a model of rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row. None weighs all rows alike.

        Returns
        -------
        score : float
            Mean log predictive density per row, in nats.
        """
        log_density = self.score_samples(X, y)
        weight = check_weights(sample_weight, log_density[:, None])
        return float(np.average(log_density, weights=weight))
