"""Several data sets as one, mixed by probability."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from icl_mesh_training.data.batch import Sample


class MixedDataset(Dataset[Sample]):
    """Data sets mixed by probability; items are indexed by (pass, index), as of each part.

    A pass has as many items as all parts together; each part has its share of them, exact to one
    item. Pass, seed and shares determine the item of an index, so a run resumes by its position.
    The sampler shuffles the indices, so batches are mixed. Within a part every item occurs once
    before any repeats, in a new order each time.
    """

    def __init__(
        self, parts: Sequence[Dataset[Sample]], probabilities: Sequence[float], seed: int = 0
    ) -> None:
        share = np.asarray(probabilities, np.float64)
        if not parts or len(parts) != len(share):
            raise ValueError(
                f"a mixture needs data sets and one probability for each, got {len(parts)} data "
                f"sets and {len(share)} probabilities"
            )
        if not np.isfinite(share).all() or (share <= 0).any():
            raise ValueError(f"probabilities must be above 0, got {list(probabilities)}")
        self.parts, self.seed = list(parts), seed
        self.lengths = [len(part) for part in self.parts]  # type: ignore[arg-type]
        if min(self.lengths) < 1:
            raise ValueError(f"every data set of a mixture needs an item, lengths: {self.lengths}")
        # Rounded sums: the boundaries between the parts' indices in a pass.
        bounds = np.round(np.cumsum(share / share.sum()) * sum(self.lengths)).astype(int)
        self._bounds = np.concatenate(([0], bounds))

    def __len__(self) -> int:
        return sum(self.lengths)

    def locate(self, epoch: int, index: int) -> tuple[int, int, int]:
        """(part, its pass, its index) of item (pass, index)."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)}")
        part = int(np.searchsorted(self._bounds, index, side="right")) - 1
        first, last = self._bounds[part], self._bounds[part + 1]
        drawn = epoch * int(last - first) + index - int(first)
        own_epoch, position = divmod(drawn, self.lengths[part])
        order = _order(self.seed, part, own_epoch, self.lengths[part])
        return part, own_epoch, int(order[position])

    def __getitem__(self, item: tuple[int, int]) -> Sample:
        part, epoch, index = self.locate(*item)
        return self.parts[part][epoch, index]


@lru_cache(maxsize=64)
def _order(seed: int, part: int, epoch: int, length: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng((seed, part, epoch)).permutation(length)
