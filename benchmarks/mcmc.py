"""Posterior samplers against each other: effective draws per second of a processor.

Four chains of 1000 draws after 1000 of warm-up (250 after 250 of the tall one), in
double precision, from where each package starts on its own:

gaussian   100 dimensions, autoregressive correlation 0.9, scales from 0.1 to 10.
schools    Eight schools, non-centred, with three times as many seeds.
logistic   Logistic regression with 1000 rows and 25 correlated columns.
tall       Logistic regression with 100,000 rows and 21 columns.
first      Seconds from the start of Python to the draws of eight schools, after a run
           before that has left what packages keep on disk.

Each package runs in a process of its own, on one processor. Seconds are those that it
worked, over all threads, in warm-up and sampling; what compiles or traces before is
told apart, and imports are left out. Bulk and tail are the least effective sample sizes
over parameters, by the code of sklgen for all: medians over seeds. Walkers of ensembles
are chains. A ratio is to the best package other than sklgen of the same run, among
those with an R-hat below 1.05 that have found the same means. numpyro, blackjax, nutpie
(with PyMC) and emcee are left out where they are not installed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from statistics import median

import numpy as np
from mcmc_samplers import OURS, PEERS, SAMPLERS

LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
# Short runs are repeated until they have taken so many seconds; the least one counts.
LEAST_SECONDS, MOST_REPEATS = 2.0, 5
# R-hat beyond which a run has failed, and standard errors that means may differ by.
HIGHEST_R_HAT, APART = 1.05, 6.0


def worked():
    """Seconds that processors worked for this process, children included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure(name, kind, seeds):
    """Print what a sampler takes and finds, as JSON."""
    from mcmc_targets import TARGETS

    from sklgen.mcmc._diagnostics import ess_bulk, ess_mean, ess_tail, r_hat

    target = TARGETS[kind]()
    sampler = SAMPLERS[name](target)
    if not sampler.takes():
        print("null")
        return
    for module in sampler.modules:
        import_module(module)
    start = worked()
    run = sampler.prepare()
    told = {"compile": worked() - start, "runs": []}
    for seed in range(1, seeds * target.runs + 1):
        seconds, raw = [], None
        while len(seconds) < MOST_REPEATS and sum(seconds) < LEAST_SECONDS:
            start = worked()
            raw = run(seed)
            seconds.append(worked() - start)
        x = sampler.unpack(raw)
        told["runs"].append(
            [min(seconds), ess_bulk(x).min(), ess_tail(x).min(), r_hat(x).max()]
        )
    told["means"] = x.mean(axis=(0, 1)).tolist()
    told["errors"] = (x.std(axis=(0, 1)) / np.sqrt(ess_mean(x))).tolist()
    print(json.dumps(told))


def first(name):
    """Draw from eight schools as users do, and end."""
    from mcmc_targets import Schools

    target = Schools()
    if name in PEERS:
        sampler = PEERS[name](target)
        sampler.unpack(sampler.prepare()(1))
        return
    from sklgen.mcmc import DensitySampler, PosteriorClassifier, PosteriorSampler

    if name == "sklgen, NumPy":
        DensitySampler(target.numpy, 10, grad=True, random_state=0).fit()
    elif name == "sklgen, numba":
        function, args = target.compiled()
        DensitySampler(function, 10, args=args, random_state=0).fit()
    elif name == "sklgen, torch":
        from mcmc_models import SchoolsModel

        X = target.sigma[:, None]
        PosteriorSampler(SchoolsModel(), random_state=0).fit(X, target.y)
    elif name == "sklgen, ready-made":
        X = target.sigma[:, None]
        PosteriorClassifier(random_state=0).fit(X, target.y > 0.0)


def child(*options):
    """Run this script in a process with one processor; the last line it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, *options],
        env=os.environ | LIMITS, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip().rpartition("\n")[2]


def agree(one, other):
    """Whether means are the same, as far as their errors tell."""
    for a, b, s, t in zip(
        one["means"], other["means"], one["errors"], other["errors"], strict=True
    ):
        if abs(a - b) > APART * (s * s + t * t) ** 0.5:
            return False
    return True


def medians(told):
    """Seconds, bulk, tail, R-hat, and bulk and tail in a second."""
    rows = [[*run, run[1] / run[0], run[2] / run[0]] for run in told["runs"]]
    return [median(column) for column in zip(*rows, strict=True)]


def compare(kind, names, seeds):
    print(
        f"{'':<22}{'compile':>8}{'seconds':>9}{'bulk':>7}{'tail':>7}{'R-hat':>7}"
        f"{'bulk/s':>9}{'tail/s':>9}"
    )
    all_told = {}
    for name in names:
        told = json.loads(child("--measure", name, kind, str(seeds)))
        if told is None:
            continue
        all_told[name] = told
        seconds, bulk, tail, r_hat, bulk_rate, tail_rate = medians(told)
        print(
            f"{name:<22}{told['compile']:>8.2f}{seconds:>9.3f}{bulk:>7.0f}{tail:>7.0f}"
            f"{r_hat:>7.3f}{bulk_rate:>9.0f}{tail_rate:>9.0f}",
            flush=True,
        )
    reference = next(iter(all_told), None)
    good = {}
    for name, told in all_told.items():
        if medians(told)[3] >= HIGHEST_R_HAT:
            print(f"{name} has not converged")
        elif not agree(told, all_told[reference]):
            print(f"{name} has other means than {reference}")
        else:
            good[name] = medians(told)
    tell_ratios(good)


def tell_ratios(good):
    for what, at in (("bulk", 4), ("tail", 5)):
        rates = {name: found[at] for name, found in good.items()}
        peers = {name: rate for name, rate in rates.items() if name in PEERS}
        if not peers:
            return
        best = max(peers, key=peers.get)
        each = ", ".join(
            f"{name.removeprefix('sklgen, ')} {rate / peers[best]:.2f}"
            for name, rate in rates.items()
            if name in OURS
        )
        print(f"{what} ESS over that of {best}: {each}")


def compare_first(names, repeats):
    print(f"{'':<22}{'wall':>8}{'processor':>11}")
    for name in names:
        if name in ("sklgen, ensemble", "emcee, DE + snooker"):
            continue
        times = []
        for _ in range(1 + repeats):
            start, before = time.perf_counter(), worked()
            child("--first", name)
            times.append((time.perf_counter() - start, worked() - before))
        wall, processor = (median(x) for x in zip(*times[1:], strict=True))
        print(f"{name:<22}{wall:>8.2f}{processor:>11.2f}", flush=True)


KINDS = ["gaussian", "schools", "logistic", "tall", "first"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--first", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure or options.first:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        if options.first:
            first(options.first)
        else:
            name, kind, seeds = options.measure
            measure(name, kind, int(seeds))
        return
    names = [name for name in options.samplers if SAMPLERS[name].is_installed()]
    for kind in options.targets:
        print(f"\n{kind}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        if kind == "first":
            compare_first(names, options.seeds)
        else:
            compare(kind, names, options.seeds)


if __name__ == "__main__":
    main()
