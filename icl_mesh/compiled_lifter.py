"""icl_mesh.lifting.HostLifter as a few compiled functions (src/lifter.cpp, src/evidence.cpp).

For eight people numpy starts some three hundred operations for it, which take several times as long
as their arithmetic.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.body.layout import JOINT_COUNT
from icl_mesh.body.posing import Poser, Skeletons
from icl_mesh.body.rig import KEYPOINT_BONE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.camera import SquareCamera
from icl_mesh.decoding import Detections, check_finite
from icl_mesh.evidence import gather_evidence
from icl_mesh.lifting import HostLifter
from icl_mesh.native import FLOAT, INT, POINTER, address, kernel
from icl_mesh.network import InferenceMaps, KeypointChannels
from icl_mesh.network.lifter import PASSES, PoseLifter

_FIRST_POINTS = (*(POINTER,) * 5, INT, *(POINTER,) * 4)
_LIFT = (*(POINTER,) * 3, INT, INT, POINTER, POINTER, INT, *(POINTER,) * 7)
#: Outputs of a layer that are summed at once (LANES of src/native.hpp).
_COLUMN = 16
_LAYERS = 4


class _Body(ctypes.Structure):
    """BodyTables of src/skeleton.hpp."""

    _fields_ = tuple(
        (name, POINTER)
        for name in (
            *("rest", "rest_directions", "parents"),
            *("keypoint_joint", "keypoint_bone", "keypoint_offset"),
        )
    )


class _Camera(ctypes.Structure):
    _fields_ = tuple((name, FLOAT) for name in ("inverse_focal", "x", "y"))


class _Layers(ctypes.Structure):
    _fields_ = (
        *((name, POINTER * _LAYERS) for name in ("weights", "bias")),
        *((name, INT * _LAYERS) for name in ("inputs", "outputs")),
    )


class _Packed(NamedTuple):
    """A layer as the kernel reads it: weights [outputs / 16, inputs, 16], bias [outputs]."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


class CompiledLifter:
    """Does what a HostLifter does."""

    def __init__(
        self,
        lifter: PoseLifter,
        poser: Poser,
        rig: KeypointRig,
        channels: KeypointChannels | None,
    ) -> None:
        """channels: of the network's backbone. Raises ValueError without the compiled library."""
        points, lift = (
            kernel("icl_first_points", *_FIRST_POINTS),
            kernel("icl_lift", *_LIFT),
        )
        if points is None or lift is None:
            raise ValueError("the compiled kernels are not installed (icl_mesh.native)")
        self._first_points, self._lift = points, lift
        self._channels, self._kinds = channels, lifter.keypoints
        self._layers = [_packed(weights.numpy(), bias.numpy()) for weights, bias in lifter.folded()]
        tables = (*poser.skeleton_tables, KEYPOINT_JOINT, KEYPOINT_BONE, rig.offsets)
        self._tables = [np.ascontiguousarray(table) for table in tables]
        self._body = _Body(*(address(table, table.dtype.type) for table in self._tables))
        columns = list(zip(*self._layers, strict=True))
        self._structure = _Layers(
            *((POINTER * _LAYERS)(*map(address, column)) for column in columns),
            (INT * _LAYERS)(*(layer.weights.shape[1] for layer in self._layers)),
            (INT * _LAYERS)(*(len(layer.bias) for layer in self._layers)),
        )

    def __call__(
        self, found: Detections, maps: InferenceMaps, camera: SquareCamera
    ) -> tuple[Detections, Skeletons]:
        """See HostLifter."""
        count = len(found)
        # Copies: they are changed in place.
        rotations, betas, weak = (
            np.array(value, np.float32, order="C")
            for value in (found.rotations, found.betas, found.weak)
        )
        skeletons = Skeletons(
            np.empty((count, JOINT_COUNT, 3), np.float32),
            np.empty((count, JOINT_COUNT, 3, 3), np.float32),
            np.empty((count, JOINT_COUNT, 3), np.float32),
            betas,
            rotations,
        )
        square = np.empty((count, JOINT_COUNT + len(KEYPOINT_JOINT), 2), np.float32)
        posed = [address(value) for value in (*skeletons[:3], square)]
        body = ctypes.addressof(self._body)
        own = _Camera(1 / camera.focal, camera.px, camera.py)
        seen_by = ctypes.addressof(own)
        self._first_points(
            *(body, address(betas), address(rotations), address(weak), seen_by, count), *posed
        )
        evidence = gather_evidence(
            maps,
            self._channels,
            found.peaks,
            square[:, :JOINT_COUNT],
            square[:, JOINT_COUNT:],
        )
        check_finite(joint_heatmaps=evidence.joints.strength)
        seen = np.concatenate([kind.points for kind in evidence], axis=1)
        strength = np.concatenate([kind.strength for kind in evidence], axis=1)
        self._lift(
            *(body, ctypes.addressof(self._structure), seen_by, self._kinds, PASSES),
            *(address(seen), address(strength), count),
            *(address(rotations), address(betas), address(weak)),
            *posed,
        )
        check_finite(lifted=rotations)
        lifted = Detections(found.peaks, weak, rotations, betas, found.center_instance)
        return lifted, skeletons


def make_lifter(
    lifter: PoseLifter, poser: Poser, rig: KeypointRig, channels: KeypointChannels | None
) -> HostLifter | CompiledLifter:
    """The compiled one where its library is there."""
    compiled = kernel("icl_lift", *_LIFT) is not None
    return (CompiledLifter if compiled else HostLifter)(lifter, poser, rig, channels)


def _packed(weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> _Packed:
    """weights [inputs, outputs], bias [outputs]; outputs are filled up with zeros."""
    inputs, outputs = weights.shape
    columns = -(-outputs // _COLUMN)
    full = np.zeros((inputs, columns * _COLUMN), np.float32)
    full[:, :outputs] = weights
    wide = np.zeros(columns * _COLUMN, np.float32)
    wide[:outputs] = bias
    packed = full.reshape(inputs, columns, _COLUMN).transpose(1, 0, 2)
    return _Packed(np.ascontiguousarray(packed), wide)
