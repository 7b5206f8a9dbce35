"""Runs `icl-mesh export`: writes the network as ONNX, and checks every engine against PyTorch.

The check runs the whole estimator on the same images and compares people's joints, in millimetres,
with those of PyTorch in float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from icl_mesh.cli.accuracy import Accuracy, compare
from icl_mesh.engine.device import resolve_device
from icl_mesh.engine.onnx_model import keypoints_onnx, keypoints_path, onnx_of, people_path
from icl_mesh.engine.spec import PRECISIONS, candidates
from icl_mesh.estimator import Estimator
from icl_mesh.io.atomic import write_atomically
from icl_mesh.io.images import find_images, read_images
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.keypoint_weights import load_keypoint_weights
from icl_mesh.weights import default_weights_path

#: Largest difference of joints in f32, mm. Engines only differ in the order of sums.
F32_LIMIT_MM = 1.0


def export(
    weights: str,
    body: str,
    device: str,
    *,
    out: Path | None = None,
    images: Path | None = None,
    report: Path | None = None,
) -> int:
    """Write ONNX, and print one line per engine and precision.

    out: NAME.onnx for the first step; NAME.people.onnx is the second, NAME.keypoints.onnx the
    second stage's (docs/engines.md). With the folder and stem of the weights, they are used.
    images: a file or folder; None renders people. report: a JSON file for the results.
    Returns 1 if an engine in f32 finds other people or joints differ by more than F32_LIMIT_MM,
    else 0. Raises ValueError or OSError for files that do not fit, and for images without people.
    """
    kind = resolve_device(device)
    reference = Estimator.load(weights, body, str(kind), "torch:f32", refine=False)
    if out is not None:
        if out.suffix != ".onnx":
            raise ValueError(f"--out must name a file that ends in .onnx, got {out}")
        models = onnx_of(reference.network, reference.input_size)
        files = (
            (out, models.maps, f"images [B, 3, S, S] with S {reference.input_size}"),
            (people_path(out), models.people, "patches of N people"),
            (
                keypoints_path(out),
                keypoints_onnx(load_keypoint_weights()[0]),
                "crops of N people [N, 3, 256, 256]",
            ),
        )
        for path, data, takes in files:
            write_atomically(path, data)
            print(f"{path}: {len(data) / 1e6:.1f} MB, {takes}")
        if out.resolve() != _default_onnx(weights).resolve():
            print(f"Estimator.load uses them only as {_default_onnx(weights)} and beside it")
    pictures = list(_pictures(images, reference))
    rows, good = [], True
    for precision in PRECISIONS:
        for spec in candidates(precision, kind.type):
            engine = str(spec)
            try:
                estimator = Estimator.load(weights, body, str(kind), engine, refine=False)
            except ValueError as error:  # a CPU without bf16
                print(f"{engine}: {shown(error, MESSAGE)}")
                continue
            accuracy = compare(estimator, reference, pictures)
            if accuracy.people == 0:
                raise ValueError(
                    f"nobody was found in {len(pictures)} images: give --images of people, or "
                    f"weights that are trained"
                )
            print(_line(engine, accuracy))
            rows.append(_row(engine, accuracy))
            good &= precision != "f32" or is_equal(accuracy)
    if report is not None:
        facts = {"weights": reference.weights_version, "images": len(pictures), "engines": rows}
        write_atomically(report, (json.dumps(facts, indent=1) + "\n").encode())
    return 0 if good else 1


def _default_onnx(weights: str) -> Path:
    """The path of the ONNX file that Estimator.load uses with these weights."""
    path = default_weights_path() if weights == "default" else Path(weights)
    return path.with_suffix(".onnx")


def is_equal(accuracy: Accuracy) -> bool:
    """Whether an engine finds the same people, with joints within F32_LIMIT_MM."""
    moved = np.concatenate(([0.0], accuracy.joints_mm))
    return accuracy.missing == accuracy.added == 0 and bool(moved.max() <= F32_LIMIT_MM)


def _pictures(images: Path | None, reference: Estimator) -> Iterator[npt.NDArray[np.uint8]]:
    if images is None:
        try:
            from icl_mesh.cli.check_scenes import rendered_people
            from icl_mesh.rendering import RenderingUnavailableError
        except ImportError as error:
            raise ValueError(
                f"people cannot be rendered here ({error}): give --images, a folder of photos"
            ) from None
        try:
            yield from rendered_people(reference.body)
        except RenderingUnavailableError as error:
            raise ValueError(f"{error}; or give --images, a folder of photos") from None
    else:
        yield from read_images(find_images(images))


def _statistics(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    if len(values) == 0:
        return (0.0, 0.0, 0.0)
    return float(np.median(values)), float(np.percentile(values, 95)), float(values.max())


def _line(engine: str, accuracy: Accuracy) -> str:
    parts: Sequence[tuple[str, npt.NDArray[np.float64]]] = (
        ("joints", accuracy.joints_mm),
        ("positions", accuracy.positions_mm),
    )
    text = "; ".join(
        "{} moved by {:.3g} / {:.3g} / {:.3g} mm".format(name, *_statistics(values))
        for name, values in parts
    )
    return (
        f"{engine:<16} {accuracy.people} people, {accuracy.missing} missing, {accuracy.added} "
        f"added; {text} (median / 95 % / most)"
    )


def _row(engine: str, accuracy: Accuracy) -> dict[str, object]:
    return {
        "engine": engine,
        "people": accuracy.people,
        "missing": accuracy.missing,
        "added": accuracy.added,
        "joints_mm": _statistics(accuracy.joints_mm),
        "places_mm": _statistics(accuracy.positions_mm),
    }
