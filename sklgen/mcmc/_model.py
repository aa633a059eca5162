"""What a Bayesian model says: its parameters, and the likelihood of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from sklgen._typing import Array

Params = Mapping[str, Any]
# From parameters (..., *shape) to the log-likelihood of all rows (...) and its
# derivatives by each of them.
Likelihood = Callable[[Params], tuple[Array, dict[str, Array]]]
# A function that numba compiles, of a vector without bounds, of a gradient that it
# writes into and of what comes second here: arrays and numbers.
Compiled = tuple[Callable[..., float], tuple[Any, ...]]


class BayesianModel(BaseEstimator, ABC):
    """A model of rows, or of a target given rows, with priors of its parameters.

    Derive from it, store the arguments of ``__init__`` as scikit-learn's estimators do,
    and write `parameters` and `log_likelihood`. Parameters come with leading axes of
    any number, for chains and draws: a parameter of shape (p,) as (..., p).

    What else a model can do it says by having more methods:

    ``likelihood(X, y, weight)``
        A function of the parameters that gives the log-likelihood of all rows, each
        times its weight, and a dict with its derivatives by each parameter. Without it
        derivatives are taken by differences.
    ``compiled(priors, X, y, weight)``
        A function that numba has compiled, and a tuple of arrays and numbers: called as
        ``function(u, gradient, *tuple)`` with the vector of all parameters without
        bounds it returns the log-posterior, and writes its derivatives. Chains then
        never leave compiled code.
    ``coordinates(priors, X, y, weight)``
        Vectors that are about standard normal a posteriori, where a model knows better
        ones than each prior by itself does.
    ``simulate(params, X, rng)``
        New targets (..., n) for the rows of X. A model of rows gets None for X and
        returns rows (..., d), one for each draw of the parameters.
    ``mean(params, X)`` and ``variance(params, X)``
        Mean and variance (..., n) of the target, for `predict`.
    ``probabilities(params, X)``
        Probabilities (..., n, n_classes) of the labels 0, 1, ...

    With priors from `torch.distributions` all methods get tensors and return tensors,
    and derivatives are those of torch.

    Attributes
    ----------
    conditional : bool
        Whether it is about y given X, as it is unless a class says otherwise, or about
        the rows of X.
    independent_rows : bool
        Whether the log-likelihood of a row does not depend on the others. Rows then
        come in blocks, sorted, and those that are the same only once, with the sum of
        their weights: a parameter cannot have a number for each row.
    """

    conditional: ClassVar[bool] = True
    independent_rows: ClassVar[bool] = True

    @abstractmethod
    def parameters(self, X: Any, y: Any) -> Mapping[str, Any]:
        """Choose priors of the parameters.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        y : ndarray of shape (n_samples,) or None
            Their targets.

        Returns
        -------
        priors : mapping of str to Prior, or to a distribution of torch
            Law of each parameter; its shape may depend on the data.
        """

    @abstractmethod
    def log_likelihood(self, params: Params, X: Any, y: Any) -> Any:
        """Log-likelihood of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,) or None
            Their targets.

        Returns
        -------
        log_likelihood : ndarray of shape (..., n_samples)
            One number a row.
        """
