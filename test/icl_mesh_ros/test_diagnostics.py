"""The summary of a node's work."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from icl_mesh_ros.diagnostics import Statistics


def pairs(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_rates_medians_and_facts():
    statistics = Statistics()
    for age in (10.0, 20.0, 90.0):
        statistics.count("received")
        statistics.count("done")
        statistics.record("age of the image (ms)", age)
    statistics.count("dropped")
    status = statistics.summary(2.0, "node: people", {"weights": "v1"})
    assert (status.level, status.name) == (DiagnosticStatus.OK, "node: people")
    assert pairs(status) == {
        "input rate (Hz)": "1.50",
        "output rate (Hz)": "1.50",
        "dropped images": "1",
        "failed images": "0",
        "age of the image (ms), median": "20.00",
        "weights": "v1",
    }


def test_every_summary_starts_a_new_period():
    statistics = Statistics()
    statistics.count("received")
    statistics.summary(1.0, "n", {})
    status = statistics.summary(1.0, "n", {})
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "no images arrive")


def test_the_last_error_is_the_message():
    statistics = Statistics()
    statistics.count("received")
    statistics.error("image on '/image' has no pixels")
    status = statistics.summary(1.0, "n", {})
    assert (status.level, status.message) == (
        DiagnosticStatus.ERROR,
        "image on '/image' has no pixels",
    )
    assert pairs(status)["failed images"] == "1"
