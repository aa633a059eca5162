"""Draws from a log-density that the user gives, as an estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.utils import check_scalar
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.em._threads import n_threads
from sklgen.mcmc._chained import ChainedEstimator
from sklgen.mcmc._chains import draw
from sklgen.mcmc._user_density import Grad, density_of


class DensitySampler(ChainedEstimator):
    """Draws from a density of which the logarithm is known up to a constant.

    Parameters
    ----------
    log_density : callable
        ``log_density(x, *args)`` gives the log-densities (n,) at positions (n, n_dim),
        minus infinity outside of the support. A function that numba has compiled is
        another case, if `grad` is None: ``log_density(x, gradient, *args)`` gets one
        position (n_dim,), writes derivatives into `gradient` and returns a float; the
        chains then never leave compiled code.
    n_dim : int
        Number of dimensions.
    grad : callable, True, "torch" or None, default=None
        ``grad(x, *args)`` gives the gradients (n, n_dim). True says that `log_density`
        returns a tuple of log-densities and gradients, "torch" that it maps tensors to
        tensors that torch can differentiate. With None "nuts" takes finite differences,
        2 n_dim + 1 positions in one call; draws are as exact as with derivatives.
    args : tuple, default=()
        More arguments of the functions: for compiled ones arrays and numbers.
    vectorized : bool, default=True
        Whether the functions take many positions (n, n_dim) at once. With False they
        get one position (n_dim,) and return one number, or gradient.
    names : sequence of str, default=None
        Names of the coordinates, for `summary` and warnings. None is x[0], x[1], ...
    sampler : {"nuts", "ensemble", "tempered"}, default="nuts"
        The No-U-Turn sampler [1]_, or ensembles of walkers that move along differences
        of others [2]_ and need no gradients, for up to about 20 dimensions. "tempered"
        is for several modes: parallel tempering [4]_, in which each chain has 4 to 32
        lanes of the No-U-Turn sampler for powers of the density from 1 down to 0.02,
        which must have finite integrals.
    n_chains : int, default=4
        Number of chains. A chain of "ensemble" has the draws of its walkers in turn.
    n_warmup : int, default=1000
        Draws of each chain that adapt the sampler and are thrown away.
    n_draws : int, default=1000
        Draws of each chain that are kept.
    target_accept : float, default=0.8
        Mean acceptance probability, between 0 and 1, that step sizes are adapted to.
        Larger values mean smaller steps, for densities with narrow places.
    metric : {"dense", "diagonal", "low_rank"}, default="dense"
        What is learned of the shape of the density. "dense" is "low_rank" beyond 200
        dimensions.
    max_depth : int, default=10
        Largest number of doublings of a trajectory.
    thin : int, default=1
        Keep one of so many draws.
    starts : array-like of shape (n_chains, n_dim), default=None
        Where chains start; for "ensemble" of shape (n_chains, n_walkers, n_dim), with
        max(16, 4 n_dim + 4) walkers. None lets "nuts" look for good places from points
        between -2 and 2 [3]_, and draws walkers between these.
    n_jobs : int, default=None
        Number of threads that run chains of compiled functions: None takes the cores
        there are, or OMP_NUM_THREADS. Draws do not depend on it.
    warm_start : bool, default=False
        Whether `fit` goes on from the chains of the last one, in the same way and with
        what they have learned, until there are `n_draws` of each: the draws of one
        longer run.
    random_state : int, RandomState instance or None, default=None
        Seed of the chains. An int gives the same draws each time.
    verbose : int, default=0
        Tell how much memory draws take and show a progress bar, if positive.

    Attributes
    ----------
    draws_ : ndarray of shape (n_chains, n_draws, n_dim)
        Draws of the chains; fewer than `n_draws` if the run was interrupted.
    log_densities_ : ndarray of shape (n_chains, n_draws)
        Log-density at each draw.
    diagnostics_ : dict of str to float
        Largest R-hat, least effective sample sizes, numbers of divergences, and more.
    converged_ : bool
        Whether nothing speaks against using the draws. If something does, a warning
        says what.

    See Also
    --------
    PosteriorSampler : The posterior of a model, given data.

    Notes
    -----
    A draw of "nuts" takes some gradients, 3 to 31 for most densities, of all chains at
    once; one of "ensemble" takes a log-density for each walker. Memory is that of the
    draws. Ctrl-C ends a run early: draws so far are kept, and `fit` says so.

    Functions may be lambdas: they are pickled by value, as cloudpickle does.

    References
    ----------
    .. [1] Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler. JMLR, 15.
    .. [2] ter Braak, C. J. F. and Vrugt, J. A. (2008). Differential evolution Markov
       chain with snooker updater and fewer chains. Statistics and Computing, 18.
    .. [3] Zhang, L., Carpenter, B., Gelman, A. and Vehtari, A. (2022). Pathfinder:
       parallel quasi-Newton variational inference. JMLR, 23.
    .. [4] Syed, S., Bouchard-Cote, A., Deligiannidis, G. and Doucet, A. (2022).
       Non-reversible parallel tempering: a scalable highly parallel MCMC scheme.
       JRSS B, 84.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc import DensitySampler
    >>> sampler = DensitySampler(
    ...     lambda x: -0.5 * (x**2).sum(axis=1),
    ...     n_dim=2,
    ...     grad=lambda x: -x,
    ...     n_warmup=300,
    ...     n_draws=500,
    ...     random_state=0,
    ... ).fit()
    >>> sampler.draws_.shape, sampler.converged_
    ((4, 500, 2), True)
    >>> sampler.sample(3, random_state=0).shape
    (3, 2)
    >>> sampler.summary()["sd"].round(1).tolist()
    [1.0, 1.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "log_density": [callable],
        "n_dim": [Interval(Integral, 1, None, closed="left")],
        "grad": [callable, StrOptions({"torch"}), Options(bool, {True}), None],
        "args": ["array-like"],
        "vectorized": ["boolean"],
        "names": ["array-like", None],
        "starts": ["array-like", None],
        **ChainedEstimator._parameter_constraints,
    }

    _by_value: ClassVar[tuple[str, ...]] = ("log_density", "grad")
    draws_: Array
    log_densities_: Array

    def __init__(
        self,
        log_density: Callable[..., Any],
        n_dim: int,
        *,
        grad: Grad = None,
        args: Sequence[Any] = (),
        vectorized: bool = True,
        names: Sequence[str] | None = None,
        sampler: Literal["nuts", "ensemble", "tempered"] = "nuts",
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        target_accept: float = 0.8,
        metric: Literal["dense", "diagonal", "low_rank"] = "dense",
        max_depth: int = 10,
        thin: int = 1,
        starts: ArrayLike | None = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.log_density = log_density
        self.n_dim = n_dim
        self.grad = grad
        self.args = args
        self.vectorized = vectorized
        self.names = names
        self.sampler = sampler
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.target_accept = target_accept
        self.metric = metric
        self.max_depth = max_depth
        self.thin = thin
        self.starts = starts
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Draw from the density.

        Parameters
        ----------
        X : None
            Ignored: the density is all there is.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If no start with a finite log-density and gradient is found, or the
            functions return what has a wrong shape.

        Warns
        -----
        ConvergenceWarning
            If draws should not be trusted yet; `converged_` is False then.
        """
        self._checked_names()
        density = density_of(
            self.log_density,
            self.n_dim,
            grad=self.grad,
            args=self.args,
            vectorized=self.vectorized,
            n_threads=n_threads(self.n_jobs),
        )
        with self._all_or_nothing():
            self._chains = draw(
                density,
                self.n_dim,
                self._settings(),
                as_generator(self.random_state),
                starts=None if self.starts is None else np.asarray(self.starts),
                going_on=self._before(),
            )
            self.draws_ = self._chains.positions
            self.log_densities_ = self._chains.log_densities
            problems = self._judge()
        self._warn_of(problems)
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Array:
        """Draw from the draws of all chains, with replacement.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws, at least 1.
        random_state : int, RandomState instance or None, default=None
            An int gives the same draws each time; None gives fresh ones.

        Returns
        -------
        X : ndarray of shape (n_samples, n_dim)
            Draws in random order.
        """
        check_is_fitted(self)
        n_samples = int(check_scalar(n_samples, "n_samples", Integral, min_val=1))
        pooled = self.draws_.reshape(-1, self.draws_.shape[-1])
        return pooled[as_generator(random_state).integers(len(pooled), size=n_samples)]

    def _named_draws(self) -> dict[str, Array]:
        names = self._checked_names()
        if names is None:
            return {"x": self.draws_}
        return {name: self.draws_[..., i] for i, name in enumerate(names)}

    def _checked_names(self) -> list[str] | None:
        if self.names is None:
            return None
        names = [str(name) for name in self.names]
        if len(names) != self.n_dim or len({*names}) != len(names):
            raise ValueError(
                f"names must be n_dim={self.n_dim} distinct names, got {names}."
            )
        return names
