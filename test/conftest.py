"""What all tests share: converted networks of a test session do not stay with the user."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import icl_mesh  # before any test imports cv2, whose limit of pixels it sets

sys.path.insert(0, str(Path(__file__).parent))  # videos.py


@pytest.fixture(scope="session", autouse=True)
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of this session; nodes that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        if "ICL_MESH_CACHE" not in os.environ:
            patch.setenv("ICL_MESH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def without_kernels(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs code with an icl_mesh whose compiled modules are missing."""
    source, package = Path(icl_mesh.__file__).parent, tmp_path / "icl_mesh"
    (package / "kernels").mkdir(parents=True)
    kept = [one for one in source.iterdir() if one.name not in ("kernels", "__pycache__")]
    for entry in (*kept, *(source / "kernels").glob("*.py")):
        (package / entry.relative_to(source)).symlink_to(entry)

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run
