"""`icl-mesh-train`: render scenes, train, evaluate."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command line, with one subcommand per step of a model update."""
    top = argparse.ArgumentParser(prog="icl-mesh-train", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    scenes = commands.add_parser("scenes", help="render labelled training scenes into a folder")
    scenes.add_argument("--out", required=True, type=Path)
    scenes.add_argument("--count", type=int, default=1000)
    scenes.add_argument("--seed", type=int, default=0)
    scenes.add_argument("--workers", type=int, default=2)
    scenes.add_argument("--mocap", type=Path, help="motion capture (.npz) to take poses from")
    scenes.add_argument("--backgrounds", type=Path, help="folder of photos without people")
    scenes.add_argument("--panoramas", type=Path, help="folder of .hdr panoramas")
    scenes.add_argument("--makehuman", type=Path, help="folder of MakeHuman textures")
    scenes.add_argument(
        "--split",
        default="all",
        choices=("all", "train", "val"),
        help="part of the files above to use: val is what train never sees",
    )

    train = commands.add_parser("train", help="train by a recipe; resumes where it left off")
    train.add_argument("recipe", type=Path, help="a YAML file of config/training")
    train.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="replace entries of the recipe"
    )

    evaluate = commands.add_parser("evaluate", help="measure weights on scenes or photos")
    evaluate.add_argument("--weights", default="default")
    evaluate.add_argument("--device", default="auto")
    evaluate.add_argument("--threshold", type=float, help="detection threshold")
    evaluate.add_argument("--limit", type=int, help="only the first scenes")
    evaluate.add_argument("--scenes", type=Path, help="folder of rendered scenes")
    evaluate.add_argument(
        "--photos", type=Path, help="folder of person_keypoints.json (COCO) and images/"
    )
    evaluate.add_argument("--json", type=Path, help="write the figures there too")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 on success, 1 after one line that says what is wrong."""
    options = parser().parse_args(arguments)
    try:
        {"scenes": _scenes, "train": _train, "evaluate": _evaluate}[options.command](options)
    except (ValueError, FileNotFoundError) as error:
        print(f"icl-mesh-train: {error}", file=sys.stderr)
        return 1
    return 0


def _scenes(options: argparse.Namespace) -> None:
    from icl_mesh_training.scenes.generator import SceneAssets
    from icl_mesh_training.scenes.writing import write_scenes

    assets = SceneAssets(
        options.mocap, options.backgrounds, options.panoramas, options.makehuman, options.split
    )
    write_scenes(options.out, options.count, options.seed, assets, processes=options.workers)


def _train(options: argparse.Namespace) -> None:
    import yaml

    from icl_mesh_training.config import TrainingConfig
    from icl_mesh_training.train import train

    overrides = {}
    for entry in options.set:
        name, found, value = entry.partition("=")
        if not found:
            raise ValueError(f"--set takes NAME=VALUE, got '{entry}'")
        overrides[name] = yaml.safe_load(value)
    weights = train(TrainingConfig.load(options.recipe, overrides))
    print(f"weights: {weights}")


def _evaluate(options: argparse.Namespace) -> None:
    from icl_mesh.estimator import Estimator
    from icl_mesh_training.evaluation import evaluate_photos, evaluate_scenes

    if options.scenes is None and options.photos is None:
        raise ValueError("nothing to evaluate on: give --scenes, --photos or both")
    estimator = Estimator.load(options.weights, device=options.device)
    if options.threshold is not None:
        estimator.threshold = options.threshold
    results = {"weights": estimator.weights_version, "threshold": estimator.threshold}
    if options.scenes is not None:
        results["scenes"] = evaluate_scenes(estimator, options.scenes, options.limit)
    if options.photos is not None:
        results["photos"] = evaluate_photos(estimator, options.photos)
    text = json.dumps(results, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
