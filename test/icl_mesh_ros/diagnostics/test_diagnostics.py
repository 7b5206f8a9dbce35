"""Counts over a window; the level and text of every threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from icl_mesh_ros.diagnostics.depth_watch import DepthWatch
from icl_mesh_ros.diagnostics.health import ERROR, OK, WARN, Stream, numbers, problems, status
from icl_mesh_ros.diagnostics.status import Statistics
from icl_mesh_ros.parameters.mesh_node import MeshParameters

FINE = Stream("/image", ["/camera"], gap_s=0.1, result_age_s=0.2)


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_rates_and_medians_are_over_the_window_and_totals_over_everything():
    clock = Clock()
    statistics = Statistics(window=2, clock=clock)
    for people in (1, 2, 9):
        statistics.count("done")
        statistics.record({"people": people})
    clock.now += 2.0
    first = statistics.summary()
    assert (first.rates["done"], first.medians["people"]) == (1.5, 2.0)
    statistics.count("done")
    clock.now += 2.0
    second = statistics.summary()
    assert (second.rates["done"], second.recent["done"], second.totals["done"]) == (1.0, 1, 4)
    clock.now += 2.0
    third = statistics.summary()  # the first period has left the window
    assert (third.rates["done"], third.recent["done"], third.totals["done"]) == (0.25, 0, 4)
    assert "people" not in third.medians


def test_a_summary_before_any_time_has_passed_has_no_rates():
    assert Statistics(clock=Clock()).summary().rates == {}


def test_numbers_carry_their_units():
    clock = Clock()
    statistics = Statistics(clock=clock)
    for age in (10.0, 20.0, 90.0):
        statistics.count("received")
        statistics.record({"network (ms)": age})
    statistics.count("done")
    statistics.count("dropped")
    clock.now += 2.0
    assert numbers(FINE, statistics.summary()) == {
        "input rate (Hz)": "1.50",
        "output rate (Hz)": "0.50",
        "dropped images": "1",
        "dropped images, total": "1",
        "lost images": "0",
        "lost images, total": "0",
        "failed images": "0",
        "failed images, total": "0",
        "images, total": "3",
        "results, total": "1",
        "time since the last image (s)": "0.10",
        "age of the newest result (s)": "0.200",
        "network (ms), median": "20.00",
    }


def work(done: int = 5, failed: int = 0):
    clock = Clock()
    statistics = Statistics(clock=clock)
    for _ in range(done):
        statistics.count("done")
    for _ in range(failed):
        statistics.error("image on '/image' has no pixels")
    clock.now += 1.0
    return statistics.summary()


LIMITS = MeshParameters(
    warn_image_gap=2.0,
    error_image_gap=10.0,
    warn_result_age=1.0,
    error_result_age=5.0,
    warn_output_rate=4.0,
    error_output_rate=2.0,
)


@pytest.mark.parametrize(
    ("changes", "done", "failed", "level", "said"),
    [
        ({}, 5, 0, OK, ""),
        ({"gap_s": 2.1}, 5, 0, WARN, "no image on '/image' for 2.1 s: /camera stands still, or"),
        ({"gap_s": 11.0, "publishers": []}, 5, 0, ERROR, "for 11.0 s: nobody publishes it"),
        ({"gap_s": 11.0, "result_age_s": 11.0}, 5, 0, ERROR, "no image on"),  # said once
        ({"result_age_s": 1.5}, 5, 0, WARN, "the newest result is 1.5 s old"),
        ({"result_age_s": 6.0}, 5, 0, ERROR, "the newest result is 6.0 s old"),
        ({"result_age_s": 1e9}, 5, 0, ERROR, "another clock (use_sim_time)?"),
        ({"result_age_s": -3.0}, 5, 0, WARN, "3.0 s ahead of this node's clock"),
        ({"result_age_s": None, "clock_stands": True}, 5, 0, WARN, "nothing arrives on /clock"),
        ({"publishers": ["/left", "/right"]}, 5, 0, WARN, "2 publishers on '/image' (/left, /ri"),
        ({"oddities": {"zero": "no stamp"}}, 5, 0, WARN, "no stamp"),
        ({"unmeasured": "nobody measured in depth"}, 5, 0, WARN, "nobody measured in depth"),
        ({}, 3, 0, WARN, "3.00 results/s, fewer than 4"),
        ({}, 1, 0, ERROR, "1.00 results/s, fewer than 2"),
        ({}, 5, 2, WARN, "2 images failed: image on '/image' has no pixels"),
    ],
)
def test_every_problem_has_its_level_and_text(changes, done, failed, level, said):
    found = problems(replace(FINE, **changes), work(done, failed), LIMITS)
    assert len(found) == (0 if level == OK else 1)
    message = status("node: people", "/image", found, "fine", {})
    assert message.level == level
    assert said in message.message


def test_frames_that_all_fail_are_an_error_and_the_worst_comes_first():
    limits = replace(LIMITS, warn_output_rate=0.0, error_output_rate=0.0)
    found = problems(replace(FINE, result_age_s=1.5), work(0, 3), limits)
    message = status("node: people", "/image", found, "fine", {"a": "b"})
    assert message.level == ERROR
    assert message.message == (
        "3 images failed: image on '/image' has no pixels; the newest result is 1.5 s old"
    )
    assert [(pair.key, pair.value) for pair in message.values] == [("a", "b")]


@pytest.mark.parametrize("what", ["image_gap", "result_age"])
def test_thresholds_must_be_in_order(what):
    with pytest.raises(ValueError, match=f"warn_{what} .7 s. must not exceed error_{what} .6 s."):
        MeshParameters(**{f"warn_{what}": 7.0, f"error_{what}": 6.0})
    with pytest.raises(ValueError, match=r"warn_output_rate .1 Hz. must not be less"):
        MeshParameters(warn_output_rate=1.0, error_output_rate=2.0)


def test_since_when_nobody_is_measured_in_depth():
    clock = Clock()
    watch = DepthWatch(clock)
    for seconds, unmeasured, said in (
        (0.0, "holes", ""),
        (1.5, "holes", ""),
        (3.0, "another unit", "nobody measured in depth for 4 s, because another unit"),
        (0.1, "", ""),  # somebody was measured, or nobody is detected
        (3.0, "holes", ""),
        (3.0, "holes", "nobody measured in depth for 3 s, because holes"),
    ):
        clock.now += seconds
        watch.see(unmeasured)
        assert watch.text() == said
