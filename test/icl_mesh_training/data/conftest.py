"""Data sets in their published layouts: real samples where there are some, small ones written here.

ICL_MESH_DATASET_SAMPLES names a folder of real samples in the formats of COCO, CrowdPose, OCHuman,
MPII, Human3.6M, MPI-INF-3DHP and CMU Panoptic: the test data of the public mmpose repository.
"""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

VARIABLE = "ICL_MESH_DATASET_SAMPLES"
#: Values that replace others in damaged files.
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 7, 3.5, -1e30, 1e308, 10**400, float("nan"), float("inf")),
    *("", "0", "1", "x", "nan", "\u0000", "a/b\\c", "a\nb", "x" * 5000, "../../x.jpg"),
    *([], [[]], {}, [None], [1, "2"], {"a": 1}),
    *([True] * 51, ["1"] * 51, [0.5] * 51, [1e300] * 4, ["nose"] * 17),
]


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
    """COCO keypoints [17, 3] of a person in a 64 x 48 px image, all visible."""
    rng = np.random.default_rng(4)
    return np.column_stack((rng.integers(6, 60, (17, 1)), rng.integers(6, 44, (17, 1)), [2] * 17))


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    return found + [
        place for key in keys if isinstance(node[key], dict | list) for place in places(node[key])
    ]


def mutate(data: Any, rng: random.Random) -> bytes:
    """The file with values replaced, taken out or added, or with broken bytes."""
    tree = copy.deepcopy(data)
    if rng.random() < 0.3:
        text = bytearray(json.dumps(tree).encode())
        for _ in range(rng.choice((1, 1, 3, 30))):
            text[rng.randrange(len(text))] = rng.randrange(256)
        return bytes(text[: rng.randrange(len(text)) if rng.random() < 0.1 else None])
    for _ in range(rng.choice((1, 1, 2, 5))):
        # Choose the kind of entry first: most values of the file are coordinates.
        if not (found := places(tree)):
            break
        keys = sorted({str(key) for _, key in found if isinstance(key, str)})
        wanted = rng.choice([*keys, ""])
        node, key = rng.choice([p for p in found if not wanted or p[1] == wanted] or found)
        chance = rng.random()
        if chance < 0.7:
            node[key] = copy.deepcopy(rng.choice(VALUES))
        elif chance < 0.85:
            del node[key]
        elif isinstance(node, list):
            node.insert(rng.randrange(len(node) + 1), copy.deepcopy(rng.choice(VALUES)))
        else:
            node[rng.choice(("id", "bbox", "x"))] = copy.deepcopy(rng.choice(VALUES))
    return json.dumps(tree).encode()


@pytest.fixture(scope="session")
def mutated() -> Callable[[Any, random.Random], bytes]:
    """A JSON file's content with random damage."""
    return mutate
