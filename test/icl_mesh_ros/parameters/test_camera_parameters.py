"""Parameter values that camera_node refuses, without a node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from icl_mesh_ros.parameters.camera_node import CameraParameters
from icl_mesh_ros.parameters.fields import declare


def node(**given: object) -> SimpleNamespace:
    """A stand-in for a node: these parameters are set, others have their defaults."""
    return SimpleNamespace(
        declare_parameter=lambda name, default, _: SimpleNamespace(value=given.get(name, default))
    )


@pytest.mark.parametrize("frame", ["/cam", "", "/"])
def test_a_frame_that_tf2_refuses_is_refused(frame: str) -> None:
    with pytest.raises(ValueError, match=f"frame_id must be a name that tf2 takes.*got '{frame}'"):
        declare(node(frame_id=frame), CameraParameters)
    assert declare(node(frame_id="cam"), CameraParameters).frame_id == "cam"
