"""DataFrames with every kind of column, and a mixture that takes little time."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklgen.mixture import TabularMixture

N = 400


def mixture(n_components=3, **options):
    options = {"random_state": 0, "max_iter": 8, **options}
    return TabularMixture(n_components, **options)


def pandas_frame(n=N, seed=0):
    """Every kind of column, most with missing cells."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)

    def holes(values, share=0.1):
        gone = rng.random(n) < share
        return pd.Series(values).mask(gone)

    sizes = pd.CategoricalDtype(["S", "M", "L", "XL"], ordered=True)
    frame = pd.DataFrame(
        {
            "category": holes(
                pd.Categorical(rng.choice(["u", "v"], n), ["w", "v", "u"])
            ),
            "ordered": pd.Series(
                np.array(list(sizes.categories[:3]))[
                    np.clip(np.rint(z + 1), 0, 2).astype(int)
                ]
            ).astype(sizes),
            "text": holes(rng.choice(["cat", "dog", "cow"], n)),
            "string": holes(rng.choice(["north", "south"], n)).astype("string"),
            "flag": z > 0,
            "nullable_flag": holes(pd.array(rng.random(n) < 0.3, dtype="boolean")),
            "whole": np.rint(50 + 20 * z).astype(np.int32),
            "nullable_whole": holes(
                pd.array(np.rint(300 * z + 9 * rng.normal(size=n)), dtype="Int64")
            ),
            "amount": holes(np.where(rng.random(n) < 0.5, 0.0, rng.gamma(2, 3, n))),
            "single": (z + rng.normal(size=n)).astype(np.float32),
            "when": holes(
                pd.Timestamp("2024-03-01", tz="Europe/Berlin")
                + pd.to_timedelta(rng.integers(0, 10**6, n), unit="min")
            ),
            "lasted": holes(pd.to_timedelta(rng.exponential(5000, n).astype(int), "s")),
            "constant": np.full(n, 7),
            "nothing": np.full(n, np.nan),
            "id": [f"name {i % 150}" for i in rng.permutation(n)],
        }
    )
    frame.index = pd.Index(np.arange(n) * 3 + 5, name="row")
    return frame


def polars_frame(n=N, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)

    def gone(values):
        missing = rng.random(n) < 0.1
        return [None if m else v for v, m in zip(values, missing, strict=True)]

    start = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
    return pl.DataFrame(
        {
            "enum": pl.Series(
                gone(rng.choice(["S", "L"], n).tolist()), dtype=pl.Enum(["S", "M", "L"])
            ),
            "text": gone(rng.choice(["cat", "dog"], n).tolist()),
            "flag": gone((z > 0).tolist()),
            "whole": pl.Series(
                gone(np.rint(50 + 90 * z).astype(int).tolist()), dtype=pl.Int16
            ),
            "x": gone((2 * z).tolist()),
            "when": pl.Series(
                [
                    start + datetime.timedelta(hours=int(h))
                    for h in rng.integers(0, 9999, n)
                ],
            ).dt.convert_time_zone("Asia/Tokyo"),
            "day": [
                datetime.date(2020, 1, 1) + datetime.timedelta(int(d))
                for d in rng.integers(0, 700, n)
            ],
            "nothing": pl.Series([None] * n, dtype=pl.Float64),
        }
    )


FRAMES = {"pandas": pandas_frame, "polars": polars_frame}
each = pytest.mark.parametrize("library", FRAMES)
