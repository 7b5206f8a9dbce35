"""Runs the demo: starts the nodes, records their results, writes the pictures."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
from tqdm import tqdm

from demo_lib.clip import Clip
from demo_lib.people import observed_people, save_people
from demo_lib.pictures import save_contact_sheet, save_video
from demo_lib.processes import NodeProcess
from demo_lib.recorder import Recorder, Shot
from demo_lib.truth import TruthScore, distance_m
from icl_mesh.body import BodyModel
from icl_mesh_ros.inputs.camera_info import camera_from_info
from icl_mesh_ros.msg import Human

RATE = 10.0  # of the video where the source's is unknown, Hz
START_TIMEOUT_S = 120.0  # importing PyTorch and loading weights on a slow machine
ANSWER_TIMEOUT_S = 30.0  # without an image or result


class Session:
    """Runs the nodes on a clip and reports. Raises RuntimeError where a node gives no result."""

    def __init__(self, options: argparse.Namespace, clip: Clip) -> None:
        self._options, self._clip = options, clip
        self._out: Path = options.out
        self._score = TruthScore()
        self._shots: list[tuple[bytes, Shot]] = []  # the image as JPEG
        self._recorder = Recorder(self._on_shot)

    def run(self) -> int:
        """Run to the end. Returns the exit status."""
        options, logs = self._options, self._out / "logs"
        model = {"weights": options.weights, "body": options.body, "device": options.device}
        camera = {
            "source": self._clip.source,
            "rate": options.rate,
            "calibration": self._clip.calibration,
            "wait_for_subscribers": 2,  # mesh_node and this recorder
            "lockstep": True,  # processes every image of a file, also on a slow machine
        }
        fov = {"assumed_fov_deg": options.assumed_fov_deg}
        print(f"starting mesh_node and camera_node (ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']})")
        with NodeProcess("mesh_node", model | fov, logs / "mesh_node.log") as mesh_node:
            self._spin(
                lambda: self._recorder.ready,
                START_TIMEOUT_S,
                "the body model of mesh_node",
                mesh_node,
            )
            with NodeProcess("camera_node", camera | fov, logs / "camera_node.log") as camera_node:
                self._spin(
                    lambda: self._recorder.images > 0, START_TIMEOUT_S, "an image", camera_node
                )
                self._watch(camera_node, mesh_node)
        if not self._shots:
            raise RuntimeError(
                f"no people messages arrived for {self._recorder.images} images; "
                f"the nodes' logs are in {logs}"
            )
        return self._report()

    def _watch(self, camera_node: NodeProcess, mesh_node: NodeProcess) -> None:
        """Spin until the source has ended and its last image is processed, or enough were."""
        recorder, last = self._recorder, -1
        quiet_since = time.monotonic()
        while len(self._shots) < self._options.frames:
            rclpy.spin_once(recorder, timeout_sec=0.1)
            mesh_node.check()
            camera_node.check()
            if recorder.images + recorder.shots != last:
                last, quiet_since = recorder.images + recorder.shots, time.monotonic()
            quiet = time.monotonic() - quiet_since
            if quiet > (2.0 if camera_node.ended() is not None else ANSWER_TIMEOUT_S):
                return

    def _spin(
        self, done: Callable[[], bool], timeout_s: float, what: str, process: NodeProcess
    ) -> None:
        end = time.monotonic() + timeout_s
        while not done():
            process.check()
            if process.ended() is not None:  # its final messages may still arrive
                end = min(end, time.monotonic() + 1.0)
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come in time:\n{process.last_lines()}")
            rclpy.spin_once(self._recorder, timeout_sec=0.1)

    def _on_shot(self, shot: Shot) -> None:
        found = self._clip.truth(shot.rgb)
        number = len(self._shots) if found is None else found[0]
        seen = [h for h in shot.humans.humans if h.tracking_state != Human.OCCLUDED]
        true = self._score.match(seen, found[1]) if found is not None else {}
        about = "~" if any(h.distance_source == Human.ASSUMED_FOCAL for h in seen) else ""
        people = [
            f"id {human.id}: {about}{distance_m(human):.2f} m"
            + (f" (true {true[i]:.2f})" if i in true else "")
            for i, human in enumerate(seen)
        ]
        found_text = f"{len(seen)} people  {',  '.join(people)}"
        print(f"frame {number:3d}  {shot.latency_ms:5.0f} ms  {found_text}", flush=True)
        bgr = cv2.cvtColor(shot.rgb, cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        self._shots.append(
            (jpeg, Shot(np.empty(0, np.uint8), shot.info, shot.humans, shot.latency_ms))
        )

    def _report(self) -> int:
        from icl_mesh.rendering.overlay import draw_overlay

        body = BodyModel.load(self._options.body)
        overlays = []
        for jpeg, shot in tqdm(self._shots, desc="drawing overlays", unit="frame", disable=None):
            bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            camera = camera_from_info(
                shot.info,
                rgb.shape[1],
                rgb.shape[0],
                assumed_fov_deg=self._options.assumed_fov_deg,
            ).camera
            overlays.append(draw_overlay(rgb, observed_people(shot.humans, camera, body)))
        messages = [shot.humans for _, shot in self._shots]
        save_people(self._out / "people.npz", messages)
        save_contact_sheet(self._out / "contact_sheet.png", overlays)
        video = save_video(self._out, overlays, self._options.rate or RATE)
        return self._summary(video)

    def _summary(self, video: Path) -> int:
        humans = [h for _, shot in self._shots for h in shot.humans.humans]
        cut_short = len(self._shots) >= self._options.frames
        sent = (None if cut_short else self._clip.frames) or self._recorder.images
        latency = np.median([shot.latency_ms for _, shot in self._shots])
        print()
        print(f"images sent: {sent}, answered: {len(self._shots)}")
        print(f"latency (image received to people received): median {latency:.0f} ms")
        print(f"ids: {', '.join(map(str, sorted({h.id for h in humans}))) or 'none'}")
        for line in self._score.lines():
            print(line)
        print(f"weights: {self._shots[0][1].humans.weights_version}")
        print(f"written: {video}, {self._out / 'contact_sheet.png'}, {self._out / 'people.npz'}")
        if not humans:
            print("nobody was found in any image")
            return 1 if self._clip.labels else 0
        return 0
