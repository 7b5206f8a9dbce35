"""The compiled library is loaded where it can be had, and only then."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from icl_mesh import native
from icl_mesh.compiled_surface import Surface
from icl_mesh.reader_structures import Job


@pytest.fixture
def looked_up_again() -> Iterator[None]:
    """The library, which is looked up once, now and after the test."""
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def test_a_library_of_another_version_is_not_called(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, looked_up_again: None
) -> None:
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    assert native.library() is None
    assert "build it again" in caplog.text


def test_a_file_that_is_no_library_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    looked_up_again: None,
) -> None:
    (tmp_path / "_native.so").write_text("no library")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    assert native.library() is None
    assert "_native.so: cannot be loaded" in caplog.text


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, looked_up_again: None) -> None:
    monkeypatch.setenv("ICL_MESH_NATIVE", "0")
    assert native.library() is None
    assert native.kernel("icl_find_people") is None


def test_arrays_that_a_kernel_cannot_read_are_refused() -> None:
    array = np.zeros((4, 6), np.float32)
    assert native.address(array) == array.ctypes.data
    for wrong in (array[:, ::2], array.T, array.astype(np.float64)):
        with pytest.raises(ValueError, match="contiguous array of float32"):
            native.address(wrong)
    for fine in (array[2:], array[:0], np.broadcast_to(array[0], (1, 6))):  # also read-only
        assert native.address(fine) == fine.ctypes.data
    assert isinstance(native.library(), ctypes.CDLL)  # scripts/setup builds it


def test_structures_are_as_long_on_both_sides() -> None:
    call = native.kernel("icl_structure_sizes", native.POINTER)
    assert call is not None
    sizes = np.zeros(2, np.int64)
    call(native.address(sizes, np.int64))
    assert sizes.tolist() == [ctypes.sizeof(Job), ctypes.sizeof(Surface)]
