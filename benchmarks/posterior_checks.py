"""Seconds that all checks of the default posterior take.

    python benchmarks/posterior_checks.py

They are scikit-learn's and those of the contract, with libraries held to one thread.
The first fit, which reads compiled code from disk, is apart.
"""

import time
import warnings
from unittest import SkipTest

import numpy as np
from sklearn.utils.estimator_checks import estimator_checks_generator
from threadpoolctl import threadpool_limits

from sklgen.mcmc import PosteriorSampler
from sklgen.utils.estimator_checks import check_generator


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def checked():
    """Seconds of each of scikit-learn's checks, the longest first."""
    seconds = {}
    for estimator, check in estimator_checks_generator(PosteriorSampler()):
        name = check.func.__name__
        try:
            passed = timed(lambda check=check, model=estimator: check(model))
        except SkipTest:
            continue
        seconds[name] = seconds.get(name, 0.0) + passed
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def main():
    warnings.simplefilter("ignore")
    X = np.random.default_rng(0).normal(size=(150, 2))
    print(f"first fit            {timed(lambda: PosteriorSampler().fit(X)):7.2f} s")
    print(f"fit                  {timed(lambda: PosteriorSampler().fit(X)):7.2f} s")
    seconds = checked()
    print(f"scikit-learn's checks{sum(seconds.values()):7.2f} s")
    for name, passed in list(seconds.items())[:3]:
        print(f"    {name} {passed:.2f} s")
    contract = timed(lambda: check_generator(PosteriorSampler()))
    print(f"contract             {contract:7.2f} s")


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
