"""How a table that ships with the package is read."""

import csv
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

_FOLDER = Path(__file__).parent / "data"


def load_table(
    loader: Callable[..., Any],
    *,
    return_X_y: bool,
    as_frame: bool,
    target_name: str | None = None,
    categories: tuple[str, ...] = (),
) -> Any:
    """Read the table that `loader` is named after.

    The columns named in `categories` appear in the frame alone: an array has numbers.
    """
    path = _FOLDER / f"{loader.__name__.removeprefix('load_')}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    frame = target = target_names = None
    if target_name is not None:
        target_names, target = np.unique(columns.pop(target_name), return_inverse=True)
    if as_frame:
        labels = [*categories, target_name] if target_name else categories
        frame = _read_frame(path, labels, loader.__name__)
        data = frame[list(columns)]
        target = frame[target_name] if target_name else None
    else:
        for name in categories:
            del columns[name]
        data = np.column_stack(
            [[float(cell or "nan") for cell in cells] for cells in columns.values()]
        )
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=target_names,
        feature_names=list(columns),
        frame=frame,
        DESCR=(inspect.getdoc(loader) or "").partition("\n\nParameters\n")[0],
        filename=path.name,
        data_module="sklgen.datasets.data",
    )


def _read_frame(path: Path, labels: Iterable[str], loader_name: str) -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"{loader_name}(as_frame=True) needs pandas, which is not installed. "
            "Install it with `pip install pandas`, or pass as_frame=False for arrays."
        ) from error
    return pd.read_csv(path, dtype=dict.fromkeys(labels, "category"))
