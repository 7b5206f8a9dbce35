"""Filter for Lightning's messages that do not help a user of this package."""

from __future__ import annotations

import logging
import warnings


def hide_needless() -> None:
    """Hide advertisements, deprecations in Lightning's own code and "folder is not empty"."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_needed)
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")


def _is_needed(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()
