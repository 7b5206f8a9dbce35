"""Numbers of threads of PyTorch's and numpy's operations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Set the number of threads of PyTorch's operations in the calling thread.

    Several threads pay off for the network only. An operation ends when its last thread ends: on a
    busy machine, such as a robot, each of about 100 small operations waits for a core, and on an
    idle one they are no faster. Other threads keep their number, except those that first use
    PyTorch inside the context.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_openblas_thread() -> None:
    """Limit OpenBLAS to one thread in processes started later, unless the user has set a number.

    numpy's OpenBLAS reads the variable when it is loaded. After a product its threads spin for
    about 25 ms, which delays other processes.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
