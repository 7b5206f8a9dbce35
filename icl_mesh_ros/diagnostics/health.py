"""Compares the node's measurements with thresholds and makes a diagnostic status."""

from __future__ import annotations

from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from icl_mesh_ros.diagnostics.status import Summary
from icl_mesh_ros.parameters.mesh_node import MeshParameters

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

#: Advice if large images are lost.
LOSS_CURE = (
    "set image_reliability:=reliable, or start the driver with the DDS profile config/fastdds.xml "
    "(docs/problems.md, Lost large messages)"
)
#: Level and sentence.
Problem = tuple[bytes, str]


@dataclass(frozen=True)
class Stream:
    """The image stream of an active node.

    publishers: names of the nodes that publish the topic. gap_s: time since the last image.
    result_age_s: time since the stamp of the newest result's image; without a stamp, since that
    result; without a result, since the first image; without an image, None. clock_stands:
    use_sim_time is set, but no /clock arrives. oddities: kind -> sentence. unmeasured: since when
    depth measures nobody, and why; "": it does, or is not used. info_hint: where a CameraInfo is
    published although none arrives; "": all is well.
    """

    topic: str
    publishers: list[str]
    gap_s: float
    result_age_s: float | None
    clock_stands: bool = False
    oddities: dict[str, str] = field(default_factory=dict)
    unmeasured: str = ""
    info_hint: str = ""


def problems(stream: Stream, work: Summary, limits: MeshParameters) -> list[Problem]:
    """What is wrong, for the operator; empty if all is well."""
    found: list[Problem] = [(WARN, text) for text in stream.oddities.values()]
    if stream.info_hint:
        found.append((WARN, stream.info_hint))
    if len(stream.publishers) > 1:
        names = ", ".join(stream.publishers)
        found.append(
            (
                WARN,
                f"{len(stream.publishers)} publishers on '{stream.topic}' ({names}): their people "
                "get mixed up; remap all but one",
            )
        )
    if stream.unmeasured:
        found.append((WARN, stream.unmeasured))
    if stream.clock_stands:
        found.append((WARN, "use_sim_time is set, but nothing arrives on /clock"))
    if level := _above(stream.gap_s, limits.warn_image_gap, limits.error_image_gap):
        found.append((level, silence(stream)))
    else:
        found += _lateness(stream, limits)
    rate = work.rates.get("done", 0.0)
    if level := _above(-rate, -limits.warn_output_rate, -limits.error_output_rate):
        wanted = limits.error_output_rate if level == ERROR else limits.warn_output_rate
        found.append((level, f"{rate:.2f} results/s, fewer than {wanted:g}"))
    if work.recent["failed"]:
        level = WARN if work.recent["done"] else ERROR
        found.append((level, f"{work.recent['failed']} images failed: {work.error}"))
    return found


def loss(topic: str, lost: int, came: int) -> str:
    """The sentence about lost images; empty if fewer than 2, or fewer than a tenth, were lost."""
    if lost < 2 or lost * 10 < came:
        return ""
    return f"{lost} of {lost + came} images on '{topic}' were lost on the way: {LOSS_CURE}"


def silence(stream: Stream) -> str:
    """The sentence that no image arrives: since when, and the possible causes."""
    text = f"no image on '{stream.topic}' for {stream.gap_s:.1f} s: "
    if not stream.publishers:
        return text + "nobody publishes it; start the camera driver, or remap the topic"
    return text + (
        f"{', '.join(stream.publishers)} stands still, or publishes with another QoS (parameter "
        f"image_reliability), or its images are lost on the way ({LOSS_CURE})"
    )


def status(
    name: str, hardware_id: str, found: list[Problem], fine: str, pairs: dict[str, str]
) -> DiagnosticStatus:
    """A status with the worst level and all problems, worst first; fine: text if there is none.
    pairs: the status's values."""
    worst_first = sorted(found, key=lambda problem: problem[0], reverse=True)
    message = DiagnosticStatus(
        level=max((level for level, _ in found), default=OK),
        name=name,
        hardware_id=hardware_id,
        message="; ".join(text for _, text in worst_first) or fine,
    )
    message.values = [KeyValue(key=key, value=value) for key, value in pairs.items()]
    return message


def numbers(stream: Stream, work: Summary) -> dict[str, str]:
    """The measurements as key-value pairs; keys name the units."""
    age = stream.result_age_s
    return {
        "input rate (Hz)": f"{work.rates.get('received', 0.0):.2f}",
        "output rate (Hz)": f"{work.rates.get('done', 0.0):.2f}",
        "dropped images": str(work.recent["dropped"]),
        "dropped images, total": str(work.totals["dropped"]),
        "lost images": str(work.recent["lost"]),
        "lost images, total": str(work.totals["lost"]),
        "failed images": str(work.recent["failed"]),
        "failed images, total": str(work.totals["failed"]),
        "images, total": str(work.totals["received"]),
        "results, total": str(work.totals["done"]),
        "time since the last image (s)": f"{stream.gap_s:.2f}",
        "age of the newest result (s)": "none yet" if age is None else f"{age:.3f}",
        **{f"{name}, median": f"{value:.2f}" for name, value in work.medians.items()},
    }


def _lateness(stream: Stream, limits: MeshParameters) -> list[Problem]:
    age = stream.result_age_s
    if age is None:
        return []
    if age < -limits.warn_result_age:
        text = f"the newest image is stamped {-age:.1f} s ahead of this node's clock: "
        return [(WARN, text + "set both machines by NTP, or use_sim_time as the publisher does")]
    if level := _above(age, limits.warn_result_age, limits.error_result_age):
        text = f"the newest result is {age:.1f} s old"
        if age > 3600:
            text += ": does the camera use another clock (use_sim_time)?"
        return [(level, text)]
    return []


def _above(value: float, warn: float, error: float) -> bytes | None:
    """ERROR or WARN for a value above that threshold, else None."""
    if value > error:
        return ERROR
    return WARN if value > warn else None
