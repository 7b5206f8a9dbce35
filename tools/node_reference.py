"""Generates the tables of docs/nodes.md from running nodes.

    . scripts/env
    python tools/node_reference.py          # starts the nodes and writes the tables
    python tools/node_reference.py --check  # exit code 1 where the page is out of date

The tables are between <!-- NODE: KIND --> and <!-- end -->. KIND is parameters, topics or services.
The meanings of topics and services are copied from the present table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from ament_index_python.packages import get_package_prefix
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "nodes.md"
TIMEOUT_S = 120.0
DISCOVERY_S = 90.0
AT_CONFIGURE = "; read at configure: clean up the node before setting it"
#: Topics, parameters and services of every node.
EVERYWHERE = (
    "/rosout",
    "/parameter_events",
    "transition_event",
    "use_sim_time",
    "/clock",
    "start_type_description_service",
)
_SECTION = re.compile(r"(<!-- (\w+): (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(page: str, ask: Callable[[str, str, str], str]) -> str:
    """The page with every table replaced by ask(node, kind, present table)."""
    return _SECTION.sub(lambda m: m[1] + "\n" + ask(m[2], m[3], m[4]) + "\n" + m[5], page)


class Reference:
    """Queries nodes. set_at_start: defaults of the parameters that are set at start, by name."""

    def __init__(self, node: Node, set_at_start: dict[str, Any]) -> None:
        self._node, self._set = node, set_at_start

    def table(self, name: str, kind: str, old: str) -> str:
        """One table in Markdown. old: the present table."""
        meanings = dict(re.findall(r"^\| `([^`]+)` \|(?:.*\|)? ([^|]*) \|$", old, re.MULTILINE))
        if kind == "parameters":
            return self._parameters(name)
        if kind == "topics":
            return self._topics(name, meanings)
        return self._services(name, meanings)

    def _parameters(self, name: str) -> str:
        names = [
            parameter
            for parameter in self._call(name, ListParameters, "list_parameters").result.names
            if parameter not in EVERYWHERE and not parameter.startswith("qos_overrides.")
        ]
        described = self._call(name, DescribeParameters, "describe_parameters", names=names)
        values = self._call(name, GetParameters, "get_parameters", names=names).values
        rows = []
        for descriptor, value in zip(described.descriptors, values, strict=True):
            default = self._set.get(descriptor.name, parameter_value_to_python(value))
            text = descriptor.description.replace("|", "\\|")
            changes = "at start" if descriptor.read_only else "any time"
            if text.endswith(AT_CONFIGURE):
                text, changes = text.removesuffix(AT_CONFIGURE), "before configure"
            kind = Parameter.Type.from_parameter_value(default).name.lower()
            rows.append((descriptor.name, kind, _shown(default), _range(descriptor), changes, text))
        return _markdown(("parameter", "type", "default", "range", "set", "meaning"), rows)

    def _topics(self, name: str, meanings: dict[str, str]) -> str:
        node, rows = self._node, []
        self._discover(name, set(meanings))
        for direction, list_topics, list_ends in (
            (
                "in",
                node.get_subscriber_names_and_types_by_node,
                node.get_subscriptions_info_by_topic,
            ),
            ("out", node.get_publisher_names_and_types_by_node, node.get_publishers_info_by_topic),
        ):
            for topic, types in sorted(list_topics(name, "/")):
                if topic.rpartition("/")[2] in EVERYWHERE or topic in EVERYWHERE:
                    continue
                end = next(end for end in list_ends(topic) if end.node_name == name)
                # Names under / are relative in the nodes, except these two.
                shown = topic if topic in ("/diagnostics", "/tf") else topic.removeprefix("/")
                kind = types[0].replace("/msg/", "/")
                rows.append((shown, direction, kind, _quality(end), meanings.get(shown, "")))
        return _markdown(("topic", "", "type", "QoS", "what"), rows)

    def _discover(self, name: str, known: set[str]) -> None:
        """Wait until DDS has discovered the topics of the present page."""
        end = time.monotonic() + DISCOVERY_S
        while time.monotonic() < end:
            node = self._node
            seen = dict(node.get_publisher_names_and_types_by_node(name, "/"))
            seen |= node.get_subscriber_names_and_types_by_node(name, "/")
            if {f"/{topic.removeprefix('/')}" for topic in known} <= set(seen):
                return
            rclpy.spin_once(node, timeout_sec=0.1)

    def _services(self, name: str, meanings: dict[str, str]) -> str:
        common = ("parameters", "parameters_atomically", "parameter_types", "type_description")
        rows = [
            (service.replace(f"/{name}/", "~/"), types[0].replace("/srv/", "/"))
            for service, types in sorted(self._node.get_service_names_and_types_by_node(name, "/"))
            if not service.endswith(common)
        ]
        return _markdown(
            ("service", "type", "what"), [(*row, meanings.get(row[0], "")) for row in rows]
        )

    def _call(self, name: str, kind: Any, service: str, **request: Any) -> Any:
        client = self._node.create_client(kind, f"/{name}/{service}")
        try:
            if not client.wait_for_service(TIMEOUT_S):
                raise TimeoutError(f"{name} does not offer {service}")
            future = client.call_async(kind.Request(**request))
            rclpy.spin_until_future_complete(self._node, future, timeout_sec=TIMEOUT_S)
            return future.result()
        finally:
            self._node.destroy_client(client)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value) or '""'


def _range(descriptor: ParameterDescriptor) -> str:
    for span in (*descriptor.floating_point_range, *descriptor.integer_range):
        return f"{span.from_value:g} to {span.to_value:g}"
    text = descriptor.additional_constraints.removeprefix("one of ")
    return text.replace("must match ", "").replace("|", "\\|")


def _quality(end: TopicEndpointInfo) -> str:
    qos = end.qos_profile
    parts = ["reliable" if qos.reliability == ReliabilityPolicy.RELIABLE else "best effort"]
    if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        parts.append("transient local")
    return ", ".join(parts)


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join((f"`{row[0]}`", *row[1:])) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def wait_until_ready(node: Node, topics: dict[str, str]) -> None:
    """Wait until each node publishes. topics: one per node. Raises TimeoutError."""
    end = time.monotonic() + TIMEOUT_S
    for name, topic in topics.items():
        while not any(e.node_name == name for e in node.get_publishers_info_by_topic(topic)):
            if time.monotonic() > end:
                raise TimeoutError(f"{name} does not publish {topic}")
            rclpy.spin_once(node, timeout_sec=0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, without writing")
    options = parser.parse_args()
    programs = Path(get_package_prefix("icl_mesh_ros"), "lib", "icl_mesh_ros")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.ppm")
        photo.write_bytes(b"P6 4 3 255\n" + bytes(36))
        commands = [
            [str(programs / "mesh_node")],
            [str(programs / "camera_node"), "--ros-args", "-p", f"source:={photo}"]
            + ["-p", "loop:=true"],
            [sys.executable, str(ROOT / "examples" / "safety_stop.py")],
        ]
        processes = [subprocess.Popen(command) for command in commands]
        rclpy.init()
        node = rclpy.create_node("node_reference")
        try:
            wait_until_ready(node, READY)
            page = PAGE.read_text(encoding="utf-8")
            new = filled(page, Reference(node, SET_AT_START).table)
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
            for process in processes:
                process.kill()
                process.wait()
    if options.check:
        print(
            "up to date" if new == page else f"{PAGE} is out of date: run tools/node_reference.py"
        )
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


#: Defaults of the parameters without which camera_node does not start.
SET_AT_START: dict[str, Any] = {"source": "0", "loop": False}
READY = {
    "mesh_node": "/humans",
    "camera_node": "/camera_info",
    "safety_stop": "/speed_limit",
}

if __name__ == "__main__":
    raise SystemExit(main())
