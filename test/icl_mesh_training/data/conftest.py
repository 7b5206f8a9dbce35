"""Data sets in their published layouts: real samples where there are some, small ones written here.

ICL_MESH_DATASET_SAMPLES names a folder of real samples in the formats of COCO, CrowdPose, OCHuman,
MPII, Human3.6M, MPI-INF-3DHP and CMU Panoptic: the test data of the public mmpose repository.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

VARIABLE = "ICL_MESH_DATASET_SAMPLES"


@pytest.fixture(scope="session")
def samples() -> Path:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} names no folder of real samples (mmpose's tests/data)")
    return Path(folder)


class Writer:
    """Writes images and label files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def image(self, path: str, width: int = 64, height: int = 48, seed: int = 0) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(target)
        return target

    def json(self, path: str, content: Any) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content), encoding="utf-8")
        return target

    def coco(
        self, path: str, people: dict[str, list[npt.NDArray[np.floating]]], **fields: Any
    ) -> Path:
        """A COCO file: image name -> keypoints [K, 3] of its people; 64 x 48 px images."""
        images, annotations = [], []
        for number, (name, keypoints) in enumerate(people.items()):
            images.append({"id": number, "file_name": name, "width": 64, "height": 48})
            for points in keypoints:
                annotations.append(
                    {
                        "id": 100 + len(annotations),
                        "image_id": number,
                        "category_id": 1,
                        "iscrowd": 0,
                        "num_keypoints": int((points[:, 2] > 0).sum()),
                        "keypoints": points.ravel().tolist(),
                        "bbox": [4.0, 5.0, 30.0, 40.0],
                        **fields,
                    }
                )
        return self.json(path, {"images": images, "annotations": annotations, "categories": []})


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


@pytest.fixture
def keypoints() -> npt.NDArray[np.float64]:
    """COCO keypoints [17, 3] of somebody in a 64 x 48 px image, all visible."""
    rng = np.random.default_rng(4)
    return np.column_stack((rng.integers(6, 60, (17, 1)), rng.integers(6, 44, (17, 1)), [2] * 17))
