"""Sources of scenes besides SceneFolder: WebDataset shards, and scenes rendered during training.

Items of both are indexed by (pass, index), as of every other source.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch.utils.data import Dataset

from icl_mesh.body import BodyModel
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import Sample
from icl_mesh_training.data.scene_folder import make_sample
from icl_mesh_training.scenes.generator import SceneAssets, SceneGenerator
from icl_mesh_training.scenes.render.labels import SceneLabels


class _Piece(NamedTuple):
    """A file within a shard: offset and number of its bytes."""

    start: int
    size: int


class _Scene(NamedTuple):
    shard: Path
    key: str
    image: _Piece
    labels: _Piece


class SceneShards(Dataset[Sample]):
    """A folder of WebDataset shards as `icl-mesh-train scenes --shards N` writes them.

    size: side of the network's square, px. The shards are indexed once; scenes are read from them
    on demand. Raises FileNotFoundError without shards, ValueError naming a broken shard.
    """

    def __init__(
        self, folder: str | Path, size: int, augmentation: AugmentationConfig, seed: int = 0
    ) -> None:
        self.folder = Path(folder)
        self.size, self.augmentation, self.seed = size, augmentation, seed
        shards = sorted(self.folder.glob("*.tar"))
        if not shards:
            raise FileNotFoundError(
                f"{self.folder}: no shards (*.tar) there; make some with "
                f"`icl-mesh-train scenes --shards 500 --out {self.folder}`"
            )
        self.scenes = [scene for shard in shards for scene in _contents(shard)]

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        epoch, index = item
        scene = self.scenes[index]
        with scene.shard.open("rb") as file:
            encoded, stored = _read(file, scene.image), _read(file, scene.labels)
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{scene.shard}: {scene.key}.jpg in it is not a readable image")
        labels = SceneLabels.read(io.BytesIO(stored), f"{scene.shard}: {scene.key}.npz")
        rng = np.random.default_rng((self.seed, epoch, index))
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return make_sample(rgb, labels, self.size, self.augmentation, rng)


def _contents(shard: Path) -> list[_Scene]:
    """The scenes of a shard in its order: pairs of .jpg and .npz of one name."""
    found: dict[str, dict[str, _Piece]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                found.setdefault(key, {})[ending] = _Piece(member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"{shard} is not a readable shard ({error}): write it again") from error
    lacking = [key for key, pieces in found.items() if not {"jpg", "npz"} <= set(pieces)]
    if lacking or not found:
        raise ValueError(f"{shard} lacks the .jpg or .npz of {lacking or 'every scene'}")
    return [_Scene(shard, key, p["jpg"], p["npz"]) for key, p in found.items()]


def _read(file: io.BufferedReader, piece: _Piece) -> bytes:
    file.seek(piece.start)
    return file.read(piece.size)


class GeneratedScenes(Dataset[Sample]):
    """Scenes rendered on demand; every pass has new ones.

    length: scenes in a pass. Scene (pass, index) is determined by the seed. Each process makes its
    own generator at its first scene, because OpenGL contexts do not survive a fork.
    """

    def __init__(
        self,
        length: int,
        size: int,
        augmentation: AugmentationConfig,
        seed: int = 0,
        *,
        assets: SceneAssets | None = None,
        body: str = "default",
        long_side: int = 384,
        texture_size: int = 512,
    ) -> None:
        if length < 1:
            raise ValueError(f"a pass of generated scenes needs at least 1, got {length}")
        self.length, self.size = length, size
        self.augmentation, self.seed, self.assets = augmentation, seed, assets
        self._body, self._long_side, self._texture_size = body, long_side, texture_size
        self._generator: SceneGenerator | None = None
        self._process = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        epoch, index = item
        image, labels = self._made()(epoch * self.length + index)
        rng = np.random.default_rng((self.seed, epoch, index))
        return make_sample(image, labels, self.size, self.augmentation, rng)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_generator": None}

    def _made(self) -> SceneGenerator:
        if self._generator is None or self._process != os.getpid():
            os.environ.setdefault("LP_NUM_THREADS", "1")  # llvmpipe: one thread per loader process
            self._generator = SceneGenerator(
                BodyModel.load(self._body),
                self.assets,
                seed=self.seed,
                long_side=self._long_side,
                texture_size=self._texture_size,
            )
            self._process = os.getpid()
        return self._generator
