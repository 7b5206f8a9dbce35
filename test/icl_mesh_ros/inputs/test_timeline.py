"""Due times of frames: from a file's times, or at a constant period."""

from __future__ import annotations

from icl_mesh_ros.inputs.timeline import Timeline

PERIOD = 100_000_000


def test_frame_times_count_from_the_first_frame() -> None:
    line = Timeline(PERIOD)
    dues = [line.due(time_s, 5_000 + i) for i, time_s in enumerate((0.0, 0.3, 0.4, 2.5))]
    assert dues == [5_000, 300_005_000, 400_005_000, 2_500_005_000]


def test_without_frame_times_the_period_is_constant() -> None:
    line = Timeline(PERIOD)
    assert [line.due(None, 7) for _ in range(3)] == [7, PERIOD + 7, 2 * PERIOD + 7]


def test_a_restarted_file_continues_one_period_after_its_last_frame() -> None:
    line = Timeline(PERIOD)
    for time_s in (0.0, 0.3):
        line.due(time_s, 0)
    line.rewind()
    dues = [line.due(time_s, 0) for time_s in (0.0, 0.3)]
    assert dues == [400_000_000, 700_000_000]


def test_a_long_delay_shifts_the_time_line_a_short_one_does_not() -> None:
    line = Timeline(PERIOD)
    line.due(0.0, 0)
    line.due(0.3, 0)
    assert line.catch_up(350_000_000) == 300_000_000
    assert line.catch_up(2_300_000_000) == 2_300_000_000
    assert line.due(0.4, 0) == 2_400_000_000
