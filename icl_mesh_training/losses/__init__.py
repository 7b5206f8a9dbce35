"""The paper's losses, their targets and their sum."""

from icl_mesh_training.losses.contrastive import contrastive_loss

__all__ = ["contrastive_loss"]
