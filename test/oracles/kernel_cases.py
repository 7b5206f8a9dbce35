"""A valid call of every compiled kernel, for tests that change one argument or one level of CPU."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from icl_mesh.body import BodyModel
from icl_mesh.body.surface_tables import SurfaceTables
from icl_mesh.geometry.lens import Lens

PEOPLE, TRACKS = 5, 3
READER_RULES: dict[str, Any] = {
    "scale_base": 1.1, "max_log_scale": 80.0, "duplicate_cells": 3.0, "duplicate_scale_ratio": 1.15,
    "duplicate_degrees": 10.0, "window": 0.2, "min_evidence": 0.05, "min_center": 0.1,
    "most_camera": 0.5, "peak_window": 5, "search_cells": 48, "most": 64,
}  # fmt: skip


class Case(NamedTuple):
    """call(**arguments) fills the arrays named in outputs, each with a tolerance of its unit."""

    call: Callable[..., Any]
    arguments: dict[str, Any]
    outputs: dict[str, float]
    #: Arrays that may have any strides.
    any_strides: tuple[str, ...] = ()


def all_cases(k: ModuleType) -> dict[str, Case]:
    """By name, for the kernels of one level (icl_mesh.kernels.levels)."""
    made = (_image, _evidence, _lens, _patches, _messages, _tracking, _reader, _surface)
    return {name: case for make in made for name, case in make(k, _Random()).items()}


class _Random:
    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)

    def __call__(self, *shape: int) -> np.ndarray:
        """float32 in [0, 1)."""
        return self._generator.random(shape, np.float32)

    def normal(self, *shape: int) -> np.ndarray:
        return self._generator.normal(size=shape).astype(np.float32)

    def whole(self, most: int, *shape: int, kind: type[np.integer] = np.int64) -> np.ndarray:
        return self._generator.integers(0, most, shape).astype(kind)


def _image(k: ModuleType, rng: _Random) -> dict[str, Case]:
    arguments = {
        "image": rng.whole(256, 48, 64, 3, kind=np.uint8),
        "planes": np.zeros((1, 3, 40, 40), np.float32),
        "inner_width": 40,
        "inner_height": 30,
        "left": 0,
        "top": 5,
        "tones": rng(3, 3),
    }
    return {"letterbox": Case(k.letterbox, arguments, {"planes": 1e-4})}


def _evidence(k: ModuleType, rng: _Random) -> dict[str, Case]:
    image = np.sort(rng.whole(2, PEOPLE))
    seen = {
        "heatmaps": rng(2, 7, 96, 96) ** 6,
        "search_cells": 48,
        "image": image,
        "points": 0.5 * rng.normal(PEOPLE, 7, 2),
        "spread": 0.2 + rng(PEOPLE),
        "located": np.zeros((PEOPLE, 7, 2), np.float32),
        "score": np.zeros((PEOPLE, 7), np.float32),
    }
    regressed = {
        "features": rng(2, 40, 32, 32),
        "center": 1,
        "offsets": 3,
        "log_extent": 39,
        "image": image,
        "cell": rng.whole(16, PEOPLE, 2),
        "located": np.zeros((PEOPLE, 17, 2), np.float32),
        "score": np.zeros((PEOPLE, 17), np.float32),
    }
    embedding = rng.normal(PEOPLE, 64)
    confidence = {
        "heatmaps": rng(24, 20, 20),
        "instance": rng.normal(64, 20, 20),
        "projector": rng.normal(3, 64, 64) / 8,
        "embedding": embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        "joints_square": 0.5 * rng.normal(PEOPLE, 24, 2),
        "inside": rng(PEOPLE, 24) < 0.8,
        "confidence": np.zeros((PEOPLE, 24), np.float32),
    }
    near = {"located": 2e-6, "score": 0.0}  # square coordinates, probability
    return {
        "joint_confidence": Case(k.joint_confidence, confidence, {"confidence": 2e-6}),
        "search_heatmaps": Case(k.search_heatmaps, seen, near, ("heatmaps",)),
        "regressed_keypoints": Case(k.regressed_keypoints, regressed, near, ("features",)),
    }


def _lens_arguments() -> dict[str, Any]:
    lens = Lens("plumb_bob", (-0.2, 0.05, 0.001, -0.002))
    radii, distorted = lens.radial_table
    return {
        "model": 1,
        "coefficients": np.array([*lens.coefficients, *[0.0] * 8]),
        "valid_radius": lens.valid_radius,
        "radii": np.ascontiguousarray(radii),
        "distorted": np.ascontiguousarray(distorted),
    }


def _lens(k: ModuleType, rng: _Random) -> dict[str, Case]:
    arguments = _lens_arguments()
    lens = k.Lens(**arguments)

    def points() -> dict[str, Any]:
        values = 0.4 * rng.normal(40, 2).astype(np.float64)
        return {"points": values, "results": np.zeros((40, 2))}

    return {
        "Lens": Case(k.Lens, arguments, {}),
        "Lens.distort": Case(lens.distort, points(), {"results": 1e-14}),
        "Lens.undistort": Case(lens.undistort, points(), {"results": 1e-10}),
    }


def _patches(k: ModuleType, rng: _Random) -> dict[str, Case]:
    arguments = {
        "center_heatmap": rng(2, 1, 16, 16),
        "center_instance": rng(2, 64, 16, 16),
        "joint_heatmaps": rng(2, 24, 16, 16),
        "joint_instance": rng(2, 64, 16, 16),
        "features": rng(2, 32, 32, 20),
        "image": rng.whole(2, PEOPLE),
        "cell": rng.whole(16, PEOPLE, 2),
        "near": np.zeros((PEOPLE, 23, 23, 20), np.float32),
        "center_hints": np.zeros((PEOPLE, 65, 11, 11), np.float32),
        "joint_hints": np.zeros((PEOPLE, 88, 11, 11), np.float32),
        "inside": np.zeros((PEOPLE, 1, 11, 11), np.float32),
    }

    def cut(**given: Any) -> None:
        k.PatchCutter(**given)(0, PEOPLE)

    exact = dict.fromkeys(("near", "center_hints", "joint_hints", "inside"), 0.0)
    return {"PatchCutter": Case(cut, arguments, exact)}


def _messages(k: ModuleType, rng: _Random) -> dict[str, Case]:
    rotations = {
        "matrices": np.linalg.qr(rng.normal(30, 3, 3))[0].astype(np.float32),
        "quaternions": np.zeros((30, 4)),
        "rotvecs": np.zeros((30, 3)),
    }
    determinants = np.linalg.det(rotations["matrices"])
    rotations["matrices"] *= determinants[:, None, None].astype(np.float32)
    points = {
        "vertices": rng.normal(20, 3),
        "corners": rng.whole(20, 33),
        "points": np.zeros(33 * 24, np.uint8),
    }
    return {
        "quaternions_and_rotvecs": Case(
            k.quaternions_and_rotvecs, rotations, {"quaternions": 1e-14, "rotvecs": 1e-12}
        ),
        "marker_points": Case(k.marker_points, points, {"points": 0.0}),
    }


def _side(rng: _Random, count: int) -> dict[str, Any]:
    return {
        "joints": rng.normal(count, 24, 3) + np.float32([0, 0, 4]),
        "center": 640 * rng(count, 2),
        "box": 640 * rng(count, 4),
        "embedding": rng.normal(count, 64) / 8,
        "color": 100 * rng(count, 3, 3),
        "weight": rng(count, 3),
    }


def _tracking(k: ModuleType, rng: _Random) -> dict[str, Case]:
    plan = {
        "pairs": rng.whole(24, 16, 2),
        "grid": 0.1 * rng.normal(25, 2).astype(np.float64),
        "lengths": np.array([8, 6, 2]),
        "linear": rng(256),
        "least_weight": 1e-3,
    }
    colors = {
        "image": rng.whole(256, 60, 80, 3, kind=np.uint8),
        "backwards": False,
        "joints_px": 80 * rng(PEOPLE, 24, 2),
        "confidence": rng(PEOPLE, 24),
        "color": np.zeros((PEOPLE, 3, 3), np.float32),
        "weight": np.zeros((PEOPLE, 3), np.float32),
    }
    errors = k.PositionErrors(depth=0.1, measured_depth=0.02, lateral=0.02, least_m=0.02)
    rules = {
        "errors": errors, "gate": 30.0, "space_weight": 1.0, "image_weight": 0.5,
        "color_range": 40.0, "reliable_weight": 0.3, "nearest": 0.2,
    }  # fmt: skip
    side = _side(rng, TRACKS)
    filters = {
        "mean": np.concatenate((side["joints"][:, 0], rng.normal(TRACKS, 3)), axis=1, dtype=float),
        "covariance": np.tile(0.1 * np.eye(6), (TRACKS, 1, 1)),
    }
    new = {"new_mean": np.zeros((TRACKS, 6)), "new_covariance": np.zeros((TRACKS, 6, 6))}
    correct = {
        "errors": errors, **filters, "joints": side["joints"], "measured": rng(TRACKS) < 0.5, **new
    }  # fmt: skip
    costs = {
        "tracks": k.PairSide(**side),
        **filters,
        "unseen": rng(TRACKS).astype(np.float64),
        "people": k.PairSide(**_side(rng, PEOPLE)),
        "measured": rng(PEOPLE) < 0.5,
        "lens": k.Lens(**_lens_arguments()),
        "focal_x": 500.0,
        "focal_y": 510.0,
        "embedding_weight": 0.25,
        "color_weight": 2.0,
        "cost": np.zeros((TRACKS, PEOPLE)),
        "distance": np.zeros((TRACKS, PEOPLE)),
    }
    return {
        "ColorPlan": Case(k.ColorPlan, plan, {}),
        # L*a*b* spans hundreds.
        "ColorPlan()": Case(k.ColorPlan(**plan), colors, {"color": 1e-3, "weight": 1e-6}),
        "predict_motion": Case(
            k.predict_motion,
            {**filters, "seconds": 0.1, "acceleration": 2.0, **new},
            dict.fromkeys(new, 1e-12),
        ),
        "correct_motion": Case(k.correct_motion, correct, dict.fromkeys(new, 1e-9)),
        "PairSide": Case(k.PairSide, side, {}),
        "PairCosts()": Case(k.PairCosts(**rules), costs, {"cost": 1e-5, "distance": 1e-6}),
    }


def _maps(rng: _Random) -> dict[str, Any]:
    return {
        "center_heatmap": rng(1, 1, 24, 24),
        "joint_heatmaps": rng(1, 24, 24, 24) ** 6,
        "camera": rng.normal(1, 3, 24, 24) * np.float32([0.2, 0.5, 0.5])[:, None, None],
        "center_instance": rng.normal(1, 64, 24, 24),
        "joint_instance": rng.normal(1, 64, 24, 24),
    }


def _reader_parts(k: ModuleType, rng: _Random) -> dict[str, dict[str, Any]]:
    body = {
        "rest": rng.normal(24, 3),
        "rest_directions": 0.1 * rng.normal(10, 24, 3),
        "parents": np.array([-1, *((np.arange(1, 24) - 1) // 2)]),
        "keypoint_joint": rng.whole(24, 17),
        "keypoint_bone": rng.whole(24, 17),
        "keypoint_offset": 0.1 * rng.normal(17, 3),
    }
    widths = (384, 64, 64, 64, 145)
    lifter: dict[str, Any] = {"passes": 2, "kinds": 17, "center": 0, "keypoints": 1, "offsets": 18}
    lifter["log_extent"] = 52
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        lifter[f"weights{layer}"] = 0.05 * rng.normal(inputs, outputs)
        lifter[f"bias{layer}"] = 0.1 * rng.normal(outputs)
    keypoint_fit = {
        "precision": np.diag(1 + rng(79)),
        "sigma": 0.03,
        "robust": 0.1,
        "iterations": 10,
    }
    reader = {
        "rules": k.Rules(**READER_RULES),
        "body": k.Body(**body),
        "center_projector": rng.normal(3, 64, 64) / 8,
        "joint_projector": rng.normal(3, 64, 64) / 8,
        "lifter": k.Lifter(**lifter),
        "keypoint_fit": k.KeypointFit(**keypoint_fit),
    }
    parts = {"rules": READER_RULES, "body": body, "lifter": lifter, "keypoint_fit": keypoint_fit}
    return parts | {"reader": reader}


def geometry(k: ModuleType) -> Any:
    """A camera of 640 x 480 in a square of 192."""
    return k.Geometry(
        fx=500.0, fy=510.0, cx=320.0, cy=240.0, width=640.0, height=480.0, square_fx=1.56,
        square_fy=1.59, square_px=0.0, square_py=0.0, focal=1.575, scale_x=0.3, scale_y=0.3,
        offset_x=0.0, offset_y=24.0, size=192.0, nearest=0.2,
    )  # fmt: skip


def _reader(k: ModuleType, rng: _Random) -> dict[str, Case]:
    parts, maps = _reader_parts(k, rng), _maps(rng)
    reader = k.Reader(**parts["reader"])
    found = rng(1, 53, 48, 48)
    reader.set_view(geometry(k), None)
    reader.read_from(**maps)
    reader.read_features(found)
    count = reader.find(0.99)
    assert count > 2

    def fit(smpl: np.ndarray) -> None:
        reader.find(0.99)
        reader.fit(smpl)

    def refine(points: np.ndarray, weight: np.ndarray) -> None:
        reader.find(0.99)
        reader.fit(smpl)
        reader.refine(points, weight)

    def keep(rows: np.ndarray) -> None:
        reader.find(0.99)
        reader.fit(smpl)
        reader.keep(rows)

    smpl = rng.normal(count, 142)
    kept = reader.fit(smpl)
    evidence = {"points": 0.5 * rng.normal(kept, 17, 2), "weight": rng(kept, 17)}
    return {
        "Body": Case(k.Body, parts["body"], {}),
        "Lifter": Case(k.Lifter, parts["lifter"], {}),
        "Reader": Case(k.Reader, parts["reader"], {}),
        "Reader.set_view": Case(reader.set_view, {"geometry": geometry(k), "lens": None}, {}),
        "Reader.fit": Case(fit, {"smpl": smpl}, {}),
        "KeypointFit": Case(k.KeypointFit, parts["keypoint_fit"], {}),
        "Reader.refine": Case(refine, evidence, {}),
        "Reader.keep": Case(keep, {"rows": np.array([1, 0])}, {}),
        "Reader.read_from": Case(k.Reader(**parts["reader"]).read_from, maps, {}),
        "Reader.read_features": Case(
            k.Reader(**parts["reader"]).read_features, {"features": found}, {}, ("features",)
        ),
    }


def _surface(k: ModuleType, rng: _Random) -> dict[str, Case]:
    body = BodyModel.load()
    extreme = body.extreme_index.numpy()
    tables = SurfaceTables.of(body, extreme)._asdict() | {"index": np.arange(len(extreme))}
    reader = k.Reader(**_reader_parts(k, rng)["reader"] | {"lifter": None})
    reader.set_view(geometry(k), k.Lens(**_lens_arguments()))
    reader.read_from(**_maps(rng))
    count = reader.fit(rng.normal(reader.find(0.99), 142))
    reader.place()
    arguments = {
        "reader": reader,
        "placed": np.zeros((count, len(extreme), 3), np.float32),
        "boxes": np.zeros((count, 4), np.float32),
    }
    return {
        "Surface": Case(k.Surface, tables, {}),
        # Metres of people some ten metres away; pixels.
        "Surface.place": Case(k.Surface(**tables).place, arguments, {"placed": 2e-4, "boxes": 0.1}),
    }
