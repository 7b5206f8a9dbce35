"""Sources of samples by name, as recipes list them in `data`.

`scenes`: a folder of rendered scenes, root. Every other name is a data set of
icl_mesh_training.data: root is the folder of the data sets, split one of its splits. probability
is the share of a source among all of a recipe's; 1 if left out. augmentation replaces entries of
the recipe's own for this source.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from icl_mesh.body import BodyModel
from icl_mesh_training.augmentation import AugmentationConfig
from icl_mesh_training.data.catalogue import DATASETS
from icl_mesh_training.data.images import open_dataset
from icl_mesh_training.data.mixture import MixedDataset
from icl_mesh_training.dataset import SceneFolder
from icl_mesh_training.loading import SampleSource

SCENES = "scenes"
#: Names of sources, for recipes and their errors.
SOURCES = (SCENES, *DATASETS)
_ENTRIES = {"name", "root", "split", "probability", "augmentation"}


def source_errors(entries: list[dict[str, Any]]) -> list[str]:
    """Everything that is wrong with a recipe's `data`, nothing of it opened."""
    errors = []
    for number, entry in enumerate(entries, 1):
        where = f"'data' {number}"
        name = entry.get("name")
        if name not in SOURCES:
            errors.append(f"{where}: unknown data set {name!r}; known are {', '.join(SOURCES)}")
        errors += [f"{where}: unknown entry '{key}'" for key in sorted(set(entry) - _ENTRIES)]
        if not isinstance(entry.get("root"), str):
            errors.append(f"{where}: 'root' must be a folder, got {entry.get('root')!r}")
        splits = DATASETS[name].splits if name in DATASETS else ()
        if "split" in entry and entry["split"] not in splits:
            errors.append(
                f"{where}: {name} has no split {entry['split']!r}; it has {', '.join(splits)}"
                if splits
                else f"{where}: {name} has no splits"
            )
        share = entry.get("probability", 1.0)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or share <= 0:
            errors.append(f"{where}: 'probability' must be above 0, got {share!r}")
        augmentation = entry.get("augmentation", {})
        known = {f.name for f in fields(AugmentationConfig)}
        if not isinstance(augmentation, dict) or not set(augmentation) <= known:
            errors.append(
                f"{where}: 'augmentation' must map names to values, names being of "
                f"{', '.join(sorted(known))}; got {augmentation!r}"
            )
    return errors


def open_source(
    entry: dict[str, Any],
    size: int,
    augmentation: AugmentationConfig,
    seed: int,
    body: BodyModel | None,
) -> SampleSource:
    """One entry of `data`. body: as open_dataset takes it.

    Raises FileNotFoundError or ValueError with the path.
    """
    augmentation = replace(augmentation, **entry.get("augmentation", {}))
    if entry["name"] == SCENES:
        return SceneFolder(entry["root"], size, augmentation, seed)
    return open_dataset(
        entry["name"],
        entry["root"],
        entry.get("split"),
        size=size,
        augmentation=augmentation,
        body=body,
        seed=seed,
    )


def mix(entries: list[dict[str, Any]], sources: list[SampleSource], seed: int) -> SampleSource:
    """The opened sources as one, each with its share."""
    if len(sources) == 1:
        return sources[0]
    shares = [float(entry.get("probability", 1.0)) for entry in entries]
    return MixedDataset(sources, shares, seed)  # type: ignore[arg-type]  # they are Datasets
