"""Writes scenes with several processes, to a folder of files or to WebDataset shards.

A stopped run resumes where it stopped.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh.engine.threads import one_openblas_thread
from icl_mesh.io.atomic import write_atomically
from icl_mesh_training.scenes.generator import SceneAssets, SceneGenerator, encode_jpeg
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.world.occluding import TOLERANCE

#: Occlusion benchmark: hidden share of the first person; scene i has level i % 10. Width and height
#: are a camera's, so that a crop of a person shows more than the network's square does.
OCCLUSION_LEVELS = tuple(round(0.1 * i, 1) for i in range(10))
BENCHMARK_SEED, BENCHMARK_COUNT = 20260, 1000
BENCHMARK_SIZE = (1280, 720)
BENCHMARK_FILE = "benchmark.json"


@dataclass(frozen=True)
class SceneJob:
    """What to render. levels: hidden share of the first person, by index modulo their count; empty
    for random scenes. Other fields: see SceneGenerator. Raises ValueError for wrong values."""

    count: int
    seed: int
    assets: SceneAssets | None = None
    long_side: int = 384
    max_people: int = 10
    texture_size: int = 512
    body: str = "default"
    aspect: float | None = None
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")
        if not all(0 <= level <= 0.9 for level in self.levels):
            raise ValueError(f"occlusion must lie in [0, 0.9], got {self.levels}")


def write_scenes(
    folder: str | Path, job: SceneJob, *, processes: int = 2, progress: bool = True
) -> None:
    """Write scenes 0..count-1 as ``{i:06d}.npz`` (labels) and ``{i:06d}.jpg``.

    The image is written last: a scene with an image is complete and is skipped. The scenes do not
    depend on the number of processes.
    """
    folder = _made(folder)
    missing = [i for i in range(job.count) if not scene_path(folder, i).exists()]
    _run(_write_scene, folder, job, missing, "scene", processes=processes, progress=progress)


def write_shards(
    folder: str | Path,
    job: SceneJob,
    *,
    per_shard: int = 500,
    processes: int = 2,
    progress: bool = True,
) -> None:
    """Write scenes 0..count-1 as WebDataset shards ``scenes-{k:06d}.tar`` of ``per_shard`` scenes.

    Shards are written atomically; existing ones are skipped.
    """
    if per_shard < 1:
        raise ValueError(f"a shard needs at least 1 scene, got {per_shard}")
    folder = _made(folder)
    tasks = [
        (k, k * per_shard, min((k + 1) * per_shard, job.count))
        for k in range(-(-job.count // per_shard))
        if not shard_path(folder, k).exists()
    ]
    _run(_write_shard, folder, job, tasks, "shard", processes=processes, progress=progress)


def write_occlusion_benchmark(
    folder: str | Path,
    assets: SceneAssets | None = None,
    *,
    count: int = BENCHMARK_COUNT,
    seed: int = BENCHMARK_SEED,
    processes: int = 2,
    progress: bool = True,
) -> None:
    """Write the occlusion benchmark: scenes of BENCHMARK_SIZE px, and ``benchmark.json``, which
    describes them.

    Raises ValueError where the folder holds another benchmark.
    """
    folder = _made(folder)
    width, height = BENCHMARK_SIZE
    about = {
        "benchmark": "occlusion",
        "size": list(BENCHMARK_SIZE),
        "seed": seed,
        "levels": list(OCCLUSION_LEVELS),
        "tolerance": TOLERANCE,
        "level_of": "scene i: levels[i % 10], of person 0 (hidden_by_people in the labels)",
    }
    file = folder / BENCHMARK_FILE
    try:
        before = json.loads(file.read_bytes()) if file.exists() else about
    except ValueError:
        before = None
    if before != about:
        raise ValueError(
            f"{file} belongs to another benchmark (this one: {width}x{height} px, seed {seed}): "
            "give an empty folder"
        )
    write_atomically(file, (json.dumps(about, indent=2) + "\n").encode())
    job = SceneJob(
        count, seed, assets, long_side=width, aspect=width / height, levels=OCCLUSION_LEVELS
    )
    write_scenes(folder, job, processes=processes, progress=progress)


def scene_path(folder: Path, index: int) -> Path:
    """Image file of one scene."""
    return folder / f"{index:06d}.jpg"


def shard_path(folder: Path, number: int) -> Path:
    """File of one shard."""
    return folder / f"scenes-{number:06d}.tar"


def _made(folder: str | Path) -> Path:
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(
    write: Callable[[Any], None],
    folder: Path,
    job: SceneJob,
    tasks: Sequence[Any],
    unit: str,
    *,
    processes: int,
    progress: bool,
) -> None:
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}")
    if not tasks:
        return
    # spawn: OpenGL contexts do not survive a fork
    context = multiprocessing.get_context("spawn")
    one_openblas_thread()  # with more threads a scene takes 1.7 times as long
    with context.Pool(min(processes, len(tasks)), _start, (folder, job)) as pool:
        done = pool.imap(write, tasks, chunksize=1)
        for _ in tqdm(done, total=len(tasks), unit=unit, disable=not progress):
            pass


class _Worker:
    """The generator of one process."""

    current: _Worker | None = None

    def __init__(self, folder: Path, job: SceneJob) -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        self.folder, self.job = folder, job
        self.generator = SceneGenerator(
            BodyModel.load(job.body),
            job.assets,
            seed=job.seed,
            long_side=job.long_side,
            max_people=job.max_people,
            texture_size=job.texture_size,
            aspect=job.aspect,
        )

    def scene(self, index: int) -> tuple[bytes, SceneLabels]:
        """JPEG bytes and labels of one scene."""
        levels = self.job.levels
        image, labels = self.generator(index, levels[index % len(levels)] if levels else None)
        quality = int(np.random.default_rng([self.job.seed, index, 1]).integers(55, 96))
        return encode_jpeg(image, quality), labels


def _start(folder: Path, job: SceneJob) -> None:
    os.environ.setdefault("LP_NUM_THREADS", "1")  # llvmpipe: one thread per process is enough
    _Worker.current = _Worker(folder, job)


def _write_scene(index: int) -> None:
    worker = _Worker.current
    assert worker is not None
    image, labels = worker.scene(index)
    path = scene_path(worker.folder, index)
    labels.save(path.with_suffix(".npz"))
    write_atomically(path, image, durable=False)


def _write_shard(shard: tuple[int, int, int]) -> None:
    worker = _Worker.current
    assert worker is not None
    number, first, end = shard
    path = shard_path(worker.folder, number)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with tarfile.open(partial, "w") as tar:
            for index in range(first, end):
                image, labels = worker.scene(index)
                for ending, data in (("jpg", image), ("npz", labels.to_bytes())):
                    entry = tarfile.TarInfo(f"{index:06d}.{ending}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
