"""`icl-mesh-train data`: check public data sets or a user's own photos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_data_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the subcommand to those of `icl-mesh-train`."""
    data = commands.add_parser("data", help="data sets: check files and labels before training")
    actions = data.add_subparsers(dest="action", required=True)
    check = actions.add_parser(
        "check",
        help="report the number of images, people and labels, and what is missing or broken",
        description="Reads all labels and images of the data sets in a folder with the layout of "
        "docs/datasets.md, or of one folder with person_keypoints.json and images/. "
        "Exit status: 0 where nothing is missing or broken, else 1.",
    )
    check.add_argument("--root", required=True, type=Path, help="folder of the data sets' folders")
    check.add_argument(
        "--dataset",
        nargs="*",
        default=None,
        metavar="NAME[:SPLIT]",
        help="data sets to check (h36m, coco:val2017, 3dpw:pc, ...); default: all that "
        "exist, with the split that training or evaluation uses",
    )
    check.add_argument(
        "--quick",
        action="store_true",
        help="read only images' headers, which misses truncated files",
    )


def run_data_command(options: argparse.Namespace) -> int:
    """Print a report for each data set; 0 if all are without faults, else 1."""
    from icl_mesh_training.data.catalogue import DATASETS, dataset_info
    from icl_mesh_training.data.check import check_dataset, present

    root: Path = options.root
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; --root is the folder of the data sets")
    asked = [entry.partition(":") for entry in options.dataset or present(root)]
    if not asked:
        raise FileNotFoundError(
            f"{root}: no data set there; its folders would be called "
            f"{', '.join(info.folder for info in DATASETS.values())} (docs/datasets.md); "
            f"a folder of your own photos has person_keypoints.json and images/"
        )
    for name, _, _ in asked:
        dataset_info(name)  # a wrong name ends the command before hours of reading
    ok = True
    for name, _, split in asked:
        report = check_dataset(name, root, split or None, options.quick)
        ok &= report.ok
        print("\n".join(report.lines()))
        sys.stdout.flush()
    return 0 if ok else 1
