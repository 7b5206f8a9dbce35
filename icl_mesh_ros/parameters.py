"""The parameters of mesh_node: one table of names, defaults, ranges and meanings."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node


def _parameter(
    default: Any,
    text: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    """A field of MeshParameters with what its descriptor says."""
    described = {"text": text, "limits": limits, "choices": choices, "read_only": read_only}
    return field(default=default, metadata=described)


@dataclass(frozen=True)
class MeshParameters:
    """Parameters of mesh_node. Those that are not read-only take effect with the next frame."""

    weights: str = _parameter(
        "default", "network weights: 'default' or a .safetensors file", read_only=True
    )
    body: str = _parameter(
        "default", "body model: 'default' or a licensed SMPL file (.pkl, .npz)", read_only=True
    )
    device: str = _parameter("auto", "where the network runs: auto, cpu, cuda, ...", read_only=True)
    engine: str = _parameter("auto", "what runs the network: auto, torch, ...", read_only=True)
    image_transport: str = _parameter(
        "raw",
        "raw: subscribe to image; compressed: to image/compressed",
        choices=("raw", "compressed"),
        read_only=True,
    )
    image_reliability: str = _parameter(
        "best_effort",
        "best_effort: the newest image, a lost one is not sent again; reliable: no image is lost "
        "on the way (the publisher must be reliable too)",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    detection_threshold: float = _parameter(
        0.0,
        "people with a lower score are left out; 0: the threshold stored with the weights",
        limits=(0.0, 1.0),
    )
    track_timeout: float = _parameter(
        1.0,
        "s: how long a person who is no longer seen is predicted (OCCLUDED) and remembered",
        limits=(0.0, 60.0),
        read_only=True,
    )
    assumed_fov_deg: float = _parameter(
        60.0,
        "degrees across the longer image side, used where no calibrated CameraInfo arrives",
        limits=(1.0, 179.0),
    )
    rectified: bool = _parameter(False, "the image is rectified: use P of the CameraInfo, not K")
    max_rate: float = _parameter(
        0.0, "Hz: at most so many images are worked on; 0: as many as arrive", limits=(0.0, 1000.0)
    )
    publish_vertices: bool = _parameter(False, "fill Human.vertices (about 90 kB per person)")
    marker_alpha: float = _parameter(0.9, "opacity of the markers, 0 to 1", limits=(0.0, 1.0))
    marker_lifetime: float = _parameter(
        1.0, "s: RViz drops markers that are not renewed; 0: never", limits=(0.0, 3600.0)
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            choices, value = spec.metadata["choices"], getattr(self, spec.name)
            if choices and value not in choices:
                raise ValueError(f"{spec.name} must be one of {', '.join(choices)}, got '{value}'")


def declare_parameters(node: Node) -> MeshParameters:
    """Declare every parameter on the node, with descriptor and range, and read them."""
    for spec in fields(MeshParameters):
        described = spec.metadata
        descriptor = ParameterDescriptor(
            description=described["text"], read_only=described["read_only"]
        )
        if described["choices"]:
            descriptor.additional_constraints = "one of " + ", ".join(described["choices"])
        if described["limits"] is not None:
            low, high = described["limits"]
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        node.declare_parameter(spec.name, spec.default, descriptor)
    names = [spec.name for spec in fields(MeshParameters)]
    return MeshParameters(**{name: node.get_parameter(name).value for name in names})
