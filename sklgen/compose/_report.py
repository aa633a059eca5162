"""A comparison as one HTML page, which loads nothing."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sklgen.compose._compare_parts import INDEPENDENT, MEASURES, REAL

if TYPE_CHECKING:
    from sklgen.compose._comparison import Comparison

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72em;
       margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3em .7em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child { text-align: left; }
tr.anchor { color: #777; font-style: italic; } td.best { font-weight: 700; }
img { max-width: 100%; height: auto; } dt { font-weight: 600; }
figure { margin: 1em 0; } figcaption { color: #555; }
dd { margin: 0 0 .4em 1.5em; } .failed { color: #a00; } .scroll { overflow-x: auto; }
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of generative models</title>
<style>{style}</style>
</head>
<body>
<h1>Comparison of generative models</h1>
{body}
</body>
</html>
"""
# At these the AUC and the share of closest records are best.
_IDEALS = {"c2st_auc": 0.5, "closest_record_share": 0.5}


def render(comparison: Comparison) -> str:
    """The page.

    Parameters
    ----------
    comparison : Comparison
        What was found.

    Returns
    -------
    html : str
        The page; all names and values are escaped.
    """
    table = comparison.table
    parts = [
        _introduction(comparison),
        f'<div class="scroll">{html_table(table)}</div>',
        _failures(comparison),
        picture(comparison.plot().figure_, "The measures of each fold of each model"),
        "<h2>Measures</h2>",
        _legend(table),
    ]
    for name, draws in comparison.draws.items():
        if draws is not None:
            parts += _pictures(name, comparison.real, draws)
    return _PAGE.format(style=_STYLE, body="\n".join(parts))


def html_table(table: Any) -> str:
    """A table of measures; the best value of each among models is bold.

    Parameters
    ----------
    table : pandas DataFrame
        Measures, one row a model.

    Returns
    -------
    html : str
        The table.
    """
    best = {name: _best(table, name) for name in table.columns}
    head = "".join(f"<th>{escape(_spaced(name))}</th>" for name in table.columns)
    rows = []
    for model, row in table.iterrows():
        cells = "".join(
            f'<td class="best">{_number(value)}</td>'
            if model == best[name]
            else f"<td>{_number(value)}</td>"
            for name, value in row.items()
        )
        kind = ' class="anchor"' if model in (REAL, INDEPENDENT) else ""
        rows.append(f"<tr{kind}><th>{escape(str(model))}</th>{cells}</tr>")
    return (
        f"<table><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def picture(figure: Any, title: str) -> str:
    """A figure as an image within the page, with a caption; the figure is closed.

    Parameters
    ----------
    figure : matplotlib Figure
        The figure.
    title : str
        What it shows.

    Returns
    -------
    html : str
        The image and its caption.
    """
    from sklgen.plotting._parts import close

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    close(figure)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = f'<img alt="{escape(title)}" src="data:image/png;base64,{code}">'
    return f"<figure>{image}<figcaption>{escape(title)}</figcaption></figure>"


def _introduction(comparison: Comparison) -> str:
    n_folds = max(len(folds) for folds in comparison.measures.values())
    text = (
        f"Means over {n_folds} folds, on rows that the models have not seen. "
        f"“{REAL}” takes training rows for draws: no model should do better. "
        f"“{INDEPENDENT}” shuffles each column: whoever does no better has learned no "
        "dependence."
    )
    if comparison.target is not None:
        text += f" The column to predict is {comparison.target}."
    return f"<p>{escape(text)}</p>"


def _failures(comparison: Comparison) -> str:
    lines = [
        f"<li><b>{escape(str(name))}</b>: {escape(line)}</li>"
        for name, found in comparison.failures.items()
        for line in found
    ]
    if not lines:
        return ""
    return f'<h2>Failures</h2><ul class="failed">{"".join(lines)}</ul>'


def _legend(table: Any) -> str:
    entries = [
        f"<dt>{escape(_spaced(name))}</dt><dd>{escape(MEASURES[name][0])}</dd>"
        for name in table.columns
    ]
    return f"<dl>{''.join(entries)}</dl>"


def _pictures(name: str, real: Any, draws: Any) -> list[str]:
    from sklgen.plotting import SampleComparisonDisplay

    display = SampleComparisonDisplay.from_samples(real, draws)
    n_drawn = display.axes_.size
    which = "all columns"
    if n_drawn < len(display.real):
        which = f"the {n_drawn} columns that differ most, of {len(display.real)}"
    ends = f"{which}: draws of {name} are called synthetic"
    parts = [
        f"<h2>{escape(str(name))}</h2>",
        picture(display.figure_, f"Marginals of {ends}."),
    ]
    if len(display.real) > 1:
        display.plot(kind="correlations")
        parts.append(picture(display.figure_, f"Correlations of {ends}."))
    return parts


def _best(table: Any, name: str) -> Any:
    """The model with the best value of a measure, if there are several."""
    higher = MEASURES[name][1]
    models = table[name].drop(index=[REAL, INDEPENDENT], errors="ignore").dropna()
    if higher is None or len(models) < 2:
        return None
    values = (models - _IDEALS[name]).abs() if name in _IDEALS else models
    return values.idxmax() if higher else values.idxmin()


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.1 else f"{value:.3g}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")
