"""From sources to batches: sampling that resumes and splits over processes, broken samples."""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from icl_mesh.threads import one_openblas_thread
from icl_mesh.wording import MESSAGE, shown
from icl_mesh_training.batch import Batch, Sample, collate
from icl_mesh_training.errors import TrainingStoppedError

#: A run stops when more than this share of its samples is broken ...
BROKEN_SHARE = 0.01
#: ... counted over at least so many samples, so that one early bad file does not stop it.
BROKEN_LEAST = 1000
#: So many broken samples in a row are no accident.
ATTEMPTS = 20


class SampleSource(Protocol):
    """Samples by (pass, index): the same pair gives the same sample, augmentation included."""

    def __len__(self) -> int: ...
    def __getitem__(self, item: tuple[int, int]) -> Sample: ...


class GuardedItem(NamedTuple):
    """A sample, and why those that it stands in for could not be read."""

    sample: Sample
    broken: tuple[str, ...]


class LoadedBatch(NamedTuple):
    """A batch, and what was broken on the way to it."""

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
    """Shuffled (pass, index) pairs for ever, from any position on.

    start: items that all processes together have taken already. With several processes every
    block of batch_size * processes items is dealt out in runs of batch_size, so that they see
    together what one process would see that accumulates over as many batches.
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
    """Endless batches of one process, from where a run of `start` samples left off."""
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

    A fork carries over the locks but not the threads of OpenMP, OpenGL and inference engines:
    forked loaders waited for ever, or took the whole process down, after a renderer or an engine
    had run.
    """
    context = multiprocessing.get_context("forkserver")
    one_openblas_thread()
    context.set_forkserver_preload(["icl_mesh_training.dataset"])
    return context


class BrokenSamples:
    """Counts broken samples of a run, notes each one once in a file, stops above BROKEN_SHARE."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = 0
        self.broken = 0
        self._noted: set[str] = set()

    def count(self, loaded: LoadedBatch) -> None:
        """Raises TrainingStoppedError where too many are broken."""
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
