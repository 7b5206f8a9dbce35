"""A handful of small rendered scenes, shared by the tests of training."""

from pathlib import Path

import pytest

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.generator import SceneGenerator, encode_jpeg


@pytest.hookimpl(tryfirst=True)  # before tests are selected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process of a parallel run renders scenes of its own: their tests are slow."""
    for item in items:
        if "scenes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of eight procedural scenes, 160 px, as write_scenes lays them out."""
    folder = tmp_path_factory.mktemp("scenes")
    generate = SceneGenerator(BodyModel.load(), seed=11, long_side=160, max_people=4)
    for index in range(8):
        image, labels = generate(index)
        labels.save(folder / f"{index:06d}.npz")
        (folder / f"{index:06d}.jpg").write_bytes(encode_jpeg(image, 90))
    return folder
