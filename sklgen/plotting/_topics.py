"""Topics with their top words."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.plotting._parts import colours_of, given_axes

# Most axes side by side.
_COLUMNS = 5


class TopicsDisplay:
    """Top words of topics, as bars as long as the words are probable.

    Make one with `from_estimator`, which draws it.

    Parameters
    ----------
    words : dict of int to list
        The words to draw of each topic, the most probable first, by its number.
    probabilities : ndarray of shape (n_topics, n_words)
        Probabilities of these words in all topics.
    shares : ndarray of shape (n_topics,)
        Share of the tokens in each of all topics.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes
        One for each topic that was drawn.
    bars_ : list of matplotlib BarContainer
        The bars of each of these topics.

    See Also
    --------
    DocumentsDisplay : Documents by their shares of topics, in the same colours.
    sklgen.topics.LatentDirichletAllocation : A model whose topics can be drawn.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.plotting import TopicsDisplay
    >>> from sklgen.topics import LatentDirichletAllocation
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> vectorizer = CountVectorizer()
    >>> X = vectorizer.fit_transform(texts)
    >>> model = LatentDirichletAllocation(2, random_state=0).fit(X)
    >>> display = TopicsDisplay.from_estimator(
    ...     model, feature_names=vectorizer.get_feature_names_out(), n_words=4
    ... )
    >>> [len(bars) for bars in display.bars_]
    [4, 4]
    """

    def __init__(
        self, words: dict[int, list[Any]], probabilities: Array, shares: Array
    ) -> None:
        self.words = words
        self.probabilities = probabilities
        self.shares = shares

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: Any = None,
        n_words: int = 10,
        topics: Any = None,
        ax: Any = None,
        cmap: Any = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the top words of the topics of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted topic model.
        feature_names : array-like of shape (n_features,), default=None
            Names of the words, as a vectorizer's `get_feature_names_out` gives them.
            None takes those of the DataFrame that `fit` saw, or positions.
        n_words : int, default=10
            Number of words of each topic.
        topics : int or array-like of int, default=None
            The topics to draw, in this order. None draws all.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each topic. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of all topics. None takes one that tells that many apart.
        bar_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.barh`.

        Returns
        -------
        display : TopicsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a topic is unknown, or there is not one `ax` for each topic.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        words = estimator.top_words(n_words, feature_names=feature_names)
        tokens = estimator.components_.sum(axis=1)
        falling = -np.sort(-estimator.components_, axis=1)[:, : len(words[0])]
        display = cls(
            {k: words[k] for k in _known(topics, len(words))},
            falling / tokens[:, None],
            tokens / tokens.sum(),
        )
        return display.plot(ax=ax, cmap=cmap, bar_kw=bar_kw)

    def plot(
        self,
        *,
        ax: Any = None,
        cmap: Any = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the topics.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each topic. None makes a figure, in which all bars
            have one scale.
        cmap : str or matplotlib Colormap, default=None
            Colours of all topics. None takes one that tells that many apart.
        bar_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.barh`.

        Returns
        -------
        display : TopicsDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        n_words = self.probabilities.shape[1]
        self.axes_ = _one_a_topic(ax, len(self.words), n_words)
        self.figure_ = self.axes_[0].figure
        self.bars_: list[Any] = []
        colours = colours_of(len(self.shares), cmap)
        places = np.arange(n_words)
        for axes, (topic, words) in zip(self.axes_, self.words.items(), strict=True):
            style = {"color": colours[topic], "height": 0.75} | (bar_kw or {})
            self.bars_.append(axes.barh(places, self.probabilities[topic], **style))
            axes.set_yticks(places, [str(word) for word in words], fontsize="small")
            axes.set_ylim(n_words - 0.5, -0.5)
            axes.tick_params(axis="y", length=0)
            axes.tick_params(axis="x", labelsize="small")
            axes.locator_params(axis="x", nbins=3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(
                f"topic {topic}: {_percent(self.shares[topic])}", fontsize="medium"
            )
        return self


def _known(topics: Any, n_topics: int) -> list[int]:
    """The topics to draw, checked."""
    if topics is None:
        return list(range(n_topics))
    wanted = np.atleast_1d(np.asarray(topics))
    for topic in wanted.tolist():
        if topic not in range(n_topics):
            raise ValueError(
                f"topics has {topic!r}: the topics of this model are numbered from 0 "
                f"to {n_topics - 1}."
            )
    if not len(wanted):
        raise ValueError("topics is empty: give one topic or more, or None for all.")
    return [int(topic) for topic in wanted]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share > 0.0995 else f"{100 * share:.1f} %"


def _one_a_topic(ax: Any, n: int, n_words: int) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        n_columns = min(n, _COLUMNS)
        n_rows = -(-n // n_columns)
        size = (2.3 * n_columns, (0.6 + 0.19 * n_words) * n_rows)
        _, made = plt.subplots(
            n_rows, n_columns, sharex=True, squeeze=False, figsize=size,
            layout="constrained",
        )  # fmt: skip
        for axes in made.flat[n:]:
            axes.remove()
        for axes in made.flat[max(n - n_columns, 0) : n]:
            axes.tick_params(labelbottom=True)
        return np.asarray(made.flat[:n])
    return given_axes(ax, n, "topics")
