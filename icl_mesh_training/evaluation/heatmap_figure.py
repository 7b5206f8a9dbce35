"""The supplementary's Figure 1: true heatmaps above, predicted ones below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body.layout import JOINT_NAMES
from icl_mesh.weights import load_weights
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import collate
from icl_mesh_training.data.scene_folder import SceneFolder, images_to_input
from icl_mesh_training.evaluation.plots import figure, save_figure
from icl_mesh_training.losses.targets import make_targets

#: The paper's columns: centre, right knee, left shoulder.
JOINTS = ("right_knee", "left_shoulder")


def plot_heatmaps(weights: str | Path, scenes: Path, path: Path, index: int | None = None) -> None:
    """Plot one scene's centre map and two joint maps over its image.

    index: number of the scene in the folder; by default the one with the most people that are
    visible by a quarter or more. Raises FileNotFoundError or ValueError.
    """
    network, metadata = load_weights(weights)
    folder = SceneFolder(scenes, metadata["input_size"], AugmentationConfig.none())
    if index is None:
        index = _most_crowded(folder)
    elif not 0 <= index < len(folder):
        raise ValueError(f"{scenes} has scenes 0 to {len(folder) - 1}, there is no {index}")
    batch = collate([folder[0, index]])
    with torch.inference_mode():
        maps = network(images_to_input(batch.images))
    targets = make_targets(batch, maps.center_heatmap.shape[-1])
    channels = [JOINT_NAMES.index(name) for name in JOINTS]
    truth = [targets.center_heatmap[0, 0], *targets.joint_heatmaps[0, channels]]
    found = [maps.center_heatmap[0, 0], *maps.joint_heatmaps[0, channels]]
    image = batch.images[0].numpy()
    axes = figure(3, 2, (3.2, 3.2))
    titles = ("centre", *(name.replace("_", " ") for name in JOINTS))
    for row, (side, values) in enumerate((("truth", truth), ("prediction", found))):
        for column, heatmap in enumerate(values):
            axis = axes[row, column]
            axis.imshow(blend(image, heatmap.numpy()))
            axis.set(xticks=[], yticks=[])
            if row == 0:
                axis.set_title(titles[column])
            if column == 0:
                axis.set_ylabel(side)
    save_figure(axes, path)


def blend(image: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A heatmap [h, w] in [0, 1] over a darkened grey image [S, S, 3]."""
    import cv2
    from matplotlib import colormaps

    large = cv2.resize(heatmap, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colour = colormaps["inferno"](large)[..., :3] * 255
    grey = image.mean(axis=2, keepdims=True) * 0.6
    share = large[..., None] ** 0.5
    return np.asarray((1 - share) * grey + share * colour, dtype=np.uint8)


def _most_crowded(folder: SceneFolder) -> int:
    from icl_mesh_training.scenes.render.labels import SceneLabels

    counts = [
        int((SceneLabels.load(image.with_suffix(".npz")).visible_share >= 0.25).sum())
        for image in folder.images
    ]
    return int(np.argmax(counts))
