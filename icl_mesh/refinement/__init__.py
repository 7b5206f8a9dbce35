"""The second stage: people of the first are refined by the keypoints in a crop of each."""

from icl_mesh.refinement.second_stage import EVERYBODY, Plan, SecondStage

__all__ = ["EVERYBODY", "Plan", "SecondStage"]
