"""Training targets: body centres, their collision-aware shift, Gaussian heatmaps.

All functions take flat lists of people of all images. Map cells follow one rule everywhere,
`icl_mesh.network.cell_from_square`: heatmap peaks and sampled features share their cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from icl_mesh.network import cell_from_square
from icl_mesh_training.data.batch import Batch
from icl_mesh_training.scenes.render.labels import BY_SELF, OUTSIDE, VISIBLE

#: Pelvis, hips, neck and shoulders: the body centre is the mean of the visible ones.
TORSO_JOINTS = (0, 1, 2, 12, 16, 17)
#: Share of the missing distance by which centres of overlapping people are pushed apart
#: (collision-aware representation; Sun et al. 2021, ROMP, section 3.3).
REPULSION = 0.2
#: Least visible share, and least size (square coordinates), of a person who must be found.
MIN_VISIBLE, MIN_SIZE = 0.12, 0.1
#: Overlap that CenterNet's radius rule guarantees between a box and its shifted copy.
MIN_OVERLAP = 0.7


class Targets(NamedTuple):
    """center_heatmap [B,1,h,w], joint_heatmaps [B,24,h,w]; center_weight [B,1,h,w] is 0 around
    people who are not demanded; joint_weight [B,24,h,w] is 0 where an unlabelled joint may be;
    center [N,2] square coordinates; size [N] extent of each person's box in square coordinates;
    kept bool [N]: people that the network must find.
    """

    center_heatmap: torch.Tensor
    joint_heatmaps: torch.Tensor
    center_weight: torch.Tensor
    joint_weight: torch.Tensor
    center: torch.Tensor
    size: torch.Tensor
    kept: torch.Tensor


def body_centers(joints: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Centres [N, 2] from joints [N, J, 2] and their states [N, J].

    The mean of the visible torso joints; of all visible joints where no torso joint is visible;
    of the joints inside the image where none is visible at all. Own body parts in front of a
    joint do not hide it here: the joint is still under the person's own pixels.
    """
    visible = state <= BY_SELF
    torso = torch.zeros_like(visible)
    torso[:, TORSO_JOINTS] = visible[:, TORSO_JOINTS]
    chosen = torch.where(torso.any(1, keepdim=True), torso, visible)
    chosen = torch.where(chosen.any(1, keepdim=True), chosen, state < OUTSIDE)
    weight = chosen.to(joints.dtype)[..., None]
    return (joints * weight).sum(1) / weight.sum(1).clamp(min=1)


def boxes(joints: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Box (left, top, right, bottom) [N, 4] of the joints inside the image; zeros if none is."""
    inside = (state < OUTSIDE)[..., None]
    low = torch.where(inside, joints, torch.inf).amin(1)
    high = torch.where(inside, joints, -torch.inf).amax(1)
    return torch.cat((low, high), dim=1).nan_to_num(0, 0, 0)


def gaussian_radius(box: torch.Tensor) -> torch.Tensor:
    """CornerNet/CenterNet's radius [N] of boxes (width, height) [N, 2], in the boxes' unit.

    The smallest of three cases (both corners out, both in, one each) in which a box shifted by the
    radius still overlaps the true one by MIN_OVERLAP.
    """
    total, area = box.sum(1), box.prod(1)

    def root(a: float, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        # CenterNet's code takes (b + sqrt) / 2 in every case, without the 2a of the quadratic
        # formula. Kept: it is the rule that the method names, and its maps are known to train.
        return (b + (b.square() - 4 * a * c).clamp(min=0).sqrt()) / 2

    one_each = root(1, total, area * (1 - MIN_OVERLAP) / (1 + MIN_OVERLAP))
    inside = root(4, 2 * total, (1 - MIN_OVERLAP) * area)
    outside = root(4 * MIN_OVERLAP, -2 * MIN_OVERLAP * total, (MIN_OVERLAP - 1) * area)
    return torch.stack((one_each, inside, outside)).amin(0).clamp(min=0)


def push_apart(
    center: torch.Tensor, radius: torch.Tensor, image_index: torch.Tensor
) -> torch.Tensor:
    """Centres [N, 2] in cells after the repulsion of overlapping people of one image.

    For two centres at distance d < r1 + r2 + 1, each moves along the line between them by
    REPULSION times the missing distance r1 + r2 + 1 - d.
    """
    offset = center[:, None] - center[None, :]
    gap = offset.norm(dim=-1)
    missing = (radius[:, None] + radius[None, :] + 1 - gap).clamp(min=0)
    apart = (image_index[:, None] == image_index[None, :]) & (gap > 1e-6)
    direction = offset / gap.clamp(min=1e-6)[..., None]
    return center + (REPULSION * missing * apart)[..., None].mul(direction).sum(1)


def gaussian_maps(
    cells: torch.Tensor, sigma: torch.Tensor, channel: torch.Tensor, channels: int, size: int
) -> torch.Tensor:
    """Max over points of Gaussians with a peak of exactly 1 at each point's cell.

    cells int [M, 2] (x, y), sigma [M] in cells, channel int [M] -> [channels, size, size].
    """
    axis = torch.arange(size, device=cells.device)
    dx = (axis[None, :] - cells[:, :1]).float()
    dy = (axis[None, :] - cells[:, 1:]).float()
    spread = 2 * sigma[:, None].square()
    bumps = torch.exp(-dy.square() / spread)[:, :, None] * torch.exp(-dx.square() / spread)[:, None]
    maps = torch.zeros(channels, size, size, device=cells.device)
    return maps.scatter_reduce_(0, channel[:, None, None].expand_as(bumps), bumps, "amax")


def box_maps(box: torch.Tensor, channel: torch.Tensor, channels: int, size: int) -> torch.Tensor:
    """1 in the cells whose centre lies in a box, else 0.

    box [M, 4] (left, top, right, bottom) in square coordinates, channel int [M]
    -> [channels, size, size].
    """
    center = torch.arange(size, device=box.device).add(0.5).mul(2 / size).sub(1)
    x = (center >= box[:, :1]) & (center <= box[:, 2:3])
    y = (center >= box[:, 1:2]) & (center <= box[:, 3:])
    inside = (y[:, :, None] & x[:, None, :]).float()
    maps = torch.zeros(channels, size, size, device=box.device)
    return maps.scatter_reduce_(0, channel[:, None, None].expand_as(inside), inside, "amax")


def joint_weights(batch: Batch, box: torch.Tensor, joint_heatmaps: torch.Tensor) -> torch.Tensor:
    """Where the joint heatmap loss counts, [B, 24, h, w]: an unlabelled joint is no negative.

    box [N, 4] in square coordinates. A channel that nobody in the image has labelled does not
    count at all. Where only some people have it, the boxes of the others
    (grown by a fifth: limbs reach out) do not count, save around the labelled joints themselves.
    """
    images, joints, _, width = joint_heatmaps.shape
    labelled = batch.joint_labelled.float()
    channel = labelled.new_zeros(images, joints).index_add(0, batch.image_index, labelled) > 0
    people = torch.bincount(batch.image_index, minlength=images)
    channel |= (people == 0)[:, None]
    weight = channel.float()[:, :, None, None].expand_as(joint_heatmaps)
    person, joint = (~batch.joint_labelled).nonzero(as_tuple=True)
    if not len(person):
        return weight
    margin = 0.2 * (box[:, 2:] - box[:, :2])
    grown = torch.cat((box[:, :2] - margin, box[:, 2:] + margin), dim=1)
    channel_of = batch.image_index[person] * joints + joint
    unknown = box_maps(grown[person], channel_of, images * joints, width)
    return weight * ((unknown.view_as(joint_heatmaps) == 0) | (joint_heatmaps > 0.3))


def make_targets(batch: Batch, map_size: int) -> Targets:
    """Targets for the [map_size, map_size] maps of a batch.

    A person is demanded if at least MIN_VISIBLE of it and at least three joints are visible, and
    if it is at least MIN_SIZE large. The centre loss ignores the surroundings
    of the others' centres, and no other loss counts them. For people without a labelled joint the
    centre loss ignores their whole box.
    """
    images = len(batch.images)
    known = batch.joint_labelled.any(1)
    state = torch.where(
        batch.joint_labelled | ~known[:, None],
        batch.joint_state,
        torch.full_like(batch.joint_state, OUTSIDE),
    )
    center = body_centers(batch.joints_2d, state)
    corners = boxes(batch.joints_2d, state)
    box = (corners[:, 2:] - corners[:, :2]) * (map_size / 2)
    radius = gaussian_radius(box)
    seen_joints = (state <= BY_SELF).sum(1)
    kept = known & (batch.visible_share >= MIN_VISIBLE) & (seen_joints >= 3)
    kept &= (center.abs() < 1).all(1)
    size = box.amax(1) * 2 / map_size
    kept &= size >= MIN_SIZE

    cells = (center + 1) / 2 * map_size
    moved = cells.clone()
    moved[kept] = push_apart(cells[kept], radius[kept], batch.image_index[kept])
    center = (moved / map_size * 2 - 1).clamp(-1, 1)
    # sigma = diameter / 6, with the diameter 2 r + 1 of CenterNet's window.
    sigma = (2 * radius + 1) / 6

    def center_maps(chosen: torch.Tensor, least: float) -> torch.Tensor:
        peaks = cell_from_square(center[chosen], map_size)
        image = batch.image_index[chosen]
        spread = sigma[chosen].clamp(min=least)
        return gaussian_maps(peaks, spread, image, images, map_size)[:, None]

    center_heatmap = center_maps(kept, 0.5)
    # People without a joint inside the square have no location in it (their centre is 0, 0).
    hidden = center_maps(~kept & (state < OUTSIDE).any(1), 1.5)
    region = box_maps(corners[~known], batch.image_index[~known], images, map_size)[:, None]
    center_weight = (((hidden < 0.3) & (region == 0)) | (center_heatmap > 0.3)).float()
    joint_heatmaps = _joint_heatmaps(batch, batch.joint_labelled & (state == VISIBLE), map_size)
    return Targets(
        center_heatmap,
        joint_heatmaps,
        center_weight,
        joint_weights(batch, corners, joint_heatmaps),
        center,
        size,
        kept,
    )


def _joint_heatmaps(batch: Batch, chosen: torch.Tensor, map_size: int) -> torch.Tensor:
    """[B, 24, map_size, map_size] of the chosen joints, bool [N, 24]; sigma is one cell."""
    person, joint = chosen.nonzero(as_tuple=True)
    channels = len(batch.images) * 24
    return gaussian_maps(
        cell_from_square(batch.joints_2d[person, joint], map_size),
        batch.joints_2d.new_ones(len(person)),
        batch.image_index[person] * 24 + joint,
        channels,
        map_size,
    ).view(-1, 24, map_size, map_size)
