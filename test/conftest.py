"""What all tests share: converted networks of a test session do not stay with the user."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of this session; nodes that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        if "ICL_MESH_CACHE" not in os.environ:
            patch.setenv("ICL_MESH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
