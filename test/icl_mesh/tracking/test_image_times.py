"""Stamps and arrivals on one clock."""

from __future__ import annotations

import pytest

from icl_mesh.tracking.image_times import ImageTimes

START_NS = 1_700_000_000 * 10**9


def test_alternating_zero_and_valid_stamps_give_steady_times() -> None:
    times = ImageTimes()
    seen = [
        times(START_NS + k * 10**8 if k % 2 == 0 else 0, 5000.0 + 0.1 * k) - START_NS * 1e-9
        for k in range(8)
    ]
    assert seen == pytest.approx([0.1 * k for k in range(8)], abs=1e-5)


def test_without_any_stamp_the_arrival_counts() -> None:
    times = ImageTimes()
    assert [times(0, 7.0), times(0, 7.5)] == [7.0, 7.5]
