"""From the network's maps to people: peaks, the parameters read there, duplicates removed.

A few hundred numbers per person are read from the maps and decoded on the host for all people at
once: for so few numbers, launching GPU operations would take longer than computing.
Letters: B images, N people of all images together, J joints (24), H x W map cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.geometry.rotation import matrices_from_6d
from icl_mesh.network import InferenceMaps, NetworkMaps
from icl_mesh.network.constants import JOINTS, ROTATIONS, SCALE_BASE
from icl_mesh.network.sampling import sample_at

Floats = npt.NDArray[np.floating[Any]]
#: Images [N] and cells (x, y) [N, 2] -> SMPL channels there [N, 142]: Engine.smpl_at of some maps.
SmplAt = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], torch.Tensor]

JOINT_COUNT = JOINTS
#: The network regresses joints 0 to 21; the hands (22, 23) stay at identity.
REGRESSED_JOINTS = ROTATIONS

PEAK_THRESHOLD = 0.2
PEAK_WINDOW = 5
MAX_PEOPLE = 64

#: |c0| is held below this: a metre then spans between 1/2000 and 2000 half squares, and neither
#: an untrained network nor a damaged one can make depths infinite.
MAX_LOG_SCALE = 80.0

#: Two detections are duplicates when all three hold.
DUPLICATE_CELLS = 3.0  # distance of the peaks, cells
DUPLICATE_ANGLE_DEG = 10.0  # mean over joints of the angle between their rotations
DUPLICATE_SCALE_RATIO = 1.15  # ratio of the weak-perspective scales: depths are this close

_STEPS = np.arange(PEAK_WINDOW) - PEAK_WINDOW // 2


class Peaks(NamedTuple):
    """Local maxima of the centre heatmap; by image, then by falling score."""

    image: npt.NDArray[np.int64]  # [N], index into the batch
    cell: npt.NDArray[np.int64]  # [N, 2], (x, y)
    score: npt.NDArray[np.float32]  # [N], 0 to 1


class Detections(NamedTuple):
    """People as the network describes them; by image, then by falling score."""

    peaks: Peaks
    weak_camera: Floats  # [N, 3] (s, tx, ty): x_square = s * X + t, X in metres from the pelvis
    rotations: Floats  # [N, J, 3, 3], joint 0 takes body to camera axes
    betas: Floats  # [N, 10]
    center_instance: Floats  # [N, 64], I_C at the peak, before the projector

    def __len__(self) -> int:
        return len(self.weak_camera)

    def select(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Detections:
        """The people of a boolean mask or an index array."""
        image, cell, score = self.peaks
        return Detections(
            Peaks(image[index], cell[index], score[index]), *(value[index] for value in self[1:])
        )


def decode_maps(
    maps: NetworkMaps | InferenceMaps,
    threshold: float = PEAK_THRESHOLD,
    smpl_at: SmplAt | None = None,
) -> Detections:
    """All people of a batch of maps (method: "Decoding").

    smpl_at: gives the SMPL channels at the peaks, for maps that lack them (InferenceMaps); default:
    the map of NetworkMaps. Raises RuntimeError if the network's outputs are not finite, ValueError
    for InferenceMaps without smpl_at.
    """
    heatmap = _on_host(maps.center_heatmap)
    peaks = find_peaks(heatmap, threshold)
    if smpl_at is not None:
        values = smpl_at(peaks.image, peaks.cell)
        camera, center_instance = read_cells(peaks, maps.camera, maps.center_instance)
        smpl = _on_host(values)
    elif isinstance(maps, NetworkMaps):
        camera, smpl, center_instance = read_cells(
            peaks, maps.camera, maps.smpl, maps.center_instance
        )
    else:
        raise ValueError("maps without a map of SMPL channels need smpl_at")
    detections = Detections(
        peaks,
        weak_from_channels(camera),
        rotations_from_channels(smpl[:, : 6 * REGRESSED_JOINTS]),
        smpl[:, 6 * REGRESSED_JOINTS :],
        center_instance,
    )
    check_finite(
        center_heatmap=heatmap,
        camera=camera,
        smpl=smpl,
        rotations=detections.rotations,
        center_instance=center_instance,
    )
    duplicate = duplicates(detections)
    return detections.select(~duplicate) if duplicate.any() else detections


def find_peaks(
    heatmap: npt.ArrayLike, threshold: float = PEAK_THRESHOLD, max_people: int = MAX_PEOPLE
) -> Peaks:
    """Cells of heatmap [B, 1, H, W] that are the largest of their 5x5 neighbourhood.

    threshold: a peak's least value. max_people: at most so many per image, the best ones.
    Equal neighbours are all peaks: duplicates() compares their poses.
    """
    scores = np.asarray(heatmap, dtype=np.float32)
    count, _, height, width = scores.shape
    # Few cells reach the threshold: only their neighbourhoods are compared.
    cell = np.flatnonzero(scores >= threshold)
    row, x = np.divmod(cell, width)
    image, y = np.divmod(row, height)
    score = scores.ravel()[cell]
    # A neighbour outside the map is replaced by the nearest one inside.
    rows = image[:, None, None] * height + np.clip(y[:, None] + _STEPS, 0, height - 1)[:, :, None]
    columns = np.clip(x[:, None] + _STEPS, 0, width - 1)[:, None]
    around = scores.reshape(count * height, width)[rows, columns]
    is_peak = np.flatnonzero(score >= around.max(axis=(1, 2)))
    order = is_peak[np.lexsort((-score[is_peak], image[is_peak]))]
    if len(order) > max_people:
        rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
        order = order[rank < max_people]
    return Peaks(image[order], np.stack((x[order], y[order]), axis=1), score[order])


def read_cells(peaks: Peaks, *maps: torch.Tensor) -> list[Floats]:
    """Maps [B, C, H, W], each with a C of its own -> their channels at the peaks [N, C]; one copy
    from the device for all."""
    if maps[0].device.type == "cpu":
        x, y = peaks.cell.T
        return [_on_host(one)[peaks.image, :, y, x] for one in maps]
    image, cell = (torch.from_numpy(index).to(maps[0].device) for index in peaks[:2])
    read = torch.cat([sample_at(one, image, cell) for one in maps], dim=1)
    ends = np.cumsum([one.shape[1] for one in maps])
    return np.split(_on_host(read), ends[:-1], axis=1)


def weak_from_channels(camera: Floats) -> Floats:
    """Camera channels (c0, tx, ty) [N, 3] -> weak perspective (s, tx, ty), s = 1.1 ** c0 > 0.

    c0 is clamped to +-MAX_LOG_SCALE.
    """
    weak_camera = camera.copy()
    weak_camera[:, 0] = SCALE_BASE ** np.clip(camera[:, 0], -MAX_LOG_SCALE, MAX_LOG_SCALE)
    return weak_camera


def rotations_from_channels(six: Floats) -> Floats:
    """132 channels, 22 joints x 6-D [N, 132] -> rotation matrices [N, 24, 3, 3]; hands identity."""
    rotations = np.empty((len(six), JOINT_COUNT, 3, 3), six.dtype)
    rotations[:, :REGRESSED_JOINTS] = matrices_from_6d(six.reshape(-1, REGRESSED_JOINTS, 6))
    rotations[:, REGRESSED_JOINTS:] = np.eye(3)
    return rotations


def duplicates(detections: Detections) -> npt.NDArray[np.bool_]:
    """Mask [N] of the detections that duplicate one of a higher score in the same image.

    A duplicate lies within DUPLICATE_CELLS of the other detection, at nearly the same depth and in
    nearly the same pose. Two people who embrace, or stand one behind the other, are both kept.
    A duplicate suppresses further ones, as in YOLACT's "fast NMS": that needs no loop.
    """
    image, cell, _ = detections.peaks
    dx, dy = (axis[:, None] - axis for axis in cell.T)
    near = (dx * dx + dy * dy <= DUPLICATE_CELLS**2) & (image[:, None] == image)
    better, row = np.nonzero(np.triu(near, k=1))  # sorted by score: the better one comes first
    duplicate = np.zeros(len(detections), dtype=np.bool_)
    if len(row):  # hardly ever
        log_scale = np.log(detections.weak_camera[:, 0])
        same_depth = np.abs(log_scale[better] - log_scale[row]) <= np.log(DUPLICATE_SCALE_RATIO)
        regressed = detections.rotations[:, :REGRESSED_JOINTS]
        angle = np.rad2deg(mean_angle(regressed[better], regressed[row]))
        duplicate[row[same_depth & (angle <= DUPLICATE_ANGLE_DEG)]] = True
    return duplicate


def mean_angle(first: Floats, second: Floats) -> Floats:
    """Rotations [M, J, 3, 3] of M pairs -> mean over joints of the angle between the two, rad [M].

    trace(A^T B) is the inner product of the entries.
    """
    cosine = (np.einsum("mjab,mjab->mj", first, second) - 1) / 2
    return np.asarray(np.arccos(np.clip(cosine, -1, 1)).mean(axis=1))


def check_finite(**values: Floats) -> None:
    """One error for all arrays, which names those that hold NaN or infinity."""
    refuse_broken([name for name, value in values.items() if not np.isfinite(value).all()])


def refuse_broken(broken: Sequence[str]) -> None:
    """Raise RuntimeError if any array is named that is not finite."""
    if broken:
        raise RuntimeError(
            f"the network's output is not finite (NaN or infinite values in {', '.join(broken)}): "
            f"the weights are damaged, or overflow in this engine's precision"
        )


def _on_host(tensor: torch.Tensor) -> Floats:
    return np.asarray(tensor.float().cpu().numpy())
