"""A pipeline that ends in a generator and speaks the units of its input."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, _name_estimators
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import has_fit_parameter

from sklgen._frames import check_numeric
from sklgen.base import check_weights
from sklgen.compose import _jacobian_rules  # noqa: F401
from sklgen.compose._jacobian import register_all, rule_of
from sklgen.compose._jacobian_steps import acting, registered_for
from sklgen.compose._pipeline_density import PipelineDensity, dtype_of
from sklgen.compose._pipeline_rows import Container

_WEIGHT = "sample_weight"


class GenerativePipeline(PipelineDensity):
    """A scikit-learn `Pipeline` that ends in a generator, in the units of its input.

    Rows that `sample` draws go back through all transformers. Densities are those of
    the rows themselves: the log-density of the transformed row plus the logarithm of
    the factor by which the steps stretch volumes there. So scores can be compared
    between scalers, where those of a scikit-learn pipeline reward whatever shrinks
    the data.

    Parameters
    ----------
    steps : list of tuples
        Names and estimators. All but the last one are transformers, `"passthrough"` or
        None; the last one is a generator, with `sample`, `score_samples` or both.
    transform_input : list of str, default=None
        Metadata to be transformed on its way to the steps, as in scikit-learn.
    memory : str or object with the joblib.Memory interface, default=None
        Where to cache fitted transformers, which are then cloned before `fit`.
    verbose : bool, default=False
        Whether to print the time that each step takes.

    Attributes
    ----------
    steps_ : list of tuples
        Names and fitted estimators, which `named_steps` and indexing give too.
    classes_ : ndarray of shape (n_classes,)
        The classes, where the last step knows classes.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    make_generative_pipeline : Names the steps by their types.
    register_jacobian : Gives a transformer of one's own a density.
    sklearn.pipeline.Pipeline : Neither samples nor has densities in original units.

    Notes
    -----
    Methods are there when they work. `score_samples` and `score` need a log-Jacobian of
    each step (see `log_abs_det_jacobian`): a PCA that drops components or a scaler that
    clips leaves `sample` alone. `sample_conditional`, `impute` and densities of rows
    with missing cells need steps that act column by column. A last step without density
    is scored by the energy distance of its draws, as `sklgen.neural.GAN` is.

    Some transformers do not reach all numbers: Box-Cox scores have a bound, those of
    quantiles end at the ends of `fit`. Draws of the generator beyond have no original
    and are drawn again, and densities are divided by the share of the mass that has
    one, which `fit` estimates from 65536 draws. So densities integrate to 1 over the
    rows that the transformer is defined on, and are 0 elsewhere.

    `impute` gives conditional means in the units of X. Where a step bends, so that the
    mean of a transform is not the transform of the mean, they are means of 4000 draws,
    of 400 for sequences.

    The `sample_weight` of `fit` goes to all steps, whose `fit` must take it;
    `step__sample_weight` reaches one step. With metadata routing, weights go to the
    steps that take them and did not say otherwise. Unlike scikit-learn's pipelines,
    `fit` leaves `steps` as they are and fits clones.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklgen.compose import GenerativePipeline
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> mixture = GaussianMixture(2, random_state=0)
    >>> pipeline = GenerativePipeline(
    ...     [("scale", StandardScaler()), ("mixture", mixture)]
    ... )
    >>> score = pipeline.fit(X).score(X)
    >>> milli = pipeline.fit(1000 * X).score(1000 * X)
    >>> bool(np.isclose(score - milli, 2 * np.log(1000)))
    True
    """

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> GenerativePipeline:
        """Fit the transformers in order, and the generator to what comes out.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows, as the first step takes them.
        y : array-like of shape (n_samples,), default=None
            Labels, for steps that take them.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, for all steps.
        **params : dict
            Arguments of single steps as `step__name` or, with metadata routing,
            whatever steps have requested.

        Returns
        -------
        self : GenerativePipeline
            The fitted pipeline.
        """
        self._validate_params()
        self._validate_steps()
        self._check_columns(X)
        # scikit-learn fits steps in place: here, those of a clone.
        twin = clone(self)
        Pipeline.fit(twin, X, y, **self._weighted(X, sample_weight, params))
        self.steps_ = twin.steps
        self._container = Container.of(X, dtype_of(X))
        self._log_mass = self._probe()
        return self

    def _validate_steps(self) -> None:
        if not self.steps:
            raise ValueError(
                "The pipeline is empty: add steps, a generator at the end."
            )
        super()._validate_steps()
        name, last = self.steps[-1]
        if not (hasattr(last, "sample") or hasattr(last, "score_samples")):
            raise TypeError(
                "The last step of a GenerativePipeline must be a generator, with "
                f"`sample` or `score_samples`; {name!r} is {last!r}. Put a model such "
                "as sklgen.mixture.GaussianMixture there, or use scikit-learn's "
                "Pipeline."
            )

    def _check_columns(self, X: Any) -> None:
        """Name columns of labels that the first step would only call no floats."""
        first = acting(self.steps)[0][1]
        reads_all = isinstance(
            first, (ColumnTransformer, FunctionTransformer, Pipeline)
        )
        if not reads_all and not get_tags(first).input_tags.categorical:
            check_numeric(X, type(self).__name__)

    def _weighted(self, X: Any, sample_weight: Any, params: Any) -> dict[str, Any]:
        """The arguments of scikit-learn's `fit`, with weights for all who take them."""
        if sample_weight is None:
            return dict(params)
        weight = check_weights(sample_weight, X)
        if _routing_enabled():
            return {**params, "sample_weight": weight}
        for name, step in acting(self.steps):
            if get_tags(step).requires_fit and not has_fit_parameter(step, _WEIGHT):
                raise ValueError(
                    f"sample_weight was given, and the fit of step {name!r} "
                    f"({type(step).__name__}) takes no weights. To weigh rows in other "
                    f"steps alone, name these: {self.steps[-1][0]}__{_WEIGHT}."
                )
        names = [n for n, s in acting(self.steps) if has_fit_parameter(s, _WEIGHT)]
        return {**{f"{name}__{_WEIGHT}": weight for name in names}, **params}

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        found = registered_for(self._transformers())
        return {**state, "_registered": found} if found else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        register_all(state.pop("_registered", {}))
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            steps = acting(self.steps)
            read = [get_tags(step).input_tags for _, step in steps]
            columnwise = all(rule_of(step).columnwise for _, step in steps[:-1])
        except (ValueError, AttributeError, TypeError):
            # Steps are no list of pairs, which `fit` says.
            return tags
        tags.input_tags.categorical = read[0].categorical
        tags.input_tags.string = read[0].string
        tags.input_tags.allow_nan = columnwise and read[-1].allow_nan
        return tags

    def get_metadata_routing(self) -> Any:
        """Get the metadata routing of the steps.

        Returns
        -------
        routing : MetadataRouter
            As scikit-learn's pipelines have it; weights go to all steps that take them
            and made no request of their own.
        """
        router = super().get_metadata_routing()
        for pair in router._route_mappings.values():
            for method in ("fit", "score"):
                request = getattr(pair.router, method, None)
                # None: takes weights, and has not said whether it wants them.
                if request is not None and None is request.requests.get(_WEIGHT, ""):
                    request.add_request(param=_WEIGHT, alias=True)
        return router


def make_generative_pipeline(
    *steps: Any, memory: Any = None, transform_input: Any = None, verbose: bool = False
) -> GenerativePipeline:
    """Build a `GenerativePipeline` whose steps are named by their types.

    Parameters
    ----------
    *steps : list of estimators
        Transformers, and a generator at the end.
    memory : str or object with the joblib.Memory interface, default=None
        Where to cache fitted transformers.
    transform_input : list of str, default=None
        Metadata to be transformed on its way to the steps.
    verbose : bool, default=False
        Whether to print the time that each step takes.

    Returns
    -------
    pipeline : GenerativePipeline
        The pipeline.

    See Also
    --------
    sklearn.pipeline.make_pipeline : Its model.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklgen.compose import make_generative_pipeline
    >>> from sklgen.mixture import GaussianMixture
    >>> make_generative_pipeline(StandardScaler(), GaussianMixture(2))
    GenerativePipeline(steps=[('standardscaler', StandardScaler()),
                              ('gaussianmixture', GaussianMixture(n_components=2))])
    """
    return GenerativePipeline(
        _name_estimators(steps),
        memory=memory,
        transform_input=transform_input,
        verbose=verbose,
    )
