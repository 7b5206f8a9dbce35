"""Tracks survive unusual frames, sizes and stamps of image messages."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh.tracking.tracker import Tracker, TrackState
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameProcessor

NOW_S = 1_700_000_000


@pytest.fixture
def run(make_tracks):
    """Images (encoding, size, frame, stamp in s or None, value of all samples) at 10 Hz -> their
    results, of a network that finds the same two people in every image."""

    def estimator(rgb, camera, *, vertices, threshold, times, refine):
        people = make_tracks(camera=camera).people
        return dataclasses.replace(people, track_id=None, center_px=people.joints_px[:, 0])

    def run(images, infos=()):
        store = CameraInfoStore()
        for info in infos:
            store.put(info)
        frames = FrameProcessor(estimator, Tracker(), store, "/cam/image", "/cam/camera_info")
        results = []
        for k, (encoding, (width, height), frame, stamp, value) in enumerate(images):
            kind = np.uint16 if encoding.endswith("16") else np.uint8
            pixels = np.full((height, width), value, kind)
            time = Time() if stamp is None else Time(sec=int(stamp), nanosec=int(stamp % 1 * 1e9))
            image = Image(
                header=Header(stamp=time, frame_id=frame),
                width=width,
                height=height,
                encoding=encoding,
                step=width * pixels.itemsize,
                data=pixels.tobytes(),
            )
            arrival = 5000 + 0.1 * k
            results.append(frames(image, MeshParameters(), vertices=False, arrival_s=arrival))
        return results

    return run


def ids(result) -> list[int]:
    return result.tracks.people.track_id.tolist()


SIZES = ((640, 480), (320, 240))


@pytest.mark.parametrize(
    "images",
    [
        [("mono8", SIZES[0], str(k), NOW_S + 0.1 * k, 9) for k in range(8)],
        [("mono8", SIZES[0], "cam", NOW_S + 0.1 * k if k % 2 else None, 9) for k in range(8)],
        [("mono8", SIZES[0], "cam", None, 9) for k in range(8)],
    ],
    ids=["frame_id counts", "stamps of zero and now", "no stamps"],
)
def test_unusual_headers_keep_all_ids(run, images):
    results = run(images)
    # Before the first stamp, its clock and that of the arrivals cannot be distinguished.
    last = [ids(result) for result in results[1:]]
    assert last == [last[0]] * len(last)
    assert results[-1].tracks.state.tolist() == [TrackState.TRACKED] * 2
    assert not any(result.warnings for result in results)


@pytest.mark.parametrize("calibrated", [False, True])
def test_alternating_sizes(run, calibrated):
    infos = [
        CameraInfo(width=w, height=h, k=[float(w), 0, w / 2, 0, float(w), h / 2, 0, 0, 1])
        for w, h in SIZES
    ]
    results = run(
        [("mono8", SIZES[k % 2], "cam", NOW_S + 0.1 * k, 9) for k in range(10)],
        infos if calibrated else (),
    )
    for size in (0, 1):
        assert {tuple(ids(result)) for result in results[size::2]} == {tuple(ids(results[size]))}
        assert results[-1 - size].tracks.state.tolist() == [TrackState.TRACKED] * 2
    assert not any(result.warnings for result in results)


def test_another_camera_on_the_topic_restarts_the_tracks_with_a_warning(run, monkeypatch):
    one, other = (
        CameraInfo(width=640, height=480, k=[f, 0, 320, 0, f, 240, 0, 0, 1]) for f in (600.0, 500.0)
    )
    newest = iter((one, one, other, other))
    monkeypatch.setattr(CameraInfoStore, "find", lambda *_: next(newest))
    results = run([("mono8", SIZES[0], f, NOW_S + k, 9) for k, f in enumerate("aabb")])
    assert [ids(result) for result in results] == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert [result.warnings for result in results[:2] + results[3:]] == [()] * 3
    assert results[2].warnings == (
        "tracks on '/cam/image' start afresh, with new ids: frame 'b' has another calibration than "
        "'a', so it is another camera (each needs a topic and a node of its own)",
    )


def test_images_of_12_bits_are_scaled_with_one_message(run):
    results = run([("mono16", SIZES[0], "cam", NOW_S + 0.1 * k, 4000) for k in range(5)])
    assert {int(result.rgb.max()) for result in results} == {4000 >> 4}
    assert [len(result.warnings) for result in results] == [1, 0, 0, 0, 0]
    assert "hold nothing above 4095: taken for 12-bit ones" in results[0].warnings[0]
