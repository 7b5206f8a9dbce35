"""`python -m benchmarks.depth`: distance errors by body size and by depth image.

The demo's clip is rendered with ground truth. Its depth images have the errors of a sensor: noise
of 1 % of the depth, and a third of the pixels missing. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks.workspace import prefer_built_workspace

prefer_built_workspace()  # before anything of icl_mesh is imported

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import torch  # noqa: E402
from scipy.optimize import linear_sum_assignment  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from icl_mesh.depth.measure import DepthImage, correct_distances  # noqa: E402
from icl_mesh.estimator import Estimator  # noqa: E402
from icl_mesh.rendering.mesh import NormalOperator, RenderMesh  # noqa: E402
from icl_mesh.rendering.renderer import Renderer  # noqa: E402
from icl_mesh_training.scenes.clip import crossing_clip  # noqa: E402
from icl_mesh_training.scenes.render.labels import SceneLabels  # noqa: E402

#: Depth behind the people, m. Greatest pixel distance of the pelvises of a matched pair.
WALL_M, FOUND_PX = 6.0, 60.0
NOISE_SHARE, MISSING_SHARE = 0.01, 1 / 3


class DepthSensor:
    """Renders depth images of the true bodies, without clothes."""

    def __init__(self, estimator: Estimator) -> None:
        self._body = estimator.body
        self._normals = NormalOperator(self._body.faces, self._body.vertex_count)
        self._renderer = Renderer()
        self._random = np.random.default_rng(0)

    def __call__(self, truth: SceneLabels) -> DepthImage:
        matrices = Rotation.from_rotvec(truth.pose.reshape(-1, 3)).as_matrix()
        rotations = torch.from_numpy(matrices.reshape(-1, 24, 3, 3).astype(np.float32))
        mesh = self._body(torch.from_numpy(truth.betas), rotations)
        shift = truth.joints_m[:, :1] - mesh.joints.numpy()[:, :1]
        drawn = [
            RenderMesh(vertices, self._normals.faces, self._normals(vertices), row + 1)
            for row, vertices in enumerate(mesh.vertices.numpy() + shift)
        ]
        true = np.asarray(self._renderer.render(drawn, truth.camera, maps=True)[0].depth)
        noise = self._random.normal(1, NOISE_SHARE, true.shape)
        depth = np.where(true > 0, true, WALL_M) * noise
        depth[self._random.random(depth.shape) < MISSING_SHARE] = 0
        return DepthImage((1000 * depth).round().astype(np.uint16), 0.001)


def pairs(found_px: npt.NDArray[np.float32], true_px: npt.NDArray[np.float32]) -> Iterator:
    """Rows of matched detections and true people, one to one, by the distance of pelvises."""
    distance = np.linalg.norm(found_px[:, None] - true_px, axis=2)
    for found, true in zip(*linear_sum_assignment(distance), strict=True):
        if distance[found, true] < FOUND_PX:
            yield int(found), int(true)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="default")
    parser.add_argument("--every", type=int, default=2, help="use every N-th image of the clip")
    options = parser.parse_args()
    estimator = Estimator.load(options.weights)
    sensor = DepthSensor(estimator)
    by_size: list[float] = []
    by_depth: list[float] = []
    times: list[tuple[float, float]] = []
    people = 0
    for index, (rgb, truth) in enumerate(crossing_clip()):
        if index % options.every:
            continue
        depth = sensor(truth)
        start = time.perf_counter()
        by_body = estimator(rgb, truth.camera, vertices=True)
        halfway = time.perf_counter()
        measured = correct_distances(by_body, depth)
        times.append((time.perf_counter() - halfway, halfway - start))
        for row, true in pairs(by_body.joints_px[:, 0], truth.joints_px[:, 0]):
            people += 1
            if measured.distance_from_depth[row]:
                true_m = truth.joints_m[true, 0, 2]
                by_size.append(100 * abs(by_body.position_m[row, 2] - true_m))
                by_depth.append(100 * abs(measured.position_m[row, 2] - true_m))
    print(f"weights {estimator.weights_version}, {len(times)} images, {people} people found, ")
    print(f"{len(by_depth)} of them measured; their distance error, cm\n")
    print("| distance from | median | 90 % | largest |\n|---|---|---|---|")
    for name, errors in (("body size", by_size), ("depth image", by_depth)):
        print(f"| {name} | {np.median(errors):.0f} | {np.percentile(errors, 90):.0f} ", end="")
        print(f"| {max(errors):.0f} |")
    depth_s, people_s = np.median(times, axis=0)
    print(f"\nThe depth image costs {100 * depth_s / people_s:.0f} % of the estimator's time.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
