"""Camera calibration files: ROS's YAML, OpenCV's, and kalibr's camchain.

Files are read as plain data: YAML tags neither create objects nor run code.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from icl_mesh.formats.camera_info import camera_from_info
from icl_mesh.geometry.lens_names import known_lens
from icl_mesh.io.wording import shown

#: A calibration of one camera has about 1000 bytes, its longest matrix 14 numbers.
_MOST_BYTES, _MOST_NUMBERS = 100_000, 20
_WIDEST = 65535
#: Other files with calibrations, by their first bytes, and their conversion to YAML.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a compressed archive: unpack it (camera_calibration puts ost.yaml into it)"),
    (b"PK\x03\x04", "a zip or .npz file: write its numbers as YAML"),
    (b"<?xml", "XML: have cv2.FileStorage write it with a name that ends in .yaml"),
    (b"# oST", "an .ini file: ros2 run camera_calibration_parsers convert it.ini it.yaml"),
    (b"[image]", "an .ini file: ros2 run camera_calibration_parsers convert it.ini it.yaml"),
)
_FORMS = (
    "ROS's YAML needs image_width, image_height, camera_matrix and distortion_coefficients, each "
    "with data; kalibr's camchain and OpenCV's YAML are read too (docs/inputs.md)"
)


class _WholeSensor(NamedTuple):
    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0


_WHOLE = _WholeSensor()


@dataclass
class Calibration:
    """The fields of sensor_msgs/CameraInfo: image size in pixels, lens model and its coefficients,
    K (9 numbers), R (9) and P (12); without binning or region of interest."""

    width: int
    height: int
    distortion_model: str
    d: list[float]
    k: list[float]
    r: list[float]
    p: list[float]
    binning_x: int = 0
    binning_y: int = 0
    roi: _WholeSensor = _WHOLE


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration file.

    The default lens model is plumb_bob. The default R and P are identity and K. Other names of a
    known lens model become ROS's name; an unknown model is kept.
    Raises FileNotFoundError, or ValueError with the fault and the remedy.
    """
    where = f"camera calibration file '{path}'"
    try:
        path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"{where} does not exist")
        if not path.is_file():
            raise ValueError(f"{where} is no file")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # RuntimeError: home of an unknown user
        raise ValueError(f"{where} cannot be read: {error}") from error
    try:
        calibration = _calibration(_plain(content))
    except KeyError as error:
        raise ValueError(f"{where} is not read: key {error} is missing; {_FORMS}") from error
    except ValueError as error:
        raise ValueError(f"{where} is not read: {error}") from error
    size = calibration.width, calibration.height
    source = camera_from_info(calibration, *size, assumed_fov_deg=60.0)
    if fault := source.fault:
        raise ValueError(f"{where} cannot be true ({fault}): calibrate the camera again")
    return calibration


class _Loader(yaml.SafeLoader):
    """Plain data, and OpenCV's matrices. Merge keys, which can expand endlessly, are refused."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Keep merge keys, which have no constructor: loading them is an error."""


def _matrix(loader: _Loader, node: yaml.Node) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, "opencv-matrix without data")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix)


def _plain(content: bytes) -> dict[str, Any]:
    """The file's mapping with keys in lower case, since old OpenCV wrote upper case too."""
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes; {_FORMS}")
    for start, what in _OTHERS:
        if content.lstrip().startswith(start):
            raise ValueError(f"it is {what}")
    try:
        text = content.decode("utf-8-sig")
        # OpenCV's header is not a valid YAML directive.
        values = yaml.load(re.sub(r"\A%YAML:[\d.]+[ \t]*\r?\n", "", text), _Loader)
    except Exception as error:  # PyYAML passes on Python's errors for bad values
        detail = " ".join(str(error).split())[:200]
        raise ValueError(f"it is no YAML ({detail}); {_FORMS}") from error
    if values is None:
        raise ValueError("it is empty")
    if not isinstance(values, dict):
        raise ValueError(f"it holds no keys; {_FORMS}")
    return {str(key).lower(): value for key, value in values.items()}


def _calibration(values: dict[str, Any]) -> Calibration:
    if "image_width" in values or "camera_matrix" in values:
        return _from_ros(values)
    cameras = [key for key, value in values.items() if _is_kalibr(value)]
    if len(cameras) > 1:
        names = ", ".join(map(str, cameras))[:200]
        raise ValueError(f"it has {len(cameras)} cameras ({names}): leave the one that is meant")
    if cameras or _is_kalibr(values):
        return _from_kalibr(values[cameras[0]] if cameras else values)
    keys = ", ".join(str(key) for key in values)[:200]
    raise ValueError(f"it has the keys {keys}; {_FORMS}")


def _is_kalibr(value: Any) -> bool:
    return isinstance(value, dict) and "intrinsics" in value


def _from_ros(values: dict[str, Any]) -> Calibration:
    """The format of camera_calibration, camera_info_manager and OpenCV.

    OpenCV's samples have no lens model, or set fisheye_model.
    """
    size = _size(values["image_width"], values["image_height"])
    model = _text(values.get("distortion_model") or values.get("camera_model"), "distortion_model")
    if values.get("fisheye_model"):
        model = "equidistant"
    k = _numbers(values["camera_matrix"], "camera_matrix", 9)
    d = _numbers(values["distortion_coefficients"], "distortion_coefficients")
    r, p = (
        None if values.get(key) is None else _numbers(values[key], key, count)
        for key, count in (("rectification_matrix", 9), ("projection_matrix", 12))
    )
    return _made(size, model, d, k, r=r, p=p)


def _from_kalibr(values: dict[str, Any]) -> Calibration:
    """One camera of a camchain."""
    model = _text(values.get("camera_model"), "camera_model") or "pinhole"
    if model != "pinhole":
        raise ValueError(
            f"camera_model '{shown(model)}' has no CameraInfo: calibrate with kalibr's "
            "pinhole-radtan or pinhole-equi"
        )
    resolution = _numbers(values["resolution"], "resolution", 2)
    fx, fy, cx, cy = _numbers(values["intrinsics"], "intrinsics", 4)
    lens = _text(values.get("distortion_model"), "distortion_model")
    d = _numbers(values.get("distortion_coeffs") or [], "distortion_coeffs")
    k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    return _made(_size(*resolution), lens, d, k)


def _made(
    size: tuple[int, int],
    model: str,
    d: list[float],
    k: list[float],
    *,
    r: list[float] | None = None,
    p: list[float] | None = None,
) -> Calibration:
    if not any(k) and not any(p or ()):
        raise ValueError("its camera matrix is all zero: it holds no calibration")
    if not any(d):
        model = "plumb_bob" if model.lower() in ("", "none", "pinhole") else model
    else:
        with suppress(ValueError):  # other nodes may know it; the reader of CameraInfo reports it
            model, d = known_lens("plumb_bob" if model == "pinhole" else model, d)
    if p is None or not any(p):
        p = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
    r = r or [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return Calibration(*size, model, d, k, r, p)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str | None):
        raise ValueError(f"{key} must be a name, got a {type(value).__name__}")
    return value or ""


def _size(width: Any, height: Any) -> tuple[int, int]:
    numbers = _numbers([width, height], "image_width and image_height", 2)
    if not all(number.is_integer() and 1 <= number <= _WIDEST for number in numbers):
        raise ValueError(
            f"image_width and image_height must be whole numbers from 1 to {_WIDEST}, got "
            f"{numbers[0]:g}x{numbers[1]:g}"
        )
    return int(numbers[0]), int(numbers[1])


def _numbers(value: Any, key: str, count: int | None = None) -> list[float]:
    """A matrix as {data: [...]}, as numbers in a row, or as rows of numbers."""
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise ValueError(f"{key} needs data, a list of numbers; {_FORMS}")
    if value and all(isinstance(row, list) for row in value):
        value = [number for row in value[:_MOST_NUMBERS] for number in row[:_MOST_NUMBERS]]
    wanted = f"at most {_MOST_NUMBERS}" if count is None else str(count)
    if len(value) > _MOST_NUMBERS or (count is not None and len(value) != count):
        raise ValueError(f"{key} needs {wanted} numbers, has {len(value)}")
    return [_number(number, key) for number in value]


def _number(value: Any, key: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError(f"a {type(value).__name__}")
        number = float(value)  # YAML takes 1e-3 for text
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{key} must hold numbers: {str(error)[:80]}") from error
    if not math.isfinite(number):
        raise ValueError(f"{key} must hold finite numbers, got {number}")
    return number
