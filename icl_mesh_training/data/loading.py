"""From sources to batches: resumable sampling over processes, broken samples."""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from icl_mesh.engine.threads import one_openblas_thread
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_training.data.batch import Batch, Sample, collate
from icl_mesh_training.errors import TrainingStoppedError

#: A run stops when more than this share of its samples is broken ...
BROKEN_SHARE = 0.01
#: ... of at least this many samples, so that one broken file early on does not stop it.
BROKEN_LEAST = 1000
#: Loading fails after this many broken samples in a row.
ATTEMPTS = 20


class SampleSource(Protocol):
    """Samples by (pass, index): the same pair gives the same sample, augmentation included."""

    def __len__(self) -> int: ...
    def __getitem__(self, item: tuple[int, int]) -> Sample: ...


class GuardedItem(NamedTuple):
    """A sample, and the errors of the broken samples that it replaces."""

    sample: Sample
    broken: tuple[str, ...]


class LoadedBatch(NamedTuple):
    """A batch, and the errors of the samples that were replaced."""

    batch: Batch
    broken: tuple[str, ...]


class Guarded(Dataset[GuardedItem]):
    """A source whose unreadable samples are replaced by others and reported."""

    def __init__(self, source: SampleSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, item: tuple[int, int]) -> GuardedItem:
        epoch, index = item
        broken: list[str] = []
        others = np.random.default_rng((epoch, index))
        while len(broken) < ATTEMPTS:
            try:
                sample = self.source[epoch, index]
                check_finite(sample)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                broken.append(f"{type(error).__name__}: {error}")
                index = int(others.integers(len(self.source)))
            else:
                return GuardedItem(sample, tuple(broken))
        raise ValueError(f"{ATTEMPTS} broken samples in a row, the last one: {broken[-1]}")


def check_finite(sample: Sample) -> None:
    """Raises ValueError naming the labels that hold NaN or infinite values."""
    bad = [
        name
        for name, values in vars(sample).items()
        if values.dtype.kind == "f" and not np.isfinite(values).all()
    ]
    if bad:
        raise ValueError(f"labels hold NaN or infinite values: {', '.join(bad)}")


class EndlessSampler(Sampler[tuple[int, int]]):
    """Endless shuffled (pass, index) pairs, from any position on.

    start: number of items that all processes together have already taken. Each block of
    batch_size * processes items is split into runs of batch_size, one per process. So several
    processes see the same items per step as one process that accumulates over as many batches.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        start: int = 0,
        *,
        batch_size: int = 1,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.length, self.seed, self.start = length, seed, start
        self.batch_size, self.rank, self.processes = batch_size, rank, processes

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for position, item in enumerate(self._all()):
            if position // self.batch_size % self.processes == self.rank:
                yield item

    def _all(self) -> Iterator[tuple[int, int]]:
        epoch, skipped = divmod(self.start, self.length)
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.length)
            for index in order[skipped:]:
                yield epoch, int(index)
            epoch, skipped = epoch + 1, 0


def collate_guarded(items: Sequence[GuardedItem]) -> LoadedBatch:
    """Guarded samples to one batch."""
    batch = collate([item.sample for item in items])
    return LoadedBatch(batch, tuple(text for item in items for text in item.broken))


def make_loader(
    source: SampleSource,
    *,
    batch_size: int,
    seed: int,
    start: int = 0,
    workers: int = 0,
    rank: int = 0,
    processes: int = 1,
) -> DataLoader[LoadedBatch]:
    """Endless batches of one process; start: samples that the run has already taken."""
    sampler = EndlessSampler(
        len(source), seed, start, batch_size=batch_size, rank=rank, processes=processes
    )
    return DataLoader(
        Guarded(source),  # type: ignore[arg-type]  # collate makes items a LoadedBatch
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate_guarded,
        drop_last=True,
        persistent_workers=workers > 0,
        multiprocessing_context=_loader_context() if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _loader_context() -> multiprocessing.context.BaseContext:
    """Loader processes are forked from a clean server, not from the process that trains.

    A fork copies the locks but not the threads of OpenMP, OpenGL and inference engines: after a
    renderer or an engine had run, forked loaders deadlocked or crashed the process.
    """
    context = multiprocessing.get_context("forkserver")
    one_openblas_thread()
    context.set_forkserver_preload(["icl_mesh_training.data.scene_folder"])
    return context


class BrokenSamples:
    """Counts broken samples of a run, lists each once in a file, stops above BROKEN_SHARE."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = 0
        self.broken = 0
        self._noted: set[str] = set()

    def count(self, loaded: LoadedBatch) -> None:
        """Raises TrainingStoppedError if too many are broken."""
        self.seen += len(loaded.batch.images) + len(loaded.broken)
        self.broken += len(loaded.broken)
        new = [text for text in dict.fromkeys(loaded.broken) if text not in self._noted]
        if new:
            self._noted.update(new)
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(shown(text, MESSAGE) + "\n" for text in new)
        if self.broken > BROKEN_SHARE * max(self.seen, BROKEN_LEAST):
            raise TrainingStoppedError(
                f"{self.broken} of {self.seen} samples are broken, more than {BROKEN_SHARE:.0%}; "
                f"{self.path} lists them, for example: "
                f"{shown(loaded.broken[0], MESSAGE)}"
            )
