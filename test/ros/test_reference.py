"""Compares docs/nodes.md with the nodes, over DDS: every parameter, topic and service."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from icl_mesh.weights import default_weights_path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "node_reference.py"


@pytest.mark.skipif(
    not default_weights_path().is_file(), reason="the default weights are not in this checkout"
)
def test_the_page_says_what_the_nodes_have():
    # The tool as users run it, in a process and a domain of its own: after a whole session of
    # tests, a participant may never discover some topics of a node.
    domain = str(1 + int(os.environ["ROS_DOMAIN_ID"]) % 100)  # of 1 to 100, the next one
    command = [sys.executable, str(TOOL), "--check"]
    environment = {**os.environ, "ROS_DOMAIN_ID": domain}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "up to date"


def test_every_table_is_compared_and_every_row_has_a_description():
    spec = importlib.util.spec_from_file_location("node_reference", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = tool.PAGE.read_text(encoding="utf-8")
    asked = []

    def ask(node: str, kind: str, old: str) -> str:
        asked.append((node, kind))
        return "another table"

    assert tool.filled(page, ask).count("another table") == len(asked) == 7
    assert re.search(r"^\| `detection_threshold` \|", page, re.MULTILINE)
    assert not [line for line in page.splitlines() if line.endswith("|  |")]
