"""What camera_node refuses among its parameters, without a node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from icl_mesh_ros.camera_parameters import CameraParameters


def node(**given: object) -> SimpleNamespace:
    """Whose parameters have these values, and their defaults else."""
    return SimpleNamespace(
        declare_parameter=lambda name, default, _: SimpleNamespace(value=given.get(name, default))
    )


@pytest.mark.parametrize("frame", ["/cam", "", "/"])
def test_a_frame_that_tf2_does_not_take_is_refused(frame: str) -> None:
    with pytest.raises(ValueError, match=f"frame_id must be a name that tf2 takes.*got '{frame}'"):
        CameraParameters.declared_on(node(frame_id=frame))
    assert CameraParameters.declared_on(node(frame_id="cam")).frame_id == "cam"
