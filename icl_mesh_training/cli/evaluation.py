"""`icl-mesh-train evaluate` and `threshold`: their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from icl_mesh_training.cli import commands as run
from icl_mesh_training.cli.arguments import add_min_visible, at_least, share

Commands = argparse._SubParsersAction  # generic only for type checkers


def add_evaluation_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds `evaluate` to the subcommands of `icl-mesh-train`."""
    evaluate = commands.add_parser(
        "evaluate", help="measure weights on scenes, photos, frames or data sets"
    )
    evaluate.set_defaults(run=run.evaluate)
    evaluate.add_argument("--weights", default="default")
    evaluate.add_argument("--device", default="auto")
    evaluate.add_argument("--threshold", type=share, help="detection threshold")
    evaluate.add_argument(
        "--refine", choices=("all", "off"), default="all", help="the second stage (all)"
    )
    evaluate.add_argument("--limit", type=at_least(1), help="only the first images of each")
    evaluate.add_argument("--scenes", type=Path, help="folder of rendered scenes")
    add_min_visible(evaluate)
    evaluate.add_argument(
        "--photos", type=Path, help="folder of person_keypoints.json (COCO) and images/"
    )
    evaluate.add_argument(
        "--photos-split",
        nargs="*",
        default=[],
        metavar="SPLIT",
        help="report the photos of a COCO split (val2017) separately too",
    )
    evaluate.add_argument(
        "--frames", type=Path, help="folder of frames.json, frames with known 3-D joints"
    )
    evaluate.add_argument(
        "--dataset", help="NAME or NAME:SPLIT, a data set of docs/datasets.md under --root"
    )
    evaluate.add_argument("--root", type=Path, help="folder of the data sets")
    evaluate.add_argument("--body", default="default", help="body of the weights")
    evaluate.add_argument("--json", type=Path, help="also write the figures to this file")
    evaluate.add_argument("--out", type=Path, help="folder for JSON, Markdown and plots")


def add_threshold_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds `threshold` to the subcommands of `icl-mesh-train`."""
    threshold = commands.add_parser(
        "threshold", help="choose a detection threshold by cross-validation over labelled photos"
    )
    threshold.set_defaults(run=run.threshold)
    threshold.add_argument("--weights", default="default")
    threshold.add_argument(
        "--photos",
        required=True,
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folders of person_keypoints.json (COCO) and images/",
    )
    threshold.add_argument(
        "--precision", type=share, default=0.85, help="least precision (0.85), as of `evaluate`"
    )
    threshold.add_argument("--folds", type=at_least(2), default=5)
    threshold.add_argument("--device", default="auto")
    threshold.add_argument("--body", default="default", help="body of the weights")
