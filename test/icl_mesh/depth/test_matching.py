"""Matching of depth images to images."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from icl_mesh.depth.matching import DepthStore
from icl_mesh.tracking.image_times import nanoseconds


def stamp(seconds: float) -> int:
    return round(seconds * 1e9)


def message(seconds: float) -> SimpleNamespace:
    sec, nanosec = divmod(stamp(seconds), 10**9)
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec)))


def test_the_nearest_in_time_within_the_tolerance() -> None:
    store = DepthStore("/depth")
    assert store.find(stamp(5), 0.03) is None
    messages = [message(t) for t in (4.93, 4.97, 5.02, 5.06)]
    for one in messages:
        store.put(one)
    assert store.find(stamp(5), 0.03) is messages[2]
    assert store.find(stamp(4.98), 0.03) is messages[1]
    assert store.find(stamp(5.2), 0.03) is None
    assert store.find(stamp(5.2), 0.2) is messages[3]
    assert store.reaches(nanoseconds(messages[3].header.stamp))
    assert not store.reaches(stamp(5.07))


def test_a_late_depth_image_is_waited_for() -> None:
    store, late = DepthStore("/depth"), message(5.0)
    timer = threading.Timer(0.05, store.put, (late,))
    timer.start()
    assert store.find(stamp(5.0), 0.03, patience_s=60.0) is late
    timer.join()


def test_a_newer_depth_image_ends_the_wait() -> None:
    """Depth at half the image's rate: the missing image never arrives."""
    store = DepthStore("/depth")
    store.put(message(5.1))
    assert store.find(stamp(5.0), 0.03, patience_s=3600.0) is None


def test_time_that_goes_back_forgets_what_was() -> None:
    store = DepthStore("/depth")
    store.put(message(100.0))
    first = message(5.0)
    store.put(first)
    assert store.find(stamp(100.0), 0.03) is None
    assert store.find(stamp(5.0), 0.03) is first


def test_without_stamps_the_newest_counts() -> None:
    store, newest = DepthStore("/depth"), message(0.0)
    for one in (message(0.0), message(0.0), newest):
        store.put(one)
    assert store.find(0, 0.03) is newest


def test_only_so_many_are_kept() -> None:
    store = DepthStore("/depth", most=2)
    for seconds in (1.0, 2.0, 3.0):
        store.put(message(seconds))
    assert store.find(stamp(1.0), 0.03) is None
    assert store.find(stamp(2.0), 0.03) is not None
