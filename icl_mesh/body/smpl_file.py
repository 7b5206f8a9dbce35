"""Licensed SMPL model files: official .pkl (read without chumpy, nothing executed), .npz, smplx.

The files are not part of this package; see https://smpl.is.tue.mpg.de for their licence. Pickles
go through ``smpl_pickle``, which runs none of their code.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.body.joint_sets import smpl_joint_sets
from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT, PARENTS, BodyArrays, Regressor
from icl_mesh.body.smpl_pickle import read_smpl_pickle

# Looked for in a folder, in this order, there and in its subfolder "smpl" (smplx's layout).
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
)
_REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table")


def find_smpl_file(folder: Path) -> Path:
    """The model file under its official name in a folder (or its subfolder ``smpl``)."""
    for place in (folder, folder / "smpl"):
        for name in OFFICIAL_NAMES:
            if (place / name).is_file():
                return place / name
    raise FileNotFoundError(
        f"{folder}: no SMPL model file under an official name is in this folder; put one of "
        f"{', '.join(OFFICIAL_NAMES[:3])} there, or give the file itself."
    )


def load_smpl_file(path: Path) -> BodyArrays:
    """Read a licensed SMPL file (.pkl or .npz), or the one in a folder.

    Raises FileNotFoundError where nothing is there, ValueError naming what is wrong otherwise.
    """
    if path.is_dir():
        path = find_smpl_file(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such body file; give a SMPL .pkl or .npz, or 'default'."
        )
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                stored: Mapping[str, object] = {
                    name: file[name] for name in file.files if name in _REQUIRED
                }
        else:
            stored = read_smpl_pickle(path, _REQUIRED)
    except _READ_ERRORS as error:
        raise ValueError(
            f"{path} was not read as a SMPL model: {error}. Use the file as downloaded from "
            "SMPL's authors."
        ) from error
    try:
        return _arrays(path.stem, stored)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


# What np.load and the unpickler raise for damaged or foreign files.
_READ_ERRORS = (
    *(pickle.UnpicklingError, ValueError, TypeError, KeyError, AttributeError, IndexError),
    *(EOFError, OSError, ImportError, MemoryError, OverflowError),
)


def _arrays(name: str, stored: Mapping[str, object]) -> BodyArrays:
    missing = [key for key in _REQUIRED if key not in stored]
    if missing:
        raise ValueError(
            f"array {', '.join(missing)} is missing; a SMPL model file has all of "
            f"{', '.join(_REQUIRED)}."
        )
    arrays: dict[str, npt.NDArray[np.float64]] = {}
    for key in _REQUIRED:
        array = np.asarray(stored[key])
        if array.dtype.kind not in "fiu":
            raise ValueError(f"array {key} holds {array.dtype}, not numbers.")
        arrays[key] = array.astype(np.float64)
        if not np.isfinite(arrays[key]).all():
            raise ValueError(f"array {key} has entries that are not finite numbers.")
    tree = arrays["kintree_table"]
    parents = tuple(int(parent) for parent in tree[0]) if tree.ndim == 2 else ()
    if parents[1:] != PARENTS[1:]:
        raise ValueError(
            f"kintree_table has shape {tree.shape} and is not SMPL's tree of {JOINT_COUNT} joints; "
            "SMPL-H and SMPL-X files do not fit, use a SMPL file."
        )
    regressor = arrays["J_regressor"]
    count = len(arrays["v_template"])
    if regressor.shape != (JOINT_COUNT, count):
        raise ValueError(
            f"J_regressor has shape {regressor.shape}, but {count} vertices and {JOINT_COUNT} "
            f"joints need {(JOINT_COUNT, count)}; use a SMPL file."
        )
    shapes = arrays["shapedirs"]
    return BodyArrays(
        name=name,
        template=arrays["v_template"].astype(np.float32),
        # Files of 300 shape components are cut to the ten that the network predicts.
        shape_directions=shapes[..., :BETA_COUNT].astype(np.float32),
        pose_directions=arrays["posedirs"].astype(np.float32),
        joint_regressor=Regressor.from_dense(regressor),
        skinning_weights=arrays["weights"].astype(np.float32),
        faces=arrays["f"].astype(np.int32),
        joint_sets=smpl_joint_sets(regressor),
        metadata={"source": "licensed SMPL file, not part of icl_mesh"},
    )


def arrays_from_smplx(smplx_object: Any) -> BodyArrays:
    """The arrays of a ``smplx.SMPL`` object. Raises ValueError for other objects."""
    try:
        template = smplx_object.v_template.detach().cpu().numpy()
        stored = {
            "v_template": template,
            "shapedirs": smplx_object.shapedirs.detach().cpu().numpy(),
            # smplx keeps [207, 3V].
            "posedirs": smplx_object.posedirs.detach().cpu().numpy().T.reshape(*template.shape, -1),
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
