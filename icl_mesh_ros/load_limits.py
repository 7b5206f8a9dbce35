"""What anybody who may call ~/update_model can ask of a node: which files, how long, how much."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Generic, TypeVar

from icl_mesh.weights import default_weights_path, load_input_size

Result = TypeVar("Result")

#: Estimates of what loading takes at its most, on the safe side of what was measured with all
#: networks: copies of the weights in the engines that are tried, and maps per pixel of the input.
_COPIES_OF_THE_FILE = 12
_BYTES_PER_PIXEL = 300
_BASE_MB = 100.0


def confined(weights: str, folder: str) -> str:
    """The weights as they may be opened: 'default', or a path, links followed. folder: the only
    one that they may lie in, where relative names are looked up; empty: anywhere.

    Raises ValueError for a path that leads out of the folder, by `..` or by a link, too.
    """
    if not folder or weights == "default":
        return weights
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ValueError(f"weights_folder '{folder}' is no folder: make it, or name another")
    try:
        path = Path(root, weights).resolve()
    except (OSError, ValueError, RuntimeError):  # a name too long, a zero in it, links in circles
        path = Path("/")
    if not path.is_relative_to(root):
        raise ValueError(
            f"weights {weights[:200]!r} lie outside of weights_folder '{folder}': copy the file "
            "into it, or start the node with another weights_folder"
        )
    return str(path)


def check_memory(weights: str, limit_mb: float) -> None:
    """Raise ValueError where loading a weights file may take more than limit_mb; 0: more than the
    machine has free. A file that cannot be read is load_weights' to refuse."""
    path = default_weights_path() if weights == "default" else Path(weights)
    try:
        pixels, file_mb = load_input_size(path) ** 2, path.stat().st_size / 1e6
    except (OSError, ValueError):
        return
    need_mb = _BASE_MB + _COPIES_OF_THE_FILE * file_mb + _BYTES_PER_PIXEL * pixels / 1e6
    free_mb = limit_mb or _free_mb()
    if need_mb > free_mb:
        whose = "update_memory_limit allows" if limit_mb else "the machine has free"
        raise ValueError(
            f"weights '{weights}' may take {need_mb:.0f} MB to load, {whose} {free_mb:.0f} MB: "
            "take smaller weights, or restart the node with them"
        )


def _free_mb() -> float:
    """Of memory, now; infinite where nobody says."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(text.split("MemAvailable:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError, ValueError):
        return float("inf")


class Patience(Generic[Result]):
    """Runs calls beside the caller, who waits for so long and no longer. A call that was given up
    runs on to its end, since nothing can stop it; until then no other is taken."""

    def __init__(self) -> None:
        self._running: threading.Thread | None = None

    def __call__(self, call: Callable[[], Result], limit_s: float, what: str) -> Result:
        """What the call returns or raises. what: of the user's, for messages. Raises TimeoutError
        after limit_s, and where an earlier call still runs."""
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
