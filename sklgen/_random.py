"""The seed policy of the package: one place where a `random_state` becomes bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state


def as_generator(random_state: Any) -> np.random.Generator:
    """Turn scikit-learn's `random_state` into a generator of its own.

    An int gives the same stream each time; a `RandomState` gives a new stream at
    each call and advances; `None` takes fresh entropy from the operating system, so
    that numpy's global state is neither read nor moved.
    """
    if random_state is None:
        return np.random.default_rng()
    source = check_random_state(random_state)
    return np.random.default_rng(source.randint(2**32, size=4, dtype=np.uint64))


def seeded(estimator: Any, seed: int) -> Any:
    """The estimator with every `random_state` set that was None, of its parts too."""
    unset = {
        key: seed
        for key, value in estimator.get_params(deep=True).items()
        if value is None and key.rpartition("__")[2] == "random_state"
    }
    return estimator.set_params(**unset) if unset else estimator
