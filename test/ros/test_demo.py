"""scripts/demo on a photo with an untrained network: every part except the detection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from icl_mesh.rendering import Renderer, RenderingUnavailableError

ROOT = Path(__file__).resolve().parents[2]


def run_demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_photos_become_lines_pictures_and_people(random_weights, tmp_path):
    try:
        with Renderer():
            pass
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    photos = [tmp_path / "a.png", tmp_path / "b.png"]
    for number, photo in enumerate(photos):
        cv2.imwrite(str(photo), np.full((48, 64, 3), 60 * number, np.uint8))
    out = tmp_path / "out"
    demo = run_demo("--input", *photos, "--weights", random_weights, "--out", out)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    lines = demo.stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("frame ")] == [
        ["frame", "0"],
        ["frame", "1"],
    ]
    assert "images sent: 2, answered: 2" in lines
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape == (300, 800, 3)  # two tiles of 400 x 300
    with np.load(out / "people.npz", allow_pickle=False) as people:
        assert set(people["frame"].tolist()) == {0, 1}
        assert people["joints"].shape == (len(people["id"]), 72)
        assert np.isfinite(people["position"]).all()
    video = cv2.VideoCapture(str(next(out.glob("overlay.*"))))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 2


def test_a_node_that_cannot_start_fails_the_demo_with_its_reason(tmp_path):
    demo = run_demo("--input", tmp_path, "--weights", "none.safetensors", "--out", tmp_path / "out")
    assert demo.returncode == 1
    assert "demo failed: mesh_node ended with status 1" in demo.stderr
    assert "none.safetensors: no such weights file" in demo.stderr
