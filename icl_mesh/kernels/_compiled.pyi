"""Signatures of the compiled kernels (src/bindings). B images, N people, T tracks."""

from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

#: float32 numbers per register of this level.
LANES: int

def supported_levels() -> list[str]: ...
def letterbox(
    image: UInt8,  # [H, W, 3], rows of any stride, channels forwards or backwards
    planes: Float32,  # out [1, 3, S, S]
    inner_width: int,
    inner_height: int,
    left: int,
    top: int,
    tones: Float32,  # [3, 3], rows: a byte's factor, offset, the padding's value
) -> None: ...
def search_heatmaps(
    heatmaps: Float32,  # [B, K, H, W], of any strides
    search_cells: int,
    image: Int64,  # [N]
    points: Float32,  # [N, K, 2], square coordinates
    spread: Float32,  # [N], square coordinates
    located: Float32,  # out [N, K, 2]
    score: Float32,  # out [N, K]
) -> None: ...
def regressed_keypoints(
    features: Float32,  # [B, C, H, W], of any strides
    center: int,
    offsets: int,
    log_extent: int,
    image: Int64,  # [N]
    cell: Int64,  # [N, 2]: (x, y) of a map of half the size
    located: Float32,  # out [N, K, 2]
    score: Float32,  # out [N, K]
) -> None: ...
def joint_confidence(
    heatmaps: Float32,  # [24, h, h]
    instance: Float32,  # [64, h, h]
    projector: Float32 | None,  # [3, 64 inputs, 64 outputs]; None: the features are embeddings
    embedding: Float32,  # [N, 64], of the centres, length one
    joints_square: Float32,  # [N, 24, 2]
    inside: npt.NDArray[np.bool_],  # [N, 24]
    confidence: Float32,  # out [N, 24]
) -> None: ...
def quaternions_and_rotvecs(
    matrices: Float32,  # [M, 3, 3]
    quaternions: Float64,  # out [M, 4]: x, y, z, w
    rotvecs: Float64,  # out [M, 3], rad
) -> None: ...
def marker_points(
    vertices: Float32,  # [V, 3], m
    corners: Int64,  # [C]: rows of vertices, clipped to the existing ones
    points: UInt8,  # out [24 C or more]: 3 doubles each
) -> None: ...
def predict_motion(
    mean: Float64,  # [T, 6]: position, m, and velocity, m/s
    covariance: Float64,  # [T, 6, 6]
    seconds: float,
    acceleration: float,  # m/s^2
    new_mean: Float64,  # out [T, 6]
    new_covariance: Float64,  # out [T, 6, 6]
) -> None: ...
def correct_motion(
    errors: PositionErrors,
    mean: Float64,  # [T, 6]
    covariance: Float64,  # [T, 6, 6]
    joints: Float32,  # [T, 24, 3], m
    measured: npt.NDArray[np.bool_],  # [T]
    new_mean: Float64,  # out [T, 6]
    new_covariance: Float64,  # out [T, 6, 6]
) -> None: ...

class Lens:
    """A lens that is no pinhole. model: 1 (Brown) or 2 (equidistant)."""
    def __init__(
        self,
        *,
        model: int,
        coefficients: Float64,  # [12], filled up with zeros
        valid_radius: float,
        radii: Float64,  # [R]
        distorted: Float64,  # [R]
    ) -> None: ...
    def distort(self, points: Float64, results: Float64) -> None: ...
    def undistort(self, points: Float64, results: Float64) -> None: ...

class PatchCutter:
    """Maps are [B, C, h, w], features [B, 2 h, 2 w, C]; patches as in network.patches."""
    def __init__(
        self,
        *,
        center_heatmap: Float32,
        center_instance: Float32,
        joint_heatmaps: Float32,
        joint_instance: Float32,
        features: Float32,
        image: Int64,  # [N]
        cell: Int64,  # [N, 2]
        near: Float32,  # out [M, 23, 23, C]
        center_hints: Float32,  # out [M, 65, 11, 11]
        joint_hints: Float32,  # out [M, 88, 11, 11]
        inside: Float32,  # out [M, 1, 11, 11]
    ) -> None: ...
    def __call__(self, first: int, count: int) -> None: ...

class ColorPlan:
    """Sample points of clothes' colours (icl_mesh.tracking.appearance)."""
    def __init__(
        self,
        *,
        pairs: Int64,  # [K, 2], joints
        grid: Float64,  # [G, 2], units of the trunk
        lengths: Int64,  # [3], pairs of each part
        linear: Float32,  # [256], light of a byte
        least_weight: float,
    ) -> None: ...
    def __call__(
        self,
        image: UInt8,  # [H, W, 3]
        backwards: bool,
        joints_px: Float32,  # [N, 24, 2]
        confidence: Float32,  # [N, 24]
        color: Float32,  # out [N, 3, 3]
        weight: Float32,  # out [N, 3]
    ) -> None: ...

class PositionErrors:
    """Of one measured position, as shares of the distance (icl_mesh.tracking.kalman)."""
    def __init__(
        self, *, depth: float, measured_depth: float, lateral: float, least_m: float
    ) -> None: ...

class PairSide:
    """The tracks or the people of the pairs."""
    def __init__(
        self,
        *,
        joints: Float32,  # [N, 24, 3], m
        center: Float32,  # [N, 2], px
        box: Float32,  # [N, 4], px
        embedding: Float32,  # [N, 64]
        color: Float32,  # [N, 3, 3]
        weight: Float32,  # [N, 3]
    ) -> None: ...

class PairCosts:
    """Assignment costs of pairs of tracks and people (icl_mesh.tracking.assignment)."""
    def __init__(
        self,
        *,
        errors: PositionErrors,
        gate: float,
        space_weight: float,
        image_weight: float,
        color_range: float,
        reliable_weight: float,
        nearest: float,
    ) -> None: ...
    def __call__(
        self,
        tracks: PairSide,
        mean: Float64,  # [T, 6]
        covariance: Float64,  # [T, 6, 6]
        unseen: Float64,  # [T], half-lives
        people: PairSide,
        measured: npt.NDArray[np.bool_],  # [N]
        lens: Lens | None,
        focal_x: float,
        focal_y: float,
        embedding_weight: float,
        color_weight: float,
        cost: Float64,  # out [T, N]
        distance: Float64,  # out [T, N]
    ) -> None: ...

class Rules:
    """Constants of decoding, documented at their definitions (decode.reader_tables lists them)."""
    def __init__(
        self,
        *,
        scale_base: float,
        max_log_scale: float,
        duplicate_cells: float,
        duplicate_scale_ratio: float,
        duplicate_degrees: float,
        window: float,
        min_evidence: float,
        min_center: float,
        most_camera: float,
        peak_window: int,
        search_cells: int,
        most: int,
    ) -> None: ...

class Geometry:
    """A camera, the square's camera, the letterbox. nearest: least depth, share of the root's."""
    def __init__(
        self,
        *,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        width: float,
        height: float,
        square_fx: float,
        square_fy: float,
        square_px: float,
        square_py: float,
        focal: float,
        scale_x: float,
        scale_y: float,
        offset_x: float,
        offset_y: float,
        size: float,
        nearest: float,
    ) -> None: ...

class Body:
    """A body model's skeleton, and the keypoints that its bones carry."""
    def __init__(
        self,
        *,
        rest: Float32,  # [24, 3]
        rest_directions: Float32,  # [10, 24, 3]
        parents: Int64,  # [24]
        keypoint_joint: Int64,  # [17]
        keypoint_bone: Int64,  # [17]
        keypoint_offset: Float32,  # [17, 3]
    ) -> None: ...

class Lifter:
    """The lifter's layers (PoseLifter.folded), and the channels of the backbone's keypoints."""
    def __init__(
        self,
        *,
        passes: int,
        kinds: int,
        center: int,
        keypoints: int,
        offsets: int,
        log_extent: int,
        weights0: Float32,  # [inputs, outputs], and so on
        bias0: Float32,
        weights1: Float32,
        bias1: Float32,
        weights2: Float32,
        bias2: Float32,
        weights3: Float32,
        bias3: Float32,
    ) -> None: ...

class KeypointFit:
    """How Reader.refine fits bodies to keypoints.

    The unknowns are 22 rotations about the bones' own axes, rad, the logarithm of the scale, the
    shift in x and y, m of the body, and 10 betas: 79. The prior holds their change from the start.
    """
    def __init__(
        self,
        *,
        precision: Float32,  # [79, 79], the prior's inverse covariance
        sigma: float,  # error of a keypoint, m of the body
        robust: float,  # from here on a keypoint is an outlier, m of the body
        iterations: int,
    ) -> None: ...

class Surface:
    """One surface of a body (icl_mesh.body.surface_tables)."""
    def __init__(
        self,
        *,
        template: Float32,  # [V, 3], m
        shape_directions: Float32,  # [V, 3, 10]
        pose_start: npt.NDArray[np.int32],  # [V + 1]
        pose_joint: UInt8,  # [P]
        pose_directions: Float32,  # [P, 3, 9]
        weight_start: npt.NDArray[np.int32],  # [V + 1]
        weight_joint: UInt8,  # [W]
        weight: Float32,  # [W]
        index: Int64,  # vertices that a box holds
    ) -> None: ...
    def place(
        self,
        reader: Reader,
        placed: Float32,  # out [N, V, 3], m
        boxes: Float32,  # out [N, 4], px
    ) -> None: ...

class Reader:
    """Decodes the people of one image. It owns the memory of all results (views).

    Call set_view and read_from (and read_features, for a lifter with keypoints), then find, fit,
    optionally keep and refine, and place, in this order. keep selects and sorts people. broken:
    names of the results so far that are not finite. refine changes rotations, betas, weak_camera
    and skeletons. Evidence that is not finite has weight 0. A person whose fit would not improve
    stays unchanged.
    """
    def __init__(
        self,
        *,
        rules: Rules,
        body: Body,
        center_projector: Float32 | None,  # [3, 64 inputs, 64 outputs]
        joint_projector: Float32 | None,
        lifter: Lifter | None,
        keypoint_fit: KeypointFit | None,
    ) -> None: ...
    def set_view(self, geometry: Geometry, lens: Lens | None) -> None: ...
    def read_from(
        self,
        center_heatmap: Float32,  # [1, 1, h, h]
        joint_heatmaps: Float32,  # [1, 24, h, h]
        camera: Float32,  # [1, 3, h, h]
        center_instance: Float32,  # [1, 64, h, h]
        joint_instance: Float32,  # [1, 64, h, h]
    ) -> None: ...
    def read_features(self, features: Float32) -> None: ...  # [1, C, H, H], of any strides
    def find(self, threshold: float) -> int: ...
    def fit(self, smpl: Float32) -> int: ...  # [N, 142]
    def keep(self, rows: Int64) -> None: ...  # [M], of the N people, in their new order
    def refine(
        self,
        points: Float32,  # [N, 17, 2], square coordinates
        weight: Float32,  # [N, 17], 0 or more
    ) -> None: ...
    def place(self) -> None: ...
    def broken(self) -> list[str]: ...
    def views(self) -> dict[str, npt.NDArray[Any]]: ...
