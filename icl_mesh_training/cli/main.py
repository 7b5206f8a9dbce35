"""`icl-mesh-train`: data, scenes, training, evaluation, export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from icl_mesh_training.cli import commands as run
from icl_mesh_training.cli.arguments import add_min_visible, at_least, share
from icl_mesh_training.cli.data import add_data_command, run_data_command
from icl_mesh_training.cli.evaluation import add_evaluation_command, add_threshold_command
from icl_mesh_training.errors import TrainingStoppedError, sentence


def parser() -> argparse.ArgumentParser:
    """The command line, with one subcommand per step of a model update."""
    top = argparse.ArgumentParser(prog="icl-mesh-train", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    add_data_command(commands)
    commands.choices["data"].set_defaults(run=run_data_command)
    _add_scenes(commands)
    _add_training(commands)
    add_evaluation_command(commands)
    add_threshold_command(commands)
    _add_lifter(commands)
    _add_refinement(commands)
    _add_export(commands)
    _add_plots(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 on success, 1 after one line that says what is wrong."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (ValueError, OSError, ImportError, TrainingStoppedError) as error:
        print(f"icl-mesh-train: {sentence(error)}", file=sys.stderr)
        return 1


Commands = argparse._SubParsersAction  # generic only for type checkers


def _add_scenes(commands: Commands[argparse.ArgumentParser]) -> None:
    scenes = commands.add_parser("scenes", help="render labelled training scenes into a folder")
    scenes.set_defaults(run=run.scenes)
    scenes.add_argument("--out", required=True, type=Path)
    scenes.add_argument("--count", type=at_least(1), help="number of scenes (1000)")
    scenes.add_argument("--seed", type=at_least(0), help="default: 0, or the benchmark's own")
    scenes.add_argument("--workers", type=at_least(1), default=2)
    scenes.add_argument(
        "--long-side", type=at_least(16), help="longer side of the images, px (384)"
    )
    scenes.add_argument(
        "--shards", type=at_least(1), metavar="N", help="write WebDataset shards of N scenes each"
    )
    scenes.add_argument(
        "--occlusion",
        type=share,
        help="share of each scene's first person that others hide, 0 to 0.9",
    )
    scenes.add_argument(
        "--benchmark",
        choices=("occlusion",),
        help="1,000 scenes of 1280x720 px, a hundred at each occlusion from 0.0 to 0.9",
    )
    scenes.add_argument("--mocap", type=Path, help="motion capture (.npz) to take poses from")
    scenes.add_argument("--backgrounds", type=Path, help="folder of photos without people")
    scenes.add_argument("--panoramas", type=Path, help="folder of .hdr panoramas")
    scenes.add_argument(
        "--makehuman", type=Path, help="folder of MakeHuman assets: textures, .mhclo"
    )
    scenes.add_argument(
        "--split",
        default="all",
        choices=("all", "train", "val"),
        help="part of the files above to use; val and train are disjoint",
    )


def _add_training(commands: Commands[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train by a recipe; resumes an interrupted run")
    train.set_defaults(run=run.train)
    train.add_argument("recipe", help="a YAML file, or the name of one in config/training")
    _add_set(train)
    train.add_argument(
        "--dry-run", action="store_true", help="read all data, make one step, print the plan"
    )

    finetune = commands.add_parser(
        "finetune", help="continue from weights with your own photos or scenes (docs/training.md)"
    )
    finetune.set_defaults(run=run.finetune)
    finetune.add_argument("--out", required=True, type=Path, help="folder of the run")
    finetune.add_argument("--weights", default="default", help="weights to start from")
    finetune.add_argument(
        "--coco", type=Path, help="your photos: person_keypoints.json (COCO) and images/"
    )
    finetune.add_argument("--scenes", type=Path, help="folder of rendered scenes")
    finetune.add_argument(
        "--steps", type=at_least(1), help="number of steps (default: the recipe's)"
    )
    finetune.add_argument(
        "--recipe", default="finetune", help="a YAML file, or a name in config/training"
    )
    _add_set(finetune)
    finetune.add_argument("--dry-run", action="store_true", help="as for train")

    ablation = commands.add_parser(
        "ablation", help="train variants with the same seed and schedule, and compare them"
    )
    ablation.set_defaults(run=run.ablation)
    ablation.add_argument("recipe", help="a YAML file, or the name of one in config/training")
    ablation.add_argument("--out", required=True, type=Path, help="folder of runs, table and plots")
    ablation.add_argument(
        "--benchmark", required=True, type=Path, help="folder of scenes to measure on"
    )
    ablation.add_argument("--variants", nargs="+", help="variants to train (default: all)")
    ablation.add_argument("--limit", type=at_least(1), help="only the benchmark's first scenes")
    add_min_visible(ablation)
    _add_set(ablation)


def _add_set(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="replace entries of the recipe"
    )


def _add_lifter(commands: Commands[argparse.ArgumentParser]) -> None:
    lifter = commands.add_parser(
        "lifter", help="train the lifter, which refines poses by 2-D evidence, on trained weights"
    )
    lifter.set_defaults(run=run.lifter)
    lifter.add_argument("--weights", default="default")
    lifter.add_argument("--scenes", required=True, type=Path, help="folder of rendered scenes")
    lifter.add_argument("--out", required=True, type=Path, help="the .safetensors file")
    lifter.add_argument("--body", default="default", help="body of the weights")
    lifter.add_argument("--limit", type=at_least(1), default=8000, help="scenes to use, at most")
    lifter.add_argument("--steps", type=at_least(1), default=4000)
    lifter.add_argument("--engine", default="auto", help="runs the network over the scenes")
    lifter.add_argument("--seed", type=at_least(0), default=0)


def _add_refinement(commands: Commands[argparse.ArgumentParser]) -> None:
    refinement = commands.add_parser(
        "refinement",
        help="estimate how far the second stage is to be trusted, on trained weights",
    )
    refinement.set_defaults(run=run.refinement)
    refinement.add_argument("--weights", default="default")
    refinement.add_argument("--scenes", required=True, type=Path, help="folder of rendered scenes")
    refinement.add_argument("--out", required=True, type=Path, help="the .safetensors file")
    refinement.add_argument("--body", default="default", help="body of the weights")
    refinement.add_argument("--limit", type=at_least(1), default=2000, help="scenes, at most")
    refinement.add_argument("--engine", default="auto", help="runs the networks over the scenes")
    refinement.add_argument(
        "--refined-threshold", type=share, help="least score of refined people, stored in the file"
    )


def _add_export(commands: Commands[argparse.ArgumentParser]) -> None:
    export = commands.add_parser(
        "export", help="write a run's weights file; a network that fails its smoke test is refused"
    )
    export.set_defaults(run=run.export)
    export.add_argument("source", type=Path, help="output folder of a training, or a checkpoint")
    export.add_argument("--out", required=True, type=Path, help="the .safetensors file")
    export.add_argument("--name", help="name in the weights' version; default: the file's")
    export.add_argument("--licence", help="licence of the weights, instead of the recipe's")
    export.add_argument("--threshold", type=share, help="detection threshold, stored in the file")
    export.add_argument("--metrics", type=Path, help="JSON of `evaluate`, stored in the file")
    export.add_argument("--half", action="store_true", help="store float16: half the size")


def _add_plots(commands: Commands[argparse.ArgumentParser]) -> None:
    plot = commands.add_parser("plot", help="figures of the paper's supplementary material")
    kinds = plot.add_subparsers(dest="kind", required=True)
    curve = kinds.add_parser("contrastive", help="Figure 2: the contrastive loss of runs")
    curve.set_defaults(run=run.plot_contrastive)
    curve.add_argument("runs", nargs="+", type=Path, help="output folders of trainings")
    heatmaps = kinds.add_parser("heatmaps", help="Figure 1: ground truth above, prediction below")
    heatmaps.set_defaults(run=run.plot_heatmaps)
    heatmaps.add_argument("scenes", type=Path, help="folder of rendered scenes")
    heatmaps.add_argument("--weights", default="default")
    heatmaps.add_argument(
        "--index", type=at_least(0), help="index of the scene (default: the one with most people)"
    )
    for kind in (curve, heatmaps):
        kind.add_argument("--out", required=True, type=Path, help="the picture (.png)")


if __name__ == "__main__":
    sys.exit(main())
