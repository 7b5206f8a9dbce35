"""Limits for weights that anybody may ask a node to load."""

from __future__ import annotations

import threading

import pytest

from icl_mesh.weights import default_weights_path
from icl_mesh_ros.pipeline import load_limits
from icl_mesh_ros.pipeline.load_limits import TimeLimit, check_memory, confined


@pytest.fixture
def folder(tmp_path):
    """A folder with weights, beside a file outside of it."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "good.safetensors").write_text("")
    (tmp_path / "secret").write_text("")
    return folder


def test_weights_in_the_folder_are_found_by_either_name(folder):
    path = str(folder / "good.safetensors")
    assert confined("good.safetensors", str(folder)) == path
    assert confined(path, str(folder)) == path
    assert confined("default", str(folder)) == "default"
    assert confined("anything", "") == "anything"
    (folder / "link").symlink_to("good.safetensors")
    assert confined("link", str(folder)) == path
    assert confined("new.safetensors", str(folder)) == str(folder / "new.safetensors")


@pytest.mark.parametrize(
    "weights",
    ["../secret", "{folder}/../secret", "/etc/passwd", "link", "linked/secret", "circle", "a\0b"],
)
def test_weights_outside_the_folder_are_refused(folder, weights):
    (folder / "link").symlink_to("../secret")
    (folder / "linked").symlink_to("..")
    (folder / "circle").symlink_to("circle")
    with pytest.raises(ValueError, match=r"lie outside of weights_folder '.*weights': copy"):
        confined(weights.format(folder=folder), str(folder))


def test_a_folder_that_is_a_link_and_a_sibling_with_the_same_prefix(folder, tmp_path):
    (tmp_path / "other").symlink_to(folder)
    assert confined("good.safetensors", str(tmp_path / "other"))
    (tmp_path / "weights2").mkdir()
    with pytest.raises(ValueError, match="lie outside of weights_folder"):
        confined(str(tmp_path / "weights2" / "x"), str(folder))
    with pytest.raises(ValueError, match=r"weights_folder '.*none' is no folder: make it"):
        confined("x", str(tmp_path / "none"))


def test_memory(monkeypatch):
    check_memory("default", 1e6)
    with pytest.raises(ValueError, match=r"may take \d+ MB to load, update_memory_limit allows 10"):
        check_memory("default", 10.0)
    monkeypatch.setattr(load_limits, "_free_mb", lambda: 20.0)
    with pytest.raises(ValueError, match="the machine has free 20 MB: take smaller weights, or re"):
        check_memory(str(default_weights_path()), 0.0)
    check_memory("none.safetensors", 10.0)  # load_weights reports the missing file


def test_a_call_over_the_limit_raises_and_blocks_others_while_it_runs():
    time_limit, release = TimeLimit(), threading.Event()
    assert time_limit(lambda: 5, 60.0, "weights 'a'") == 5
    with pytest.raises(LookupError, match="its own"):
        time_limit(lambda: {}["its own"], 60.0, "weights 'a'")
    with pytest.raises(TimeoutError, match=r"weights 'a': not loaded within 0.05 s \(update_time"):
        time_limit(release.wait, 0.05, "weights 'a'")
    with pytest.raises(TimeoutError, match="weights 'b': an earlier load, given up before, still"):
        time_limit(lambda: 6, 60.0, "weights 'b'")
    release.set()
    time_limit._running.join()
    assert time_limit(lambda: 7, 60.0, "weights 'b'") == 7
