"""The revision of the code that made a file."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_revision() -> str:
    """The checkout's commit, "unknown" outside a checkout; "+" marks uncommitted changes."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
