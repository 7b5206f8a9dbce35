"""Starts the program of a node. It imports nothing heavy itself."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn


def start(node: str) -> NoReturn:
    """Run `main` of the module icl_mesh_ros.nodes.<node>, and end the process with its status.

    Ends with one sentence, status 1, where a library or the compiled kernels are missing.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # exit cleanly on Ctrl-C while libraries load
        signal.signal(number, lambda *_: os._exit(0))
    # Before numpy is imported: OpenBLAS threads spin for 25 ms after a product and block their
    # cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        main = importlib.import_module(f"icl_mesh_ros.nodes.{node}").main
    except ImportError as error:
        print(f"{node}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    status = main()
    sys.stdout.flush()
    # Not SystemExit: PyTorch's teardown takes seconds, and an inference may still run.
    os._exit(status)
