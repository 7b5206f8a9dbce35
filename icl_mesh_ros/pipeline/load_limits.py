"""Limits on what a caller of ~/update_model can load: which files, how long, how much memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Generic, TypeVar

from icl_mesh.weights import default_weights_path, load_input_size

Result = TypeVar("Result")

#: Upper estimate of the memory that loading takes, above the measurements of all networks: copies
#: of the weights in the engines that are tried, and feature maps per input pixel.
_COPIES_OF_THE_FILE = 12
_BYTES_PER_PIXEL = 300
_BASE_MB = 100.0


def confined(weights: str, folder: str) -> str:
    """The weights if they may be opened: 'default', or a path with links resolved.

    folder: the only folder that may hold weights, and the base of relative names; empty: any
    folder may. Raises ValueError for a path outside the folder, also by `..` or by a link.
    """
    if not folder or weights == "default":
        return weights
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"weights_folder '{folder}' is no folder: make it, or name another")
    try:
        path = Path(root, weights).resolve()
    except (OSError, ValueError, RuntimeError):  # name too long, null byte in it, circular links
        path = Path("/")
    if not path.is_relative_to(root):
        raise ValueError(
            f"weights {weights[:200]!r} lie outside of weights_folder '{folder}': copy the file "
            "into it, or start the node with another weights_folder"
        )
    return str(path)


def check_memory(weights: str, limit_mb: float) -> None:
    """Raise ValueError if loading a weights file may take more than limit_mb (0: more than the
    free memory). Accepts a file that cannot be read: load_weights refuses it."""
    path = default_weights_path() if weights == "default" else Path(weights)
    try:
        pixels, file_mb = load_input_size(path) ** 2, path.stat().st_size / 1e6
    except (OSError, ValueError):
        return
    need_mb = _BASE_MB + _COPIES_OF_THE_FILE * file_mb + _BYTES_PER_PIXEL * pixels / 1e6
    free_mb = limit_mb or _free_mb()
    if need_mb > free_mb:
        limit = "update_memory_limit allows" if limit_mb else "the machine has free"
        raise ValueError(
            f"weights '{weights}' may take {need_mb:.0f} MB to load, {limit} {free_mb:.0f} MB: "
            "take smaller weights, or restart the node with them"
        )


def _free_mb() -> float:
    """Free memory, MB; infinite if unknown."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError, ValueError):
        return float("inf")


class TimeLimit(Generic[Result]):
    """Runs a call in a thread, and waits for it up to a time limit. A thread cannot be stopped, so
    a call over the limit runs to its end; until then other calls are refused."""

    def __init__(self) -> None:
        self._running: threading.Thread | None = None

    def __call__(self, call: Callable[[], Result], limit_s: float, what: str) -> Result:
        """Return what the call returns; raise what it raises. what: names the call in messages.
        Raises TimeoutError after limit_s, and if an earlier call still runs."""
        if self._running is not None and self._running.is_alive():
            raise TimeoutError(f"{what}: an earlier load, given up before, still runs; try later")
        answer: Future[Result] = Future()

        def run() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)

        self._running = threading.Thread(target=run, name="load-in-time", daemon=True)
        self._running.start()
        if wait([answer], limit_s).done:
            return answer.result()
        raise TimeoutError(
            f"{what}: not loaded within {limit_s:g} s (update_time_limit), given up: restart the "
            "node with these weights, or with a longer limit"
        )
