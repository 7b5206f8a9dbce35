"""Whom the estimator is told to refine, by the parameters refine and refine_budget_ms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from std_msgs.msg import Header

from icl_mesh.people import People
from icl_mesh.refinement import Budget
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameProcessor
from icl_mesh_ros.pipeline.model_store import SharedModel

IMAGE = image_from_rgb(np.zeros((480, 640, 3), np.uint8), Header())


class Recorder:
    """An estimator without a network that keeps what it is told to refine."""

    def __init__(self, make_tracks: Any, device: str = "cpu") -> None:
        self.make_tracks, self.device = make_tracks, torch.device(device)
        self.told: list[bool | Budget] = []

    def __call__(
        self, rgb: Any, camera: Any, *, refine: bool | Budget, times: dict[str, float], **_: Any
    ) -> People:
        self.told.append(refine)
        times.update(network=1.0, refine=2.0)
        return dataclasses.replace(self.make_tracks(camera=camera).people, track_id=None)


def processor(estimator: Any) -> FrameProcessor:
    return FrameProcessor(estimator, Tracker(), CameraInfoStore(), "/image", "/info")


def told(frames: FrameProcessor, estimator: Recorder, **parameters: Any) -> bool | Budget:
    frames(IMAGE, MeshParameters(**parameters), vertices=False)
    return estimator.told[-1]


@pytest.mark.parametrize(
    ("device", "refine", "expected"),
    [
        ("cpu", "all", True),
        ("cpu", "off", False),
        ("cpu", "budget", Budget),
        ("cpu", "auto", Budget),
        ("cuda", "all", True),
        ("cuda", "off", False),
        ("cuda", "budget", Budget),
        ("cuda", "auto", True),
    ],
)
def test_what_the_estimator_is_told(make_tracks, device, refine, expected):
    estimator = Recorder(make_tracks, device)
    shared = SharedModel(estimator)  # type: ignore[arg-type]
    value = told(processor(shared), estimator, refine=refine, refine_budget_ms=25.0)
    if expected is Budget:
        assert isinstance(value, Budget)
        assert value.budget_ms == 25.0
    else:
        assert value is expected


def test_a_change_of_the_budget_applies_to_the_next_frame_and_keeps_the_memory(make_tracks):
    estimator = Recorder(make_tracks)
    frames = processor(estimator)
    first = told(frames, estimator, refine_budget_ms=40.0)
    second = told(frames, estimator, refine_budget_ms=5.0)
    assert isinstance(first, Budget)
    assert second is first
    assert first.budget_ms == 5.0


def test_cameras_that_share_a_model_have_a_budget_each(make_tracks):
    estimator = Recorder(make_tracks)
    shared = SharedModel(estimator)  # type: ignore[arg-type]
    one, other = processor(shared), processor(shared)
    assert told(one, estimator, refine="budget") is not told(other, estimator, refine="budget")
    assert estimator.told[0] is told(one, estimator, refine="budget")


def test_new_weights_start_with_an_empty_memory(make_tracks):
    """Corrections are relative to the first poses of the weights that they were made with."""
    old, new = Recorder(make_tracks), Recorder(make_tracks)
    frames = processor(old)
    before = told(frames, old, refine="budget")
    frames.use(new)
    assert told(frames, new, refine="budget") is not before


@pytest.mark.parametrize("between", ["all", "off"])
def test_a_budget_that_is_set_again_starts_with_an_empty_memory(make_tracks, between):
    estimator = Recorder(make_tracks)
    frames = processor(estimator)
    before = told(frames, estimator, refine="budget")
    told(frames, estimator, refine=between)
    assert told(frames, estimator, refine="budget") is not before


def test_the_time_of_the_second_stage_is_among_the_stages(make_tracks):
    result = processor(Recorder(make_tracks))(IMAGE, MeshParameters(), vertices=False)
    assert result.times_ms["refine"] == 2.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"refine": "some"}, "^refine must be one of auto, all, budget, off, got 'some'$"),
        ({"refine_budget_ms": -1.0}, "^refine_budget_ms must lie between 0 and 10000, got -1$"),
        (
            {"refine_budget_ms": 10_001.0},
            "^refine_budget_ms must lie between 0 and 10000, got 10001$",
        ),
        (
            {"refine_budget_ms": float("nan")},
            "^refine_budget_ms must lie between 0 and 10000, got nan$",
        ),
    ],
)
def test_values_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        MeshParameters(**parameters)
