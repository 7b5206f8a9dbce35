"""From the network's maps to people: peaks, the parameters read there, duplicates removed.

Everything here works on tensors of any device and on whole batches, with no loop over people.
Letters: B images, N people of all images together, J joints (24), H x W map cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from icl_mesh.network.sampling import sample_at
from icl_mesh.rotation import matrix_from_6d

if TYPE_CHECKING:
    from icl_mesh.network import NetworkMaps

JOINT_COUNT = 24
#: The network regresses joints 0 to 21; the hands (22, 23) stay at identity.
REGRESSED_JOINTS = 22

PEAK_THRESHOLD = 0.2
PEAK_WINDOW = 5
MAX_PEOPLE = 64

#: Camera channel 0 is the scale's logarithm to this base (method: "Camera").
SCALE_BASE = 1.1
#: |c0| is held below this: a metre then spans between 1/2000 and 2000 half squares, and neither
#: an untrained network nor a damaged one can make depths infinite.
MAX_LOG_SCALE = 80.0

#: Two detections are one person found twice when all three hold.
DUPLICATE_CELLS = 3.0  # distance of the peaks, cells
DUPLICATE_ANGLE_DEG = 10.0  # mean over joints of the angle between their rotations
DUPLICATE_SCALE_RATIO = 1.15  # ratio of the weak-perspective scales: depths are this close


class Peaks(NamedTuple):
    """Local maxima of the centre heatmap; by image, then by falling score."""

    image: torch.Tensor  # [N] int64, index into the batch
    cell: torch.Tensor  # [N, 2] int64, (x, y)
    score: torch.Tensor  # [N] float32, 0 to 1


class Detections(NamedTuple):
    """People as the network describes them; by image, then by falling score."""

    peaks: Peaks
    weak: torch.Tensor  # [N, 3] (s, tx, ty): x_square = s * X + t, X in metres from the pelvis
    rotations: torch.Tensor  # [N, J, 3, 3], joint 0 takes body to camera axes
    betas: torch.Tensor  # [N, 10]
    center_instance: torch.Tensor  # [N, 64], I_C at the peak, before the projector

    def __len__(self) -> int:
        return self.weak.shape[0]

    def select(self, index: torch.Tensor) -> Detections:
        """The people of a boolean mask or an index tensor."""
        return Detections(
            Peaks(*(value[index] for value in self.peaks)), *(value[index] for value in self[1:])
        )


def decode_maps(maps: NetworkMaps, threshold: float = PEAK_THRESHOLD) -> Detections:
    """All people of a batch of maps (method: "Decoding").

    Raises RuntimeError if the network's outputs are not finite.
    """
    peaks = find_peaks(maps.center_heatmap, threshold)
    camera, smpl = read_cells(maps.camera, peaks), read_cells(maps.smpl, peaks)
    detections = Detections(
        peaks,
        weak_from_channels(camera),
        rotations_from_channels(smpl[:, : 6 * REGRESSED_JOINTS]),
        smpl[:, 6 * REGRESSED_JOINTS :],
        read_cells(maps.center_instance, peaks),
    )
    check_finite(
        center_heatmap=maps.center_heatmap,
        camera=camera,
        smpl=smpl,
        rotations=detections.rotations,
        center_instance=detections.center_instance,
    )
    return detections.select(~duplicates(detections))


def find_peaks(
    heatmap: torch.Tensor, threshold: float = PEAK_THRESHOLD, max_people: int = MAX_PEOPLE
) -> Peaks:
    """Cells of heatmap [B, 1, H, W] that are the largest of their 5x5 neighbourhood.

    threshold: a peak's least value. max_people: at most so many per image, the best ones.
    Equal neighbours are all peaks: telling two people from one found twice needs their poses.
    """
    pooled = F.max_pool2d(heatmap, PEAK_WINDOW, stride=1, padding=PEAK_WINDOW // 2)
    peaks = torch.where(heatmap == pooled, heatmap, -1).flatten(1)
    best, cell = peaks.topk(min(max_people, peaks.shape[1]), dim=1)
    image, rank = torch.nonzero(best >= threshold, as_tuple=True)
    cell = cell[image, rank]
    width = heatmap.shape[3]
    return Peaks(image, torch.stack((cell % width, cell // width), dim=1), best[image, rank])


def read_cells(feature_map: torch.Tensor, peaks: Peaks) -> torch.Tensor:
    """Map [B, C, H, W] -> its channels at the peaks [N, C]."""
    return sample_at(feature_map, peaks.image, peaks.cell)


def weak_from_channels(camera: torch.Tensor) -> torch.Tensor:
    """Camera channels (c0, tx, ty) [N, 3] -> weak perspective (s, tx, ty), s = 1.1 ** c0 > 0.

    c0 is clamped to +-MAX_LOG_SCALE.
    """
    log_scale = camera[:, :1].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE)
    return torch.cat((SCALE_BASE**log_scale, camera[:, 1:]), dim=1)


def rotations_from_channels(six: torch.Tensor) -> torch.Tensor:
    """132 channels, 22 joints x 6-D [N, 132] -> rotation matrices [N, 24, 3, 3]; hands identity."""
    body = matrix_from_6d(six.reshape(-1, REGRESSED_JOINTS, 6))
    hands = torch.eye(3, dtype=body.dtype, device=body.device).expand(
        body.shape[0], JOINT_COUNT - REGRESSED_JOINTS, 3, 3
    )
    return torch.cat((body, hands), dim=1)


def duplicates(detections: Detections) -> torch.Tensor:
    """Mask [N] of the detections that repeat a better one of the same image.

    A repeat lies within DUPLICATE_CELLS of the better one, at nearly the same depth and in nearly
    the same pose; two people who embrace, or stand one behind the other, are both kept. What
    resembles a repeat is a repeat too (YOLACT's "fast NMS"): no order, hence no loop.
    """
    image, cell, _ = detections.peaks
    cells = cell.float()
    near = (cells[:, None] - cells).norm(dim=2) <= DUPLICATE_CELLS
    scale = detections.weak[:, 0].log()
    same_depth = (scale[:, None] - scale).abs() <= torch.tensor(DUPLICATE_SCALE_RATIO).log()
    same_pose = mean_angle(detections.rotations[:, :REGRESSED_JOINTS]).rad2deg()
    same_image = image[:, None] == image
    repeats = near & same_depth & (same_pose <= DUPLICATE_ANGLE_DEG) & same_image
    return repeats.triu(diagonal=1).any(dim=0)  # rows are the better ones: sorted by score


def mean_angle(rotations: torch.Tensor) -> torch.Tensor:
    """Rotations [N, J, 3, 3] -> mean over joints of the angle between any two people [N, N], rad.

    trace(A^T B) is the inner product of the entries: one matrix product per joint gives all pairs.
    """
    flat = rotations.flatten(2).transpose(0, 1)  # [J, N, 9]
    cosine = ((flat @ flat.transpose(1, 2)) - 1) / 2  # [J, N, N]
    return cosine.clamp(-1, 1).acos().mean(dim=0)


def check_finite(**tensors: torch.Tensor) -> None:
    """One error for all tensors; one wait for the device while everything is well."""
    finite = torch.stack([value.isfinite().all() for value in tensors.values()])
    if not bool(finite.all()):
        broken = [name for name, good in zip(tensors, finite.tolist(), strict=True) if not good]
        raise RuntimeError(
            f"the network's output is not finite (NaN or infinite values in {', '.join(broken)}): "
            f"the weights are damaged, or overflow in this engine's precision"
        )
