"""Lightning's messages, less those that tell nothing to who trains with this package."""

from __future__ import annotations

import logging
import warnings


def hide_needless() -> None:
    """No advertisement, no warning of Lightning's own code, none that a run's folder has files."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_needed)
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")


def _is_needed(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()
