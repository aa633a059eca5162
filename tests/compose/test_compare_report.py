"""Reports: one file, which runs and loads nothing, whatever the names."""

from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import FitFailedWarning

from sklgen.compose import Comparison, compare
from sklgen.compose._report import _pictures, html_table
from sklgen.mixture import TabularMixture

EVIL = '<script>alert("1")</script>'


class Evil(BaseEstimator):
    def fit(self, X, y=None):
        raise RuntimeError(EVIL)

    def sample(self, n_samples=1):
        raise NotImplementedError


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        assert not any(key.startswith("on") for key, _ in attrs)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "<b>$x_$": rng.normal(size=60),
            EVIL: rng.choice([EVIL, '"><img src=x onerror=alert(1)>', "$a$"], 60),
        }
    )
    models = {EVIL: TabularMixture(2), "evil <i>": Evil(), "other": TabularMixture(1)}
    with pytest.warns(FitFailedWarning, match="evil <i>"):
        return compare(X, models, target=EVIL, cv=2, random_state=0)


def test_report_is_one_file_with_all_names_escaped(comparison, tmp_path):
    before = plt.get_fignums()
    html = comparison.to_html(tmp_path / "report.html")
    assert plt.get_fignums() == before
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    page = Tags()
    page.feed(html)
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td", "img", "ul", "li", "b"}
    assert {*page.tags} <= allowed | {"dl", "dt", "dd", "figure", "figcaption"}
    # One picture of the table, and two of each table of draws.
    assert len(page.sources) == 1 + 2 * 4
    assert all(one.startswith("data:image/png;base64,") for one in page.sources)
    assert page.text.count(EVIL) == 2  # in the table, and above its pictures
    assert "RuntimeError: " + EVIL in "".join(page.text)
    assert "http" not in html


def test_best_of_each_measure_is_bold():
    measures = {
        "real against real": [{"energy": 0.0, "coverage": 1.0, "c2st_auc": 0.5}],
        "low": [{"energy": 0.0123, "coverage": 0.2, "c2st_auc": 0.2}],
        "high": [{"energy": 0.3, "coverage": 0.9, "c2st_auc": 0.55}],
        "none": [{}],
    }
    html = html_table(Comparison(measures, real=None, draws={}).table)
    low, high, none = (html.split(f"<th>{k}</th>")[1] for k in ("low", "high", "none"))
    assert low.startswith('<td class="best">0.0123</td><td>0.200</td><td>')
    assert high.startswith(
        '<td>0.300</td><td class="best">0.550</td><td class="best">0.900</td>'
    )
    assert none.startswith("<td></td><td></td><td></td>")


def test_captions_say_which_columns_are_drawn():
    X = np.random.default_rng(0).normal(size=(20, 26))
    assert "Marginals of all columns" in _pictures("it", X[:, :3], X[:, 3:6])[1]
    for part in _pictures("it", X, X)[1:]:
        assert "of the 24 columns that differ most, of 26: draws of it" in part


def test_text_and_notebooks_show_the_table(comparison):
    assert "closest_record_share" in repr(comparison)
    assert "independent columns" in repr(comparison)
    assert EVIL not in comparison._repr_html_()


def test_picture_has_a_panel_for_each_measure(comparison):
    display = comparison.plot()
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == [
        name.replace("_", " ")
        for name in comparison.table.columns
        if name != "c2st_std_error"
    ]
    means = [bar.get_xdata()[0] for bar in display.axes_[titles.index("energy")].lines]
    assert means == pytest.approx(comparison.table["energy"].dropna().tolist())
    plt.close(display.figure_)
