"""The subcommands of `icl-mesh-train`. Heavy imports are inside them, so that --help is fast."""

from __future__ import annotations

import argparse
import json
from typing import Any


def scenes(options: argparse.Namespace) -> None:
    """`scenes`"""
    from icl_mesh_training.scenes.generator import SceneAssets
    from icl_mesh_training.scenes.writing import (
        SceneJob,
        write_occlusion_benchmark,
        write_scenes,
        write_shards,
    )

    assets = SceneAssets(
        options.mocap, options.backgrounds, options.panoramas, options.makehuman, options.split
    )
    if options.benchmark:
        if options.shards or options.occlusion is not None or options.long_side:
            raise ValueError(
                "--benchmark has its own occlusions and size and is a folder: leave the rest out"
            )
        chosen = {"count": options.count, "seed": options.seed}
        given = {name: value for name, value in chosen.items() if value is not None}
        write_occlusion_benchmark(options.out, assets, processes=options.workers, **given)
        return
    job = SceneJob(
        1000 if options.count is None else options.count,
        options.seed or 0,
        assets,
        long_side=options.long_side or 384,
        levels=() if options.occlusion is None else (options.occlusion,),
    )
    if options.shards:
        write_shards(options.out, job, per_shard=options.shards, processes=options.workers)
    else:
        write_scenes(options.out, job, processes=options.workers)


def train(options: argparse.Namespace) -> None:
    """`train`"""
    from icl_mesh_training.training.config import TrainingConfig
    from icl_mesh_training.training.recipes import find_recipe

    recipe = find_recipe(options.recipe)
    _run(TrainingConfig.load(recipe, _overrides(options.set)), options.dry_run)


def finetune(options: argparse.Namespace) -> None:
    """`finetune`"""
    from icl_mesh_training.training.finetune import finetune_config

    config = finetune_config(
        options.out,
        weights=options.weights,
        coco=options.coco,
        scenes=options.scenes,
        recipe=options.recipe,
        overrides=_overrides(options.set)
        | ({} if options.steps is None else {"steps": options.steps}),
    )
    _run(config, options.dry_run)


def _run(config: Any, dry: bool) -> None:
    if dry:
        from icl_mesh_training.training.dry_run import dry_run

        print(dry_run(config))
        return
    from icl_mesh_training.training.train import train as run_training

    print(f"weights: {run_training(config)}")


def ablation(options: argparse.Namespace) -> None:
    """`ablation`"""
    from icl_mesh_training.evaluation.ablation import run_ablation
    from icl_mesh_training.training.config import TrainingConfig
    from icl_mesh_training.training.recipes import find_recipe

    overrides = _overrides(options.set) | {"output": str(options.out)}
    config = TrainingConfig.load(find_recipe(options.recipe), overrides)
    table = run_ablation(
        config,
        options.out,
        options.benchmark,
        variants=options.variants,
        limit=options.limit,
        min_visible=options.min_visible,
    )
    print(table)


def evaluate(options: argparse.Namespace) -> None:
    """`evaluate`"""
    sources = (options.scenes, options.photos, options.frames, options.dataset)
    if all(source is None for source in sources):
        raise ValueError("nothing to evaluate on: give --scenes, --photos, --frames or --dataset")
    if options.dataset is not None and options.root is None:
        raise ValueError("--dataset needs --root, the folder of the data sets")
    from icl_mesh.estimator import Estimator
    from icl_mesh.io.atomic import write_atomically
    from icl_mesh_training.evaluation import evaluate as evaluation
    from icl_mesh_training.evaluation.report import write_report

    estimator = Estimator.load(
        options.weights, options.body, device=options.device, refine=options.refine == "all"
    )
    if options.threshold is not None:
        estimator.threshold = estimator.refined_threshold = options.threshold
    results: dict[str, Any] = {
        "weights": estimator.weights_version,
        "threshold": estimator.refined_threshold if estimator.second_stage else estimator.threshold,
    }
    if options.scenes is not None:
        results["scenes"] = evaluation.evaluate_scenes(
            estimator, options.scenes, options.limit, options.min_visible
        )
    if options.photos is not None:
        for split in (None, *options.photos_split):
            results["photos" if split is None else f"photos_{split}"] = evaluation.evaluate_photos(
                estimator, options.photos, options.limit, split
            )
    if options.frames is not None:
        from icl_mesh_training.evaluation.frames import evaluate_frames

        results["frames"] = evaluate_frames(estimator, options.frames, options.limit)
    if options.dataset is not None:
        name, _, split = options.dataset.partition(":")
        results[name] = evaluation.evaluate_dataset(
            estimator, name, options.root, split or None, options.limit
        )
    text = json.dumps(results, indent=2)
    print(text)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.json, (text + "\n").encode())
    if options.out is not None:
        write_report(results, options.out)


def threshold(options: argparse.Namespace) -> None:
    """`threshold`"""
    from icl_mesh.estimator import Estimator
    from icl_mesh_training.evaluation.threshold import cross_validate

    estimator = Estimator.load(options.weights, options.body, device=options.device)
    result = cross_validate(estimator, options.photos, options.precision, options.folds)
    print(json.dumps({"weights": estimator.weights_version, **result}, indent=2))


def lifter(options: argparse.Namespace) -> None:
    """`lifter`"""
    from icl_mesh_training.lifter.train import train_lifter

    errors = train_lifter(
        options.weights,
        options.scenes,
        options.out,
        body=options.body,
        limit=options.limit,
        steps=options.steps,
        engine=options.engine,
        seed=options.seed,
    )
    print(json.dumps({name: round(value, 1) for name, value in errors.items()}, indent=2))
    print(f"wrote {options.out}")


def refinement(options: argparse.Namespace) -> None:
    """`refinement`"""
    from icl_mesh_training.lifter.refinement import estimate_refinement

    figures = estimate_refinement(
        options.weights,
        options.scenes,
        options.out,
        body=options.body,
        limit=options.limit,
        engine=options.engine,
        refined_threshold=options.refined_threshold,
    )
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))
    print(f"wrote {options.out}")


def export(options: argparse.Namespace) -> None:
    """`export`"""
    from icl_mesh_training.training.export import export_run

    export_run(
        options.source,
        options.out,
        name=options.name,
        licence=options.licence,
        threshold=options.threshold,
        metrics=options.metrics,
        half=options.half,
    )
    print(f"weights: {options.out}")


def plot_contrastive(options: argparse.Namespace) -> None:
    """`plot contrastive`"""
    from icl_mesh_training.evaluation.plots import plot_contrastive as plot

    plot({run.name: run for run in options.runs}, options.out)


def plot_heatmaps(options: argparse.Namespace) -> None:
    """`plot heatmaps`"""
    from icl_mesh_training.evaluation.heatmap_figure import plot_heatmaps as plot

    plot(options.weights, options.scenes, options.out, options.index)


def _overrides(entries: list[str]) -> dict[str, Any]:
    """NAME=VALUE strings, values as in YAML."""
    import yaml

    overrides = {}
    for entry in entries:
        name, found, value = entry.partition("=")
        if not found:
            raise ValueError(f"--set takes NAME=VALUE, got '{entry}'")
        try:
            overrides[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            text = " ".join(str(error).split())
            raise ValueError(f"--set {entry}: the value is not YAML: {text}") from None
    return overrides
