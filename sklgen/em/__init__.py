"""The fitting loop of every latent-variable model, and where its sums run."""

from sklgen.em._loop import Run, best, blend, first_best, run, warn_unconverged
from sklgen.em._rows import Block, Rows
from sklgen.em._sequences import Bundle, Sequences
from sklgen.em._tasks import Scratch
from sklgen.em._threads import n_threads, single_threaded_libraries

__all__ = [
    "Block",
    "Bundle",
    "Rows",
    "Run",
    "Scratch",
    "Sequences",
    "best",
    "blend",
    "first_best",
    "n_threads",
    "run",
    "single_threaded_libraries",
    "warn_unconverged",
]
