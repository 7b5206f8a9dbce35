"""Shards against the folder of the same scenes and the webdataset library; scenes on the fly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import Sample
from icl_mesh_training.data.loading import make_loader
from icl_mesh_training.data.rendered_scenes import GeneratedScenes, SceneShards
from icl_mesh_training.data.scene_folder import SceneFolder
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.writing import (
    SceneJob,
    write_occlusion_benchmark,
    write_scenes,
    write_shards,
)

JOB = SceneJob(5, seed=9, long_side=64, texture_size=32, max_people=3)
OPTIONS: Any = {"processes": 1, "progress": False}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same five scenes as files and as shards of two."""
    folder = tmp_path_factory.mktemp("written")
    write_scenes(folder / "files", JOB, **OPTIONS)
    write_shards(folder / "shards", JOB, per_shard=2, **OPTIONS)
    return folder


def assert_same(first: Sample, second: Sample) -> None:
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name), err_msg=name)


@pytest.mark.slow
def test_shards_hold_what_the_folder_holds(written: Path) -> None:
    shards = sorted((written / "shards").iterdir())
    assert [s.name for s in shards] == [f"scenes-{k:06d}.tar" for k in range(3)]
    from_files = SceneFolder(written / "files", 64, AugmentationConfig(), seed=3)
    from_shards = SceneShards(written / "shards", 64, AugmentationConfig(), seed=3)
    assert len(from_shards) == len(from_files) == 5
    for item in ((0, 0), (0, 4), (2, 3)):
        assert_same(from_files[item], from_shards[item])


def test_webdataset_reads_the_shards(written: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    paths = [str(p) for p in sorted((written / "shards").glob("*.tar"))]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False))
    assert [s["__key__"] for s in samples] == [f"{i:06d}" for i in range(5)]
    for i, sample in enumerate(samples):
        assert sample["jpg"] == (written / "files" / f"{i:06d}.jpg").read_bytes()
        assert sample["npz"] == (written / "files" / f"{i:06d}.npz").read_bytes()


@pytest.mark.slow
def test_only_missing_shards_are_written_again(written: Path) -> None:
    shards = sorted((written / "shards").iterdir())
    kept, lost = shards[0].stat().st_mtime_ns, shards[2].read_bytes()
    shards[2].unlink()
    write_shards(written / "shards", JOB, per_shard=2, **OPTIONS)
    assert shards[0].stat().st_mtime_ns == kept and shards[2].read_bytes() == lost


def test_ranks_and_workers_share_shards_without_overlap(written: Path) -> None:
    source = SceneShards(written / "shards", 32, AugmentationConfig(), seed=3)
    whole, seen = [source[0, i].betas.tobytes() + bytes([i]) for i in range(5)], []
    for rank in range(2):
        loader = iter(make_loader(source, batch_size=1, seed=0, workers=1, rank=rank, processes=2))
        batches = [next(loader) for _ in range(4)]
        seen.append([b.batch.images.sum().item() for b in batches])
        assert all(not b.broken for b in batches)
    assert len(whole) == 5 and seen[0] != seen[1]
    again = iter(make_loader(source, batch_size=1, seed=0, start=4, rank=0, processes=2))
    assert next(again).batch.images.sum().item() == seen[0][2]  # resumed at the same position


def test_broken_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no shards \(\*\.tar\) there"):
        SceneShards(tmp_path, 64, AugmentationConfig())
    (tmp_path / "scenes-000000.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(ValueError, match=r"scenes-000000\.tar is not a readable shard"):
        SceneShards(tmp_path, 64, AugmentationConfig())
    with pytest.raises(ValueError, match="a shard needs at least 1 scene, got 0"):
        write_shards(tmp_path, JOB, per_shard=0)


@pytest.mark.slow
def test_scenes_on_the_fly_are_those_of_the_folder(written: Path) -> None:
    plain = AugmentationConfig()
    source = GeneratedScenes(5, 64, plain, 9, long_side=64, texture_size=32)
    stored = SceneLabels.load(written / "files" / "000001.npz")
    # the folder's scenes hold at most three people, so other scenes may differ; shapes do not
    loaders = [
        iter(make_loader(source, batch_size=2, seed=1, workers=workers)) for workers in (0, 1)
    ]
    first, second = (next(loader).batch for loader in loaders)
    torch.testing.assert_close(first.images, second.images)
    assert first.images.shape == (2, 64, 64, 3) and stored.size.max() == 64
    assert (source[0, 1].image != source[1, 1].image).any()  # a new pass has new scenes
    assert_same(source[1, 1], source[1, 1])
    with pytest.raises(ValueError, match="a pass of generated scenes needs at least 1, got 0"):
        GeneratedScenes(0, 64, plain)


@pytest.mark.slow
def test_occlusion_benchmark_runs_through_its_levels(tmp_path: Path) -> None:
    write_occlusion_benchmark(tmp_path, count=2, **OPTIONS)
    about = json.loads((tmp_path / "benchmark.json").read_text())
    for i in range(2):
        labels = SceneLabels.load(tmp_path / f"{i:06d}.npz")
        assert labels.hidden_by_people is not None
        assert abs(labels.hidden_by_people[0] - about["levels"][i]) <= about["tolerance"]
        assert labels.size.tolist() == about["size"] == [1280, 720]
    # The same command goes on where it stopped, with the same pictures.
    first, second = (tmp_path / f"00000{i}.jpg" for i in range(2))
    picture, written = second.read_bytes(), first.stat().st_mtime_ns
    second.unlink()
    write_occlusion_benchmark(tmp_path, count=2, **OPTIONS)
    assert second.read_bytes() == picture and first.stat().st_mtime_ns == written
    another = r"benchmark\.json belongs to another benchmark \(this one: 1280x720 px, seed 1\)"
    with pytest.raises(ValueError, match=another):
        write_occlusion_benchmark(tmp_path, count=2, seed=1, **OPTIONS)


def test_a_benchmark_of_small_pictures_is_another_one(tmp_path: Path) -> None:
    """Its benchmark.json stated no size: its scenes must not be mixed with those of 1280x720."""
    about = {
        "benchmark": "occlusion",
        "seed": 20260,
        "levels": [round(0.1 * i, 1) for i in range(10)],
        "tolerance": 0.05,
        "level_of": "scene i: levels[i % 10], of person 0 (hidden_by_people in the labels)",
    }
    before = json.dumps(about)
    (tmp_path / "benchmark.json").write_text(before)
    with pytest.raises(ValueError, match=r"another benchmark \(this one: 1280x720 px, seed 20260"):
        write_occlusion_benchmark(tmp_path, count=2, **OPTIONS)
    assert [p.name for p in tmp_path.iterdir()] == ["benchmark.json"]
    assert (tmp_path / "benchmark.json").read_text() == before
