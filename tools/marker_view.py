"""Draws the markers of one frame as RViz would show them.

    . scripts/env && python tools/marker_view.py --out docs/markers.png

The markers are deserialised from the bytes that mesh_node publishes: full meshes, reduced meshes
and skeletons of synthetic people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rclpy.serialization import deserialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.rendering import Material, NormalOperator, Renderer, RenderMesh
from icl_mesh.tracking.tracker import Tracker, Tracks
from icl_mesh_ros.outputs.markers import HumanMarkers, MarkerStyle

WIDTH, HEIGHT = 480, 540
CAMERA = Camera(560.0, 560.0, WIDTH / 2, HEIGHT / 2 - 30, WIDTH, HEIGHT)
STYLES = (
    MarkerStyle(mesh="full"),
    MarkerStyle(mesh="reduced"),
    MarkerStyle(mesh="none", skeleton=True),
)
#: Pelvis (x, y, z), m, and yaw, degrees, of each person.
PELVIS_YAW = ((-0.75, 0.25, 3.4, 20), (0.35, 0.25, 2.9, -25), (0.95, 0.25, 4.6, 100))
BACKGROUND = 48


def walking_people(body: BodyModel) -> Tracks:
    """Tracks of three walking people after four images; the third is partly occluded."""
    count = len(PELVIS_YAW)
    rotvec = np.zeros((count, 24, 3))
    rotvec[:, 16, 2], rotvec[:, 17, 2] = -1.2, 1.2  # arms down
    for person in range(count):
        swing = 0.45 * (-1) ** person
        rotvec[person, [1, 2], 0] = -swing, swing
        rotvec[person, [4, 5], 0] = 0.5 + swing, 0.5 - swing
        rotvec[person, [18, 19], 1] = -0.5, 0.5
    rotations = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix().reshape(count, 24, 3, 3)
    for person, (*_, yaw) in enumerate(PELVIS_YAW):
        upright = Rotation.from_euler("x", 180, degrees=True)
        rotations[person, 0] = (upright * Rotation.from_euler("y", yaw, degrees=True)).as_matrix()
    betas = np.random.default_rng(4).normal(0, 0.8, (count, 10)).astype(np.float32)
    mesh = body(torch.from_numpy(betas), torch.from_numpy(rotations.astype(np.float32)))
    pelvis = np.array([values[:3] for values in PELVIS_YAW], np.float32)
    shift = pelvis - mesh.joints[:, 0].numpy()
    joints = mesh.joints.numpy() + shift[:, None]
    vertices = mesh.vertices.numpy() + shift[:, None]
    confidence = np.full((count, 24), 0.95, np.float32)
    confidence[2, [17, 19, 21, 23, 2, 5, 8, 11]] = 0.1  # the right side is occluded
    pixels = CAMERA.project_bodies(vertices, pelvis[:, 2])
    people = People(
        score=np.full(count, 0.9, np.float32),
        center_px=CAMERA.project(pelvis).astype(np.float32),
        bbox_px=np.concatenate((pixels.min(axis=1), pixels.max(axis=1)), axis=1, dtype=np.float32),
        betas=betas,
        rotations=rotations.astype(np.float32),
        translation_m=shift,
        joints_m=joints,
        joints_px=CAMERA.project(joints).astype(np.float32),
        joint_confidence=confidence,
        joint_visible=confidence > 0.5,
        weak_camera=np.zeros((count, 3), np.float32),
        embedding=np.eye(count, 64, dtype=np.float32),
        camera=CAMERA,
        body=body,
        weights_version="none",
        vertices_m=vertices,
    )
    tracker = Tracker()
    for image in range(4):
        tracks = tracker.update(people, image * 0.1)
    return tracks


def draw(markers: list[Marker], renderer: Renderer) -> npt.NDArray[np.uint8]:
    """RGB picture of the markers, seen from the camera."""
    image = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    meshes = [
        _mesh(marker, number)
        for number, marker in enumerate(markers, start=1)
        if marker.type == Marker.TRIANGLE_LIST
    ]
    if meshes:
        image = renderer.render(meshes, CAMERA, background=image)[0].image.copy()
    for marker in markers:
        if marker.type == Marker.LINE_LIST:
            _draw_lines(image, marker)
    for marker in markers:
        if marker.type == Marker.TEXT_VIEW_FACING:
            _draw_text(image, marker)
    return image


def _points(marker: Marker) -> npt.NDArray[np.float64]:
    return np.array([(point.x, point.y, point.z) for point in marker.points])


def _mesh(marker: Marker, instance: int) -> RenderMesh:
    """A triangle list as RViz draws it, with flat shading."""
    corners = _points(marker).astype(np.float32)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    color = (marker.color.r, marker.color.g, marker.color.b)
    normals = NormalOperator(faces, len(corners))(corners)
    return RenderMesh(corners, faces, normals, instance, (Material(tint=color, gloss=0.05),))


def _draw_lines(image: npt.NDArray[np.uint8], marker: Marker) -> None:
    points = _points(marker)
    pixels = CAMERA.project(points)
    for start in range(0, len(points), 2):
        ends = [tuple(round(value) for value in pixels[start + i].tolist()) for i in (0, 1)]
        color = marker.colors[start + 1]
        rgb = np.array([color.r, color.g, color.b]) * 255 * color.a + BACKGROUND * (1 - color.a)
        width = max(1, round(CAMERA.fx * marker.scale.x / points[start, 2]))
        cv2.line(image, ends[0], ends[1], rgb.tolist(), width, cv2.LINE_AA)


def _draw_text(image: npt.NDArray[np.uint8], marker: Marker) -> None:
    position = marker.pose.position
    x, y = CAMERA.project(np.array([position.x, position.y, position.z])).tolist()
    height_px = CAMERA.fy * marker.scale.z / position.z
    scale = height_px / 30
    (width, _), _ = cv2.getTextSize(marker.text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    rgb = [255 * marker.color.r, 255 * marker.color.g, 255 * marker.color.b]
    origin = (round(x - width / 2), round(y))
    cv2.putText(image, marker.text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, rgb, 2, cv2.LINE_AA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    options = parser.parse_args()
    tracks = walking_people(BodyModel.load())
    renderer = Renderer()
    pictures = []
    for style in STYLES:
        data = HumanMarkers().serialized(tracks, Header(frame_id="camera"), style)
        pictures.append(draw(deserialize_message(data, MarkerArray).markers, renderer))
        print(f"{style.mesh}: {len(data) / 1e6:.2f} MB for {len(tracks.state)} people")
    picture = cv2.cvtColor(np.concatenate(pictures, axis=1), cv2.COLOR_RGB2BGR)
    options.out.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


if __name__ == "__main__":
    main()
