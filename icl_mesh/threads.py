"""How many threads PyTorch's operations take, and numpy's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch's operations of the calling thread take so many threads meanwhile.

    Several only pay for a network. Each operation ends when the last of its threads has had a core:
    on a machine with other work, as every robot is, the hundred small ones around the network wait
    for that a hundred times, and even on an idle one they are no faster. Other threads keep their
    number, save those that first use PyTorch meanwhile.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_openblas_thread() -> None:
    """In processes that are started from now on, unless the user has chosen: numpy's OpenBLAS reads
    it when it is loaded. Its threads spin for some 25 ms after a product, on the cores of the other
    processes."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
