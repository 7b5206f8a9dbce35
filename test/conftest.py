"""What all tests share: converted networks of a test session do not stay with the user."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import icl_mesh  # noqa: F401  before any test imports cv2, whose limit of pixels it sets

sys.path.insert(0, str(Path(__file__).parent))  # videos.py


@pytest.fixture(scope="session", autouse=True)
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of this session; nodes that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        if "ICL_MESH_CACHE" not in os.environ:
            patch.setenv("ICL_MESH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
