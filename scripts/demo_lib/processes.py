"""Runs the demo's nodes as processes."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from types import TracebackType

from ament_index_python.packages import get_package_prefix


class NodeProcess:
    """A node of icl_mesh_ros as a process. Its output is written to a log file."""

    def __init__(self, name: str, parameters: dict[str, object], log: Path) -> None:
        self.name, self.log = name, log
        program = Path(get_package_prefix("icl_mesh_ros"), "lib", "icl_mesh_ros", name)
        arguments = ["--ros-args"]
        for key, value in parameters.items():
            arguments += [
                "-p",
                f"{key}:={json.dumps(value)}",
            ]  # JSON is YAML, so types are preserved
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(program), *arguments], stdout=output, stderr=subprocess.STDOUT
            )

    def ended(self) -> int | None:
        """The exit status; None while the process runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise RuntimeError, with the end of the log, if the node has failed."""
        status = self.ended()
        if status:
            raise RuntimeError(f"{self.name} ended with status {status}:\n{self.last_lines()}")

    def last_lines(self, count: int = 15) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def stop(self) -> None:
        """Send SIGINT, and SIGKILL after 5 s."""
        if self.ended() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
