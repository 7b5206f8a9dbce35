"""Writes scenes to a folder with several processes; a stopped run goes on where it stopped."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.generator import SceneAssets, SceneGenerator, encode_jpeg


def write_scenes(
    folder: str | Path,
    count: int,
    seed: int,
    assets: SceneAssets | None = None,
    *,
    long_side: int = 384,
    max_people: int = 10,
    texture_size: int = 512,
    body: str = "default",
    processes: int = 2,
    progress: bool = True,
) -> None:
    """Write scenes 0..count-1 of ``seed`` as ``{i:06d}.npz`` (labels) and ``{i:06d}.jpg``.

    The image appears last, so a scene with an image is complete; such scenes are kept and skipped.
    The same seed, assets and index give the same scene, whatever the number of processes.
    """
    if count < 1 or processes < 1:
        raise ValueError(f"count and processes must be at least 1, got {count} and {processes}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(count) if not scene_path(folder, i).exists()]
    if not missing:
        return
    job = _Job(folder, body, assets, seed, long_side, max_people, texture_size)
    # a fresh process each: OpenGL contexts do not survive a fork
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(processes, len(missing)), _start, (job,)) as pool:
        done = pool.imap(_write, missing, chunksize=1)
        for _ in tqdm(done, total=len(missing), desc="scenes", unit="scene", disable=not progress):
            pass


def scene_path(folder: Path, index: int) -> Path:
    """Image file of one scene."""
    return folder / f"{index:06d}.jpg"


@dataclass(frozen=True)
class _Job:
    folder: Path
    body: str
    assets: SceneAssets | None
    seed: int
    long_side: int
    max_people: int
    texture_size: int


class _Worker:
    """One process's generator, made once."""

    current: _Worker | None = None

    def __init__(self, job: _Job) -> None:
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        self.job = job
        self.generator = SceneGenerator(
            BodyModel.load(job.body),
            job.assets,
            seed=job.seed,
            long_side=job.long_side,
            max_people=job.max_people,
            texture_size=job.texture_size,
        )


def _start(job: _Job) -> None:
    os.environ.setdefault("LP_NUM_THREADS", "1")  # llvmpipe: one thread per process is enough
    _Worker.current = _Worker(job)


def _write(index: int) -> None:
    worker = _Worker.current
    assert worker is not None
    image, labels = worker.generator(index)
    quality = int(np.random.default_rng([worker.job.seed, index, 1]).integers(55, 96))
    path = scene_path(worker.job.folder, index)
    labels.save(path.with_suffix(".npz"))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(encode_jpeg(image, quality))
    partial.replace(path)
