"""Torch's generators and threads, held for a while and given back as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# The generator that modules and distributions draw from belongs to the process.
_lock = threading.RLock()


@contextmanager
def seeded(generator: torch.Generator, seed: int) -> Iterator[None]:
    """Seed a generator, and for a while that of modules, which take no other."""
    device = generator.device
    devices = [device.index or 0] if device.type == "cuda" else []
    with _lock, torch.random.fork_rng(devices=devices):
        for own in (
            generator,
            torch.default_generator,
            *(torch.cuda.default_generators[k] for k in devices),
        ):
            own.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread: others wait for each other, and round differently."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
