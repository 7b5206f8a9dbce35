"""docs/nodes.md against the nodes themselves: every parameter, topic and service, over DDS."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from icl_mesh.weights import default_weights_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reference():
    spec = importlib.util.spec_from_file_location(
        "node_reference", ROOT / "tools/node_reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(
    not default_weights_path().is_file(), reason="the default weights are not in this checkout"
)
def test_the_page_says_what_the_nodes_have(start, peer, reference, tmp_path):
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((3, 4, 3), np.uint8))
    start("mesh_node")
    start("camera_node", source=str(photo), loop=True)
    example = ROOT / "examples" / "safety_stop.py"
    planner = subprocess.Popen([sys.executable, str(example)], env=os.environ.copy())
    try:
        reference.wait_until_ready(peer.node, reference.READY)
        page = reference.PAGE.read_text(encoding="utf-8")
        table = reference.Reference(peer.node, reference.SET_AT_START).table
        tables = []

        def ask(*what: str) -> str:
            tables.append(table(*what))
            return tables[-1]

        expected = reference.filled(page, ask)
    finally:
        planner.kill()
        planner.wait()
    assert len(tables) == 7
    assert any("`detection_threshold`" in table for table in tables)
    assert expected == page, "out of date: . scripts/env && python tools/node_reference.py"
    # Every topic and service says what it is.
    assert not [line for line in page.splitlines() if line.endswith("|  |")]
