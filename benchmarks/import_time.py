"""Seconds to import sklgen against scikit-learn, each in fresh processes in turn."""

import argparse
import subprocess
import sys
from statistics import median

CODE = """
from time import perf_counter
start = perf_counter()
import {module}
print(perf_counter() - start)
"""


def seconds(module):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    modules = ["sklearn", "sklgen", "sklgen.mixture"]
    times = {module: [] for module in modules}
    for module in modules:
        seconds(module)  # fills the disk cache
    for _ in range(repeats):
        for module in modules:
            times[module].append(seconds(module))
    base = median(times["sklearn"])
    print(f"median of {repeats} interleaved runs")
    print(f"{'module':<16}{'seconds':>9}{'ratio':>8}")
    for module in modules:
        value = median(times[module])
        print(f"{module:<16}{value:>9.3f}{value / base:>8.3f}")


if __name__ == "__main__":
    main()
