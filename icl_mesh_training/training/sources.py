"""Sources of samples by name, as recipes list them in `data`.

scenes: a folder of rendered scenes, root. shards: a folder of WebDataset shards of scenes, root.
generated: scenes rendered during the training, `length` of them in a pass; optional: the folders of
SceneAssets (mocap, backgrounds, panoramas, makehuman) and split.
Every other name is a data set of icl_mesh_training.data: root is the folder of the data sets,
split one of its splits.
For all: probability is the weight of a source among those of the recipe, 1 by default; augmentation
replaces entries of the recipe's augmentation for this source.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from icl_mesh.body import BodyModel
from icl_mesh_training.data.augmentation import AugmentationConfig, augmentation_errors
from icl_mesh_training.data.catalogue import DATASETS
from icl_mesh_training.data.images import open_dataset
from icl_mesh_training.data.loading import SampleSource
from icl_mesh_training.data.mixture import MixedDataset
from icl_mesh_training.data.scene_folder import SceneFolder
from icl_mesh_training.errors import shown
from icl_mesh_training.training.recipe_rules import is_finite, type_error

#: Entries of each kind of source that must be there, and those that may.
_ASSETS = {"mocap", "backgrounds", "panoramas", "makehuman", "split"}
_ENTRIES: dict[str, tuple[set[str], set[str]]] = {
    "scenes": ({"root"}, set()),
    "shards": ({"root"}, set()),
    "generated": ({"length"}, _ASSETS),
    **{name: ({"root"}, {"split"}) for name in DATASETS},
}
#: Parts of generated scenes' files, see scenes.textures.split_files.
SPLITS = ("all", "train", "val")
_COMMON = {"name", "probability", "augmentation"}


def source_errors(entries: list[dict[str, Any]]) -> list[str]:
    """All errors in a recipe's `data`; opens no file."""
    errors = []
    for number, entry in enumerate(entries, 1):
        where = f"'data' {number}"
        name = entry.get("name")
        if not isinstance(name, str) or name not in _ENTRIES:
            known = ", ".join(_ENTRIES)
            errors.append(f"{where}: unknown data set {shown(name)}; known are {known}")
            continue
        needed, allowed = _ENTRIES[name]
        errors += [f"{where} ({name}): '{key}' is missing" for key in sorted(needed - set(entry))]
        unknown = sorted(map(str, set(entry) - needed - allowed - _COMMON))
        errors += [f"{where} ({name}): unknown entry '{key}'" for key in unknown]
        for key in sorted((needed | allowed) & set(entry)):
            wanted = "int" if key == "length" else "str"
            if error := type_error(key, entry[key], wanted):
                errors.append(f"{where} ({name}): {error}")
            elif key == "length" and entry[key] < 1:
                errors.append(f"{where} ({name}): 'length' must be above 0, got {entry[key]}")
        known_splits = DATASETS[name].splits if name in DATASETS else SPLITS
        split = entry.get("split", "")
        if isinstance(split, str) and split not in ("", *known_splits):
            splits = ", ".join(known_splits)
            errors.append(f"{where}: {name} has no split {shown(split)}; it has {splits}")
        share = entry.get("probability", 1.0)
        if type_error("", share, "float") or not is_finite(share) or share <= 0:
            errors.append(f"{where}: 'probability' must be above 0, got {shown(share)}")
        found = augmentation_errors(entry.get("augmentation", {}))
        errors += [f"{where}: {error}" for error in found]
    return errors


def open_source(
    entry: dict[str, Any],
    size: int,
    augmentation: AugmentationConfig,
    seed: int,
    body: str,
) -> SampleSource:
    """One entry of `data`. body: the recipe's.

    Raises FileNotFoundError or ValueError with the path.
    """
    augmentation = replace(augmentation, **entry.get("augmentation", {}))
    if entry["name"] == "scenes":
        return SceneFolder(entry["root"], size, augmentation, seed)
    if entry["name"] == "shards":
        from icl_mesh_training.data.rendered_scenes import SceneShards

        return SceneShards(entry["root"], size, augmentation, seed)
    if entry["name"] == "generated":
        from icl_mesh_training.data.rendered_scenes import GeneratedScenes
        from icl_mesh_training.scenes.generator import SceneAssets

        chosen = {key: entry[key] for key in _ASSETS & set(entry)}
        paths: dict[str, Any] = {
            key: value if key == "split" else Path(value) for key, value in chosen.items()
        }
        return GeneratedScenes(
            entry["length"], size, augmentation, seed, assets=SceneAssets(**paths), body=body
        )
    # SMPL's betas are labels of an SMPL body only, not of the default body.
    smpl = None if body == "default" else BodyModel.load(body)
    return open_dataset(
        entry["name"],
        entry["root"],
        entry.get("split"),
        size=size,
        augmentation=augmentation,
        body=smpl,
        seed=seed,
    )


def mix(entries: list[dict[str, Any]], sources: list[SampleSource], seed: int) -> SampleSource:
    """The opened sources as one, mixed by their probabilities."""
    if len(sources) == 1:
        return sources[0]
    shares = [float(entry.get("probability", 1.0)) for entry in entries]
    return MixedDataset(sources, shares, seed)  # type: ignore[arg-type]  # they are Datasets
