"""What a comparison of models found: a table, a picture, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._optional_dependencies import check_pandas_support

from sklgen.compose._compare_parts import MEASURES


class Comparison:
    """What `compare` found.

    Parameters
    ----------
    measures : dict of list of dict
        Measures by name, of each fold of each model.
    real : array-like or DataFrame
        Rows that no model has seen, of the first fold.
    draws : dict
        Draws of each model on the first fold; None for those that failed.
    failures : dict of list of str, default=None
        What went wrong, by name of the model.
    target : str or int, default=None
        The column that was predicted.

    See Also
    --------
    compare : Makes it.

    Examples
    --------
    >>> from sklgen.compose import Comparison
    >>> comparison = Comparison(
    ...     {"a": [{"energy": 0.25}, {"energy": 0.75}]}, real=None, draws={}
    ... )
    >>> comparison.table["energy"].tolist()
    [0.5]
    """

    def __init__(
        self,
        measures: dict[str, list[dict[str, float]]],
        *,
        real: Any,
        draws: dict[str, Any],
        failures: dict[str, list[str]] | None = None,
        target: Any = None,
    ) -> None:
        self.measures = measures
        self.real = real
        self.draws = draws
        self.failures = failures or {}
        self.target = target

    @property
    def folds(self) -> Any:
        """The measures of each fold.

        Returns
        -------
        folds : pandas DataFrame
            One row for each model and fold, one column for each measure.
        """
        pandas = check_pandas_support("Comparison.folds")
        rows = {
            (name, k): fold
            for name, folds in self.measures.items()
            for k, fold in enumerate(folds)
        }
        found = {name for fold in rows.values() for name in fold}
        index = pandas.MultiIndex.from_tuples(rows, names=["model", "fold"])
        columns = [name for name in MEASURES if name in found]
        return pandas.DataFrame(list(rows.values()), index=index, columns=columns)

    @property
    def table(self) -> Any:
        """The means over folds.

        Returns
        -------
        table : pandas DataFrame
            One row for each model, anchors first and last, one column for each measure;
            NaN where a model has none, or failed in any fold.
        """
        folds = self.folds
        grouped = folds.groupby("model", sort=False)
        table = grouped.agg(lambda values: values.mean(skipna=False))
        if "c2st_std_error" in table:
            k = len(folds) // len(table)
            # Folds share training rows: correlated by about the share held out.
            shrink = (2.0 - 1.0 / k) / k
            squares = grouped["c2st_std_error"].agg(
                lambda errors: (errors**2).mean(skipna=False)
            )
            table["c2st_std_error"] = np.sqrt(shrink * squares)
        return table.rename_axis(None)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the measures of all models.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            Where to draw, one for each measure. None makes a figure.

        Returns
        -------
        display : sklgen.plotting.ModelComparisonDisplay
            What was drawn.
        """
        from sklgen.plotting import ModelComparisonDisplay

        return ModelComparisonDisplay.from_comparison(self, ax=ax)

    def to_html(self, path: Any = None) -> str:
        """Write a report that needs no other file.

        It has the table, a picture of it, what the measures mean, what failed, and
        pictures of the draws of each model beside real rows. These show cells of real
        rows: think before you hand it on.

        Parameters
        ----------
        path : str or path-like, default=None
            Where to write it. None writes no file.

        Returns
        -------
        html : str
            The report.
        """
        from sklgen.compose._report import render

        html = render(self)
        if path is not None:
            Path(path).write_text(html, encoding="utf-8")
        return html

    def __repr__(self) -> str:
        """The table as text."""
        return str(self.table.round(3).to_string())

    def _repr_html_(self) -> str:
        """The table in notebooks."""
        from sklgen.compose._report import html_table

        return html_table(self.table)
