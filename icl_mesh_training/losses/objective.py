"""All loss terms of one batch: network maps and labels -> weighted losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import project_from_weak
from icl_mesh.geometry.rotation import matrix_from_6d
from icl_mesh.network import IclMeshNetwork, NetworkMaps, cell_from_square, sample_at
from icl_mesh.network.constants import SCALE_BASE
from icl_mesh_training.data.batch import Batch
from icl_mesh_training.losses import contrastive
from icl_mesh_training.losses import terms as losses
from icl_mesh_training.losses.pose_prior import PosePrior
from icl_mesh_training.losses.targets import make_targets
from icl_mesh_training.scenes.render.labels import BY_SELF, OUTSIDE

#: Weights of the public configuration. Not in the paper: camera, orientation (of the whole body),
#: cross_push, and infonce, which replaces push and pull.
PAPER_WEIGHTS = {
    "center_heatmap": 160.0,
    "joint_heatmap": 50.0,
    "push": 50.0,
    "pull": 50.0,
    "pose": 80.0,
    "shape": 6.0,
    "joints_3d": 200.0,
    "joints_3d_aligned": 360.0,
    "joints_2d": 400.0,
    "pose_prior": 1.6,
    "camera": 0.0,
    "orientation": 0.0,
    "cross_push": 0.0,
    "infonce": 0.0,
}
#: Terms that need the SMPL branch; left out if the network was run without it.
SMPL_TERMS = (
    *("pose", "orientation", "shape", "joints_3d", "joints_3d_aligned", "joints_2d"),
    "pose_prior",
)
#: Upper limit of a weighted term; larger terms are rescaled to it.
LOSS_CAP = 1000.0


@dataclass(frozen=True)
class ObjectiveConfig:
    """weights: see PAPER_WEIGHTS; terms left out keep the paper's weight.

    neighbours: parameters are also trained at this many randomly drawn cells next to each centre
    (0 in the paper): peaks at test time are often one cell off.
    projector: compare centre and joint features after P_C and P_J; False is the ablation of the
    supplementary's Table 3. temperature: of infonce.
    """

    weights: dict[str, float] = field(default_factory=dict)
    neighbours: int = 0
    projector: bool = True
    temperature: float = 0.1

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(PAPER_WEIGHTS))
        if unknown:
            raise ValueError(f"unknown loss terms {unknown}; known: {sorted(PAPER_WEIGHTS)}")


class Objective(torch.nn.Module):
    """(network, maps, batch) -> weighted loss terms."""

    def __init__(self, body: BodyModel, config: ObjectiveConfig) -> None:
        super().__init__()
        self.body = body
        self.prior = PosePrior.load()
        self.weights = {**PAPER_WEIGHTS, **config.weights}
        self.neighbours = config.neighbours
        self.projector = config.projector
        self.temperature = config.temperature

    def forward(
        self, network: IclMeshNetwork, maps: NetworkMaps, batch: Batch
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Returns the total and every unweighted term (detached).

        Without an SMPL map (no channels) SMPL_TERMS are left out.
        """
        targets = make_targets(batch, maps.center_heatmap.shape[-1])
        terms = {
            "center_heatmap": losses.focal_loss(
                maps.center_heatmap, targets.center_heatmap, targets.center_weight
            ),
            "joint_heatmap": losses.focal_loss(
                maps.joint_heatmaps, targets.joint_heatmaps, targets.joint_weight
            ),
        }
        people = batch.select(targets.kept)
        center, size = targets.center[targets.kept], targets.size[targets.kept]
        terms |= self._contrastive_terms(network, maps, people, center)
        terms |= self._parameter_terms(maps, people, center, size)
        total = maps.smpl.new_zeros((), dtype=torch.float32)
        for name, term in terms.items():
            weighted = term.float() * self.weights[name]
            total = total + weighted * (LOSS_CAP / weighted.detach().clamp(min=LOSS_CAP))
        return total, {name: term.detach().float() for name, term in terms.items()}

    def _contrastive_terms(
        self, network: IclMeshNetwork, maps: NetworkMaps, people: Batch, center: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        size = maps.center_instance.shape[-1]
        center_cell = cell_from_square(center, size)
        joint_cell = cell_from_square(people.joints_2d, size)
        at_center = sample_at(maps.center_instance, people.image_index, center_cell)
        image_of_joint = people.image_index[:, None].expand(joint_cell.shape[:2]).flatten()
        at_joint = sample_at(maps.joint_instance, image_of_joint, joint_cell.flatten(0, 1))
        if self.projector:
            at_center, at_joint = network.project_center(at_center), network.project_joint(at_joint)
        # Only joints on the person's own pixels: at a joint that another person hides, the feature
        # is that person's.
        features = (
            at_center,
            at_joint.view(-1, 24, at_joint.shape[-1]),
            people.joint_labelled & (people.joint_state <= BY_SELF),
            people.image_index,
        )
        push, pull = contrastive.contrastive_loss(*features)
        return {
            "push": push,
            "pull": pull,
            "cross_push": contrastive.cross_person_push(*features),
            "infonce": contrastive.infonce_loss(*features, self.temperature),
        }

    def _parameter_terms(
        self, maps: NetworkMaps, people: Batch, center: torch.Tensor, size: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        map_size = maps.camera.shape[-1]
        cell = cell_from_square(center, map_size)
        if self.neighbours:
            people, cell, size = self._with_neighbours(people, cell, size, map_size)
        camera = sample_at(maps.camera, people.image_index, cell)
        weak_camera = torch.cat((SCALE_BASE ** camera[:, :1], camera[:, 1:]), dim=1)
        terms: dict[str, torch.Tensor] = {}
        if maps.smpl.shape[1]:
            smpl = sample_at(maps.smpl, people.image_index, cell)
            terms = self._smpl_terms(smpl, weak_camera, people, size)
        return terms | {
            "camera": losses.camera_loss(weak_camera, people.weak_camera, people.has_camera)
        }

    def _smpl_terms(
        self, smpl: torch.Tensor, weak_camera: torch.Tensor, people: Batch, size: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """SMPL_TERMS of parameters [N, 142] and weak_camera [N, 3], one row per person."""
        rotations = matrix_from_6d(smpl[:, :132].view(-1, 22, 6))
        hands = torch.eye(3, device=smpl.device).expand(len(smpl), 2, 3, 3)
        rotations = torch.cat((rotations, hands), dim=1)
        betas = smpl[:, 132:]
        joints = self.body.joints(betas, rotations)
        joints = joints - joints[:, :1]
        joints_2d = project_from_weak(joints, weak_camera, people.inverse_focal, people.principal)
        labelled_3d = people.joint_labelled & people.has_joints_3d[:, None]
        return {
            "pose": losses.pose_loss(rotations[:, :22], people.rotations[:, :22], people.has_pose),
            # The root is one of 22 rotations in the term above, but moves the whole body.
            "orientation": losses.pose_loss(
                rotations[:, :1], people.rotations[:, :1], people.has_pose
            ),
            "shape": losses.shape_loss(betas, people.betas, people.has_shape),
            "joints_3d": losses.joint_loss(joints, people.joints_3d, labelled_3d),
            "joints_3d_aligned": losses.procrustes_joint_loss(
                joints, people.joints_3d, labelled_3d
            ),
            "joints_2d": losses.keypoint_loss(
                joints_2d,
                people.joints_2d,
                people.joint_labelled & (people.joint_state < OUTSIDE),
                size,
            ),
            "pose_prior": self.prior(rotations),
        }

    def _with_neighbours(
        self, people: Batch, cell: torch.Tensor, size: torch.Tensor, map_size: int
    ) -> tuple[Batch, torch.Tensor, torch.Tensor]:
        """People repeated at neighbour cells, except cells as near to another person's centre."""
        count, copies = len(cell), self.neighbours
        offset = torch.randint(-1, 2, (copies, count, 2), device=cell.device)
        moved = (cell + offset).clamp(0, map_size - 1).flatten(0, 1)
        owner = torch.arange(count, device=cell.device).repeat(copies)
        gap = (moved[:, None] - cell[None]).square().sum(-1)
        other = people.image_index[owner][:, None] == people.image_index[None, :]
        other &= owner[:, None] != torch.arange(count, device=cell.device)[None]
        own = gap.gather(1, owner[:, None])
        free = ~(other & (gap <= own)).any(1)
        chosen = torch.cat((torch.arange(count, device=cell.device), owner[free]))
        return people.select(chosen), torch.cat((cell, moved[free])), size[chosen]
