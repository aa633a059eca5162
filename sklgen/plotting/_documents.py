"""Documents by their shares of topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.plotting._parts import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Most labels of a legend; more are written among the documents.
_ENTRIES = 20


class DocumentsDisplay:
    """Documents as dots that are near each other where they share topics.

    Make one with `from_estimator`, which draws it.

    Parameters
    ----------
    places : ndarray of shape (n_samples, 2)
        Where the documents are.
    labels : ndarray of shape (n_samples,)
        What documents are coloured by.
    names : dict of label to str
        Name of each label that has a colour, in the order of colours.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    dots_ : list of matplotlib PathCollection
        The documents of each label that occurs.

    See Also
    --------
    TopicsDisplay : The words of topics, in the same colours.
    sklgen.topics.LDAMixture : A model that finds clusters of documents, too.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.plotting import DocumentsDisplay
    >>> from sklgen.topics import LatentDirichletAllocation
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> X = CountVectorizer().fit_transform(texts)
    >>> model = LatentDirichletAllocation(2, random_state=0).fit(X)
    >>> display = DocumentsDisplay.from_estimator(model, X)
    >>> [dots.get_label() for dots in display.dots_]
    ['topic 0', 'topic 1']
    """

    def __init__(
        self, places: Array, labels: NDArray[Any], names: dict[Any, str]
    ) -> None:
        self.places = places
        self.labels = labels
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        projection: Any = None,
        feature_names: Any = None,
        ax: Any = None,
        cmap: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw documents by their shares of topics.

        Square roots of the shares are what is projected: their distance is that of
        Hellinger, which no rare topic is too small for. Two principal components show
        few topics; for many, give a `projection`. More than 20 labels are written among
        their documents, as a legend of so many colours cannot be read.

        Parameters
        ----------
        estimator : estimator
            A fitted topic model.
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words.
        y : array-like of shape (n_samples,), default=None
            What documents are coloured by. None takes their clusters, or of a model
            without clusters the dominant topic.
        projection : estimator, default=None
            Turns the roots of shares into two columns by `fit_transform`, such as
            `sklearn.manifold.TSNE(random_state=0)`. None takes the two principal
            components.
        feature_names : array-like of shape (n_features,), default=None
            Names of the words. Where they are given and colours stand for topics,
            topics are named by their top words.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the labels. None takes one that tells that many apart.
        scatter_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : DocumentsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If the projection has not two columns, or `y` not one label a document.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        roots = np.sqrt(estimator.transform(X))
        if y is not None:
            labels = column_or_1d(np.asarray(y))
            check_consistent_length(roots, labels)
            names = {label: str(label) for label in np.unique(labels)}
        elif hasattr(estimator, "predict_proba"):
            labels = estimator.predict(X)
            names = {c: f"cluster {c}" for c in range(len(estimator.weights_))}
        else:
            labels = roots.argmax(axis=1)
            names = _topic_names(estimator, feature_names)
        display = cls(_projected(roots, projection), labels, names)
        return display.plot(ax=ax, cmap=cmap, scatter_kw=scatter_kw)

    def plot(
        self,
        *,
        ax: Any = None,
        cmap: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the documents.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the labels. None takes one that tells that many apart.
        scatter_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : DocumentsDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(8.0, 5.0), layout="constrained")
        self.ax_ = ax
        self.figure_ = ax.figure
        self.dots_: list[Any] = []
        size = float(np.clip(4000 / max(len(self.places), 1), 8.0, 40.0))
        style = {"s": size, "alpha": 0.7, "linewidths": 0} | (scatter_kw or {})
        colours = colours_of(len(self.names), cmap)
        for (label, name), colour in zip(self.names.items(), colours, strict=True):
            own = self.places[self.labels == label]
            if len(own):
                given = {"color": colour, "label": name} | style
                self.dots_.append(ax.scatter(*own.T, **given))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_aspect("equal", adjustable="datalim")
        name_dots = _legend if len(self.dots_) <= _ENTRIES else _name_in_place
        name_dots(ax, self.dots_)
        return self


def _topic_names(estimator: Any, feature_names: Any) -> dict[int, str]:
    n_topics = len(estimator.components_)
    if feature_names is None:
        return {k: f"topic {k}" for k in range(n_topics)}
    n_words = 3 if n_topics <= _ENTRIES else 1
    words = estimator.top_words(n_words, feature_names=feature_names)
    return {k: f"{k}: {', '.join(map(str, own))}" for k, own in enumerate(words)}


def _projected(roots: Array, projection: Any) -> Array:
    """Two columns; one topic alone, or one document, has no second direction."""
    if projection is None:
        n = min(2, *roots.shape)
        with np.errstate(invalid="ignore", divide="ignore"):  # ratios that are not read
            found = PCA(n, svd_solver="full").fit_transform(roots)
        return np.pad(found, [(0, 0), (0, 2 - n)])
    found = np.asarray(projection.fit_transform(roots))
    if found.shape != (len(roots), 2):
        raise ValueError(
            f"projection gives shape {found.shape} for {len(roots)} documents: it "
            "must give two columns, as n_components=2 does."
        )
    return found


def _legend(ax: Axes, dots: list[Any]) -> None:
    legend = ax.legend(
        dots,
        [own.get_label() for own in dots],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize="small",
        handletextpad=0.2,
    )
    for handle in filter(None, legend.legend_handles):
        handle.set(alpha=1.0, sizes=[30.0])


def _name_in_place(ax: Axes, dots: list[Any]) -> None:
    """Write the label of documents at the one of them in the middle."""
    from matplotlib.patheffects import withStroke

    for own in dots:
        places = np.asarray(own.get_offsets())
        away = ((places - np.median(places, axis=0)) ** 2).sum(axis=1)
        ax.annotate(
            own.get_label(),
            places[away.argmin()],
            ha="center",
            va="center",
            fontsize="x-small",
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )
