"""Licensed SMPL model files: official .pkl (read without chumpy), .npz, .pth; and smplx's objects.

The files are not part of this package; see https://smpl.is.tue.mpg.de for their licence. No code
in a file is run: ``array_files`` builds arrays only.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.body.array_files import read_arrays
from icl_mesh.body.foreign_files import foreign_content, foreign_model
from icl_mesh.body.joint_sets import smpl_joint_sets
from icl_mesh.body.layout import (
    BETA_COUNT,
    JOINT_COUNT,
    PARENTS,
    POSE_FEATURES,
    BodyArrays,
    Regressor,
)

# In order of preference, in a folder and its subfolder "smpl" (smplx's layout).
OFFICIAL_NAMES = (
    "SMPL_NEUTRAL.npz",
    "SMPL_NEUTRAL.pkl",
    "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
    "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
    "SMPL_MALE.npz",
    "SMPL_MALE.pkl",
    "basicmodel_m_lbs_10_207_0_v1.0.0.pkl",
    "basicmodel_m_lbs_10_207_0_v1.1.0.pkl",
    "SMPL_FEMALE.npz",
    "SMPL_FEMALE.pkl",
    "basicModel_f_lbs_10_207_0_v1.0.0.pkl",
    "basicmodel_f_lbs_10_207_0_v1.1.0.pkl",
    "SMPL_NEUTRAL.pth",  # ROMP's
    "SMPL_MALE.pth",
    "SMPL_FEMALE.pth",
)
#: The arrays, with their numbers of dimensions.
_REQUIRED = {
    **{"v_template": (2,), "shapedirs": (3,), "posedirs": (2, 3), "J_regressor": (2,)},
    **{"weights": (2,), "f": (2,), "kintree_table": (1, 2)},
}
#: Names of the same arrays in a saved smplx.SMPL.
_IN_SMPLX = {"lbs_weights": "weights", "faces_tensor": "f", "parents": "kintree_table"}
#: The largest body model in use, SMPL-X with all its parts, has a quarter of this.
_MOST_BYTES = 2 << 30
_LARGEST_BODY_M = 100.0


def find_smpl_file(folder: Path) -> Path:
    """The model file with an official name in a folder (or its subfolder ``smpl``).

    Case is ignored. Raises FileNotFoundError if there is none.
    """
    for candidate in (folder, folder / "smpl"):
        if candidate.is_dir():
            paths = sorted(path for path in candidate.iterdir() if path.is_file())
            files = {path.name.lower(): path for path in paths}
            for name in OFFICIAL_NAMES:
                if name.lower() in files:
                    return files[name.lower()]
    raise FileNotFoundError(
        f"{folder}: no SMPL model file under an official name is in this folder; put one of "
        f"{', '.join(OFFICIAL_NAMES[:3])} there, or give the file itself."
    )


def load_smpl_file(path: Path) -> BodyArrays:
    """Read a licensed SMPL file, or the one in a folder. The kind is detected by content.

    Raises FileNotFoundError for a missing file, ValueError with the fault otherwise.
    """
    try:
        if path.is_dir():
            path = find_smpl_file(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such body file; give a SMPL .pkl, .npz or .pth, or 'default'."
            )
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(
                f"{path} has {path.stat().st_size} bytes, and no SMPL model file has more than "
                f"{_MOST_BYTES}; give the model file."
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} was not read as a SMPL model: {error}.") from error
    try:
        stored, held = read_arrays(content, (*_REQUIRED, *_IN_SMPLX))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} was not read as a SMPL model: {foreign_content(content) or error}. Use the "
            "file as downloaded from SMPL's authors."
        ) from error
    try:
        return _arrays(path.stem, stored)
    except ValueError as error:
        known = foreign_model(stored, held) or foreign_content(content)
        raise ValueError(f"{path}: {f'{known}; ' if known else ''}{error}") from error


def _numbers(stored: Mapping[str, object]) -> dict[str, npt.NDArray[np.float64]]:
    """The required arrays as float64. Entries are checked, shapes are not."""
    stored = {_IN_SMPLX.get(name, name): value for name, value in stored.items()}
    missing = [key for key in _REQUIRED if key not in stored]
    if missing:
        raise ValueError(
            f"array {', '.join(missing)} is missing; a SMPL model file has all of "
            f"{', '.join(_REQUIRED)}."
        )
    arrays: dict[str, npt.NDArray[np.float64]] = {}
    for key, dimensions in _REQUIRED.items():
        array = np.asarray(stored[key])
        if array.dtype.kind not in "fiu":
            raise ValueError(f"array {key} holds {array.dtype}, not numbers.")
        if array.ndim not in dimensions:
            raise ValueError(
                f"{key} has shape {array.shape}, but needs {dimensions[-1]} dimensions; use an "
                "SMPL model file with 24 joints."
            )
        # Values beyond the range of float32 count as not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            arrays[key] = array.astype(np.float64)
            if not np.isfinite(arrays[key].astype(np.float32)).all():
                raise ValueError(f"array {key} has entries that are not finite numbers.")
    return arrays


def _faces(corners: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int32]:
    """Triangles [F, 3] of ``count`` vertices, stored in any numeric type."""
    wrong = corners[(corners < 0) | (corners >= count) | (corners % 1 != 0)]
    if wrong.size:
        raise ValueError(
            f"f refers to vertex {wrong.flat[0]:.12g}, but there are {count} vertices."
        )
    return corners.astype(np.int32)


def _arrays(name: str, stored: Mapping[str, object]) -> BodyArrays:
    arrays = _numbers(stored)
    tree = arrays["kintree_table"]
    # The root's parent is -1, or 4294967295 if unsigned. A saved smplx.SMPL has the parents only.
    parents = tuple(int(parent) for parent in (tree if tree.ndim == 1 else tree[:1].ravel()))
    if parents[1:] != PARENTS[1:]:
        raise ValueError(
            f"kintree_table has shape {tree.shape} and is not SMPL's tree of {JOINT_COUNT} joints; "
            "SMPL-H and SMPL-X files do not fit, use a SMPL file."
        )
    template, regressor = arrays["v_template"], arrays["J_regressor"]
    count = len(template)
    if count == 0 or regressor.shape != (JOINT_COUNT, count):
        raise ValueError(
            f"J_regressor has shape {regressor.shape}, but {count} vertices and {JOINT_COUNT} "
            f"joints need {(JOINT_COUNT, count)}; use a SMPL file."
        )
    extent = float(np.ptp(template, axis=0).max(initial=0))
    if extent > _LARGEST_BODY_M:
        raise ValueError(
            f"v_template is a body of {extent:.5g} m, and lengths are in metres; divide its "
            "lengths, or use the file as downloaded."
        )
    shapes, poses = arrays["shapedirs"], arrays["posedirs"]
    if poses.shape == (POSE_FEATURES, template.size):  # as smplx keeps them
        poses = poses.T.reshape(*template.shape, -1)
    return BodyArrays(
        name=name,
        template=template.astype(np.float32),
        # The network predicts the first ten of up to 300 shape components.
        shape_directions=shapes[..., :BETA_COUNT].astype(np.float32),
        pose_directions=poses.astype(np.float32),
        joint_regressor=Regressor.from_dense(regressor),
        skinning_weights=arrays["weights"].astype(np.float32),
        faces=_faces(arrays["f"], count),
        joint_sets=smpl_joint_sets(regressor),
        metadata={"source": "licensed SMPL file, not part of icl_mesh"},
    )


def arrays_from_smplx(smplx_object: Any) -> BodyArrays:
    """The arrays of a ``smplx.SMPL`` object. Raises ValueError for other objects."""
    try:
        stored = {
            "v_template": smplx_object.v_template.detach().cpu().numpy(),
            "shapedirs": smplx_object.shapedirs.detach().cpu().numpy(),
            "posedirs": smplx_object.posedirs.detach().cpu().numpy(),
            "J_regressor": smplx_object.J_regressor.detach().cpu().numpy(),
            "weights": smplx_object.lbs_weights.detach().cpu().numpy(),
            "f": np.asarray(smplx_object.faces).astype(np.int64),
            "kintree_table": smplx_object.parents.detach().cpu().numpy()[None],
        }
    except AttributeError as error:
        raise ValueError(
            f"BodyModel.from_smplx: {type(smplx_object).__name__} is not a smplx.SMPL object "
            f"({error}); make one with smplx.SMPL(path)."
        ) from error
    return _arrays(type(smplx_object).__name__, stored)
