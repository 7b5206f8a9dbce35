"""Calibration files: accepted forms, refused files and their messages, and 2000 broken ones."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
import yaml

from icl_mesh.formats.calibration_file import read_calibration
from icl_mesh.formats.camera_info import camera_from_info
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens

K = [543.2, 0.0, 321.0, 0.0, 543.0, 191.0, 0.0, 0.0, 1.0]
D = [-0.48, 0.18, -0.002, 0.003, 0.0]
P = [429.5, 0.0, 322.0, 0.0, 0.0, 500.1, 190.0, 0.0, 0.0, 0.0, 1.0, 0.0]
EYE = np.eye(3).ravel().tolist()
ROS = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "cam",
    "camera_matrix": {"rows": 3, "cols": 3, "data": K},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": D},
    "rectification_matrix": {"rows": 3, "cols": 3, "data": EYE},
    "projection_matrix": {"rows": 3, "cols": 4, "data": P},
}
OPENCV = """%YAML:1.0
---
calibration_time: "Mon Nov 30 21:40:40 2026"
image_width: 640
image_height: 480
flags: 2
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.4320000000000005e+02, 0., 321., 0., 543., 191., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -4.8e-01, 0.18, -2e-3,
       3.0000000000000001e-03, 0. ]
avg_reprojection_error: 2.1e-01
"""
KALIBR = """cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.002, 0.03, -0.04, 0.02]
  distortion_model: equidistant
  intrinsics: [461.6, 460.2, 362.6, 248.1]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
"""


@pytest.fixture
def read(tmp_path):
    """(text, bytes or values for YAML) -> the calibration of a file with that content."""

    def read(content):
        path = tmp_path / "c.yaml"
        if isinstance(content, dict):
            content = yaml.safe_dump(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_calibration(path)

    return read


def camera_of(calibration) -> Camera:
    size = calibration.width, calibration.height
    source = camera_from_info(calibration, *size, assumed_fov_deg=60.0)
    assert (source.fault, source.warnings) == ("", {})
    return source.camera


CAMERA = Camera(543.2, 543.0, 321.0, 191.0, 640, 480, lens=Lens("plumb_bob", tuple(D)))


def without(*keys: str, **more) -> dict:
    return {k: v for k, v in ROS.items() if k not in keys} | more


@pytest.mark.parametrize(
    "content",
    [
        ROS,
        without("distortion_model"),
        without("distortion_model", camera_model="plumb_bob"),
        without("distortion_model", camera_model="pinhole"),
        without("distortion_model", distortion_model="Plumb-Bob"),
        without("distortion_model", distortion_model="radtan"),
        without("rectification_matrix", "projection_matrix", "camera_name"),
        without("camera_matrix", camera_matrix=K),
        without("camera_matrix", camera_matrix=[K[:3], K[3:6], K[6:]]),
        without("distortion_coefficients", distortion_coefficients=[str(d) for d in D]),
        OPENCV,
        OPENCV.replace("camera_matrix", "Camera_Matrix").replace("image_w", "image_W"),
        OPENCV.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + OPENCV.encode(),
        KALIBR.replace("equidistant", "radtan")
        .replace("[461.6, 460.2, 362.6, 248.1]", str([K[0], K[4], K[2], K[5]]))
        .replace("[752, 480]", "[640, 480]")
        .replace("[-0.002, 0.03, -0.04, 0.02]", str(D)),
    ],
)
def test_one_camera_in_many_forms(read, content):
    calibration = read(content)
    assert calibration.distortion_model == "plumb_bob"
    assert camera_of(calibration) == CAMERA
    assert calibration.r == EYE
    assert len(calibration.p) == 12
    if content is not ROS and not (isinstance(content, dict) and "projection_matrix" in content):
        assert calibration.p == [*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0]


def test_kalibr_and_fisheye(read):
    calibration = read(KALIBR)
    lens = Lens("equidistant", (-0.002, 0.03, -0.04, 0.02))
    assert camera_of(calibration) == Camera(461.6, 460.2, 362.6, 248.1, 752, 480, lens=lens)
    assert calibration.distortion_model == "equidistant"
    alone = "\n".join(line[2:] for line in KALIBR.splitlines()[1:])
    assert read(alone) == calibration
    straight = read(KALIBR.replace("equidistant", "none").replace("[-0.002", "[0, 0, 0, 0] # ["))
    assert (straight.distortion_model, camera_of(straight).lens) == ("plumb_bob", None)
    fisheye = read(
        "fisheye_model: 1\n"
        + yaml.safe_dump(without("distortion_model"))
        .replace("- -0.48", "- -0.02")
        .replace("- 0.18", "- 0.01")
    )
    assert fisheye.distortion_model == "equidistant"


def test_other_names_of_lenses(read):
    eight = [0.2, 0.1, 0.001, 0.002, 0.1, 0.3, 0.05, 0.01]
    rational = read(without("d", distortion_coefficients={"data": eight}))
    assert (rational.distortion_model, rational.d) == ("rational_polynomial", eight)
    odd = read(without("d", distortion_model="double_sphere"))
    assert odd.distortion_model == "double_sphere"  # the reader of the CameraInfo reports it


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("---\n", "it is empty"),
        ("just words", "it holds no keys; ROS's YAML needs image_width"),
        ("[1, 2]", "it holds no keys"),
        ('{"fx": 500, "fy": 500, "cx": 320}', "it has the keys fx, fy, cx; ROS's YAML needs"),
        ("{\n\t'fx': 3,\n\t}", "it is no YAML .*; ROS's YAML needs"),
        ("Camera.fx: 500.0\nCamera.fy: 500.0", "it has the keys camera.fx, camera.fy"),
        (KALIBR + KALIBR.replace("cam0", "cam1"), r"2 cameras \(cam0, cam1\): leave the one"),
        (KALIBR.replace("pinhole", "omni"), "'omni' has no CameraInfo: calibrate with"),
        (KALIBR.replace("resolution", "size"), "key 'resolution' is missing"),
        (without("image_width"), "key 'image_width' is missing"),
        (without("distortion_coefficients"), "key 'distortion_coefficients' is missing"),
        (without("camera_matrix", camera_matrix={"data": [1.0]}), "needs 9 numbers, has 1"),
        (without("camera_matrix", camera_matrix=None), "camera_matrix needs data"),
        (without("x", camera_matrix={"data": [*K[:8], True]}), "must hold numbers: a bool"),
        (without("x", camera_matrix={"data": [*K[:8], "one"]}), "hold numbers: .*'one'"),
        (without("x", camera_matrix={"data": [float("nan"), *K[1:]]}), "finite numbers, got nan"),
        (without("x", projection_matrix={"data": [float("inf"), *P[1:]]}), "finite .*, got inf"),
        (without("x", distortion_coefficients={"data": [float("nan")]}), "finite .*, got nan"),
        (without("x", camera_matrix={"data": EYE}), "cannot be true .*first pixel.*calibrate"),
        (without("x", camera_matrix={"data": [772.0, 0, 320, 0, 1, 240, 0, 0, 1]}), "of 772"),
        (
            without("projection_matrix", camera_matrix={"data": [0.0] * 9}),
            "all zero: it holds no calibration",
        ),
        (without("x", image_width=-5), "whole numbers from 1 to 65535, got -5x480"),
        (without("x", image_width=640.5), "whole numbers"),
        (without("x", image_width=10**400), "must hold numbers"),
        (without("x", distortion_model=[1]), "distortion_model must be a name, got a list"),
        ("!!python/object/apply:os.system ['touch pwned']", "it is no YAML"),
        ("a: !!python/name:os.system", "it is no YAML"),
        ("<<: {image_width: 3}", "it is no YAML"),
        ("[" * 400, "it is no YAML"),
        ("a: &a [1]\nb: *c", "it is no YAML"),
        ("a: !!int ''", "it is no YAML"),
        ("a: !!timestamp x", "it is no YAML"),
        ("x" * 200_000, "larger than 100000 bytes"),
        (b"\x1f\x8b\x08\x00", "a compressed archive: unpack it"),
        (b"PK\x03\x04\x00", "a zip or .npz file"),
        (b"\x80\x04\x95\xff\x00", "it is no YAML"),
        ("<?xml version='1.0'?>", "XML: have cv2.FileStorage write"),
        ("# oST version 5.0 parameters\n[image]\n", "camera_calibration_parsers convert"),
    ],
)
def test_refused_files_give_the_reason(read, tmp_path, content, said):
    with pytest.raises(ValueError, match=r"c\.yaml' (is not read: |cannot be true)") as caught:
        read(content)
    assert re.search(said, str(caught.value))
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_k_all_zero_beside_p(read):
    calibration = read(without("x", camera_matrix={"data": [0.0] * 9}))
    assert calibration.p == P


def test_aliases_that_multiply_are_not_written_out(read):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    bomb = "\n".join(lines)
    good = yaml.safe_dump(without("camera_matrix", "distortion_model"))
    for line in ("camera_matrix: {data: *a19}", "camera_matrix: *a19", "distortion_model: *a19"):
        with pytest.raises(ValueError, match=r"c\.yaml"):
            read(f"{bomb}\n{good}\n{line}")


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml' does not exist"):
        read_calibration(tmp_path / "none.yaml")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_calibration("a\0b")
    with pytest.raises(ValueError, match="is no file"):
        read_calibration(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        read_calibration(tmp_path / "pipe")
    with pytest.raises(ValueError, match="cannot be read"):
        read_calibration("~nobody_of_this_name/c.yaml")
    with pytest.raises(ValueError, match="cannot be read"):
        read_calibration("x" * 5000)


WORDS = (
    *(".nan", "-.inf", "1e400", "-1", "0", "true", "null", "''", "{}", "[]", "[[1]]", "9" * 5000),
    *("!!int x", "!!python/object/apply:os.abort []", "*a", "&a ", "<<: *a", "? ", "2026-13-45"),
    *("\t", "\0", "\n", "- ", ": ", "#", "%YAML:1.0\n", "---\n", "...", "!!opencv-matrix 3"),
    *("data", "rows", "plumb_bob", "fisheye", "1:2:3", "0b", "0x", "~", "|", ">", "'", '"'),
)


def mutated(random: np.random.Generator, data: bytes) -> bytes:
    """A few bytes changed, cut or repeated, or a token replaced by another."""
    for _ in range(random.integers(1, 4)):
        start, end = sorted(random.integers(0, len(data) + 1, 2))
        kind = random.integers(0, 6)
        if kind == 0:
            data = data[:start] + bytes([random.integers(0, 256)]) + data[start + 1 :]
        elif kind == 1:
            data = data[:start] + data[min(end, start + 40) :]
        elif kind == 2:
            data = data[:end] + data[start:]
        elif kind == 3:
            data = data[:end]
        else:
            tokens = list(re.finditer(rb"[^\s,\[\]:]+", data)) or [re.match(b"", data)]
            token = tokens[random.integers(len(tokens))]
            word = WORDS[random.integers(len(WORDS))].encode()
            data = (
                data[: token.start()] + word + data[token.end() if kind == 4 else token.start() :]
            )
    return data


@pytest.mark.slow
def test_two_thousand_mutations_give_cameras_or_the_documented_errors(tmp_path):
    random = np.random.default_rng(13)
    files = [text.encode() for text in (yaml.safe_dump(ROS), OPENCV, KALIBR)]
    path, good, pixels = tmp_path / "c.yaml", 0, np.array([[0.0, 0.0], [300.0, 200.0]])
    for number in range(2000):
        path.write_bytes(mutated(random, files[number % 3]))
        try:
            calibration = read_calibration(path)
        except ValueError as error:
            assert "c.yaml'" in str(error)
            continue
        good += 1
        size = calibration.width, calibration.height
        for rectified in (False, True):
            source = camera_from_info(calibration, *size, assumed_fov_deg=60.0, rectified=rectified)
            assert np.isfinite(source.camera.rays(pixels)).all()
    assert 100 < good < 1900
