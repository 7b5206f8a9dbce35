"""The second stage: people of the first are refined by the keypoints in a crop of each."""

from icl_mesh.refinement.budget import Budget
from icl_mesh.refinement.second_stage import SecondStage

__all__ = ["Budget", "SecondStage"]
