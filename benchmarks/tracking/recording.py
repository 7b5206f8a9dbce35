"""Records the network's results on rendered sequences, for repeated tracking."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh.estimator import Estimator
from icl_mesh.people import People
from icl_mesh.tracking.appearance import AppearanceFeatures, appearance_features
from icl_mesh_training.scenes.render.labels import LABELS, SceneLabels
from icl_mesh_training.scenes.sequences import SequenceFormat, SequenceRenderer, story_of


@dataclass(frozen=True)
class Recording:
    """One sequence. Per frame: detected people, their appearance features, the truth. rate: Hz."""

    seed: int
    rate: float
    people: list[People]
    features: list[AppearanceFeatures]
    truth: list[SceneLabels]

    @property
    def story(self) -> str:
        """One of icl_mesh_training.scenes.world.walks.STORIES."""
        return story_of(self.seed)

    def save(self, folder: Path) -> None:
        """Write {seed}_people, {seed}_looks and, last, {seed}_truth (.npz)."""
        folder.mkdir(parents=True, exist_ok=True)
        everybody = People.concatenate(self.people)
        everybody.save_npz(folder / f"{self.seed}_people.npz")
        features = [np.concatenate(column) for column in zip(*self.features, strict=True)]
        np.savez(
            folder / f"{self.seed}_looks.npz",
            color=features[0],
            weight=features[1],
            count=[len(people) for people in self.people],
        )
        truth = {n: np.stack([getattr(labels, n) for labels in self.truth]) for n in LABELS}
        truth["rate"] = np.array(self.rate)
        with (folder / f"{self.seed}_truth.npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **truth)

    @classmethod
    def load(cls, folder: Path, seed: int, body: BodyModel) -> Recording:
        """Read the files of ``save``."""
        everybody = People.load_npz(folder / f"{seed}_people.npz", body)
        with np.load(folder / f"{seed}_looks.npz", allow_pickle=False) as file:
            color, weight, count = file["color"], file["weight"], file["count"]
        with np.load(folder / f"{seed}_truth.npz", allow_pickle=False) as file:
            stacked = {name: file[name] for name in LABELS}
            rate = float(file["rate"])
        ends = np.cumsum(count)
        rows = [slice(end - n, end) for end, n in zip(ends, count, strict=True)]
        return cls(
            seed,
            rate,
            [everybody.select(row) for row in rows],
            [AppearanceFeatures(color[row], weight[row]) for row in rows],
            [SceneLabels(**{n: v[k] for n, v in stacked.items()}) for k in range(len(rows))],
        )


def record(
    estimator: Estimator, seeds: list[int], cache: Path, form: SequenceFormat
) -> list[Recording]:
    """Recordings of sequences, of the cache or newly rendered.

    Raises ValueError for a cache of other weights or another format.
    """
    key = json.dumps({"weights": estimator.weights_version, **asdict(form)}, sort_keys=True)
    stamp = cache / "made_with.json"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") != key:
        raise ValueError(f"{cache} holds other recordings ({stamp.name}): give another --cache")
    cache.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key, encoding="utf-8")
    missing = [seed for seed in seeds if not (cache / f"{seed}_truth.npz").is_file()]
    if missing:
        renderer = SequenceRenderer(estimator.body, form)
        for seed in tqdm(missing, desc="rendering and estimating", unit="sequence", disable=None):
            _record(estimator, renderer, seed).save(cache)
    return [Recording.load(cache, seed, estimator.body) for seed in seeds]


def _record(estimator: Estimator, renderer: SequenceRenderer, seed: int) -> Recording:
    recording = Recording(seed, renderer.form.rate, [], [], [])
    for rgb, labels in renderer(seed):
        people = estimator(rgb, labels.camera)
        recording.people.append(people)
        recording.features.append(appearance_features(rgb, people))
        recording.truth.append(labels)
    return recording
