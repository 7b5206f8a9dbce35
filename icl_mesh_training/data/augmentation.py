"""Augmentation of a labelled scene: image and labels are transformed together.

Geometric: flip, roll about the optical axis, crop (zoom and shift). All three are changes of the
pinhole camera, so 3-D labels stay exact. Photometric: colour, grey, blur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.geometry.camera import SquareCamera
from icl_mesh.geometry.letterbox import PAD_VALUE
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels

#: SMPL joints with left and right exchanged.
MIRRORED_JOINTS = (
    *(0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10),
    *(12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22),
)


@dataclass(frozen=True)
class AugmentationConfig:
    """Probabilities and ranges; `AugmentationConfig.none()` only letterboxes.

    A crop scales the image so that the joints of one person span a share `person` of the square
    (log-uniform, so that small and large people are equally frequent). `zoom` limits the factor on
    the letterboxed scale; images without people are zoomed at random. With probability `whole` the
    crop contains the whole person, else it keeps one random joint: photos often show half bodies.
    shift: largest shift as a share of the square. roll_deg: largest roll.
    """

    flip: float = 0.5
    roll: float = 0.2
    roll_deg: float = 30.0
    crop: float = 0.85
    person: tuple[float, float] = (0.2, 1.05)
    whole: float = 0.65
    zoom: tuple[float, float] = (0.7, 4.0)
    shift: float = 0.2
    colour: float = 0.8
    blur: float = 0.15
    grey: float = 0.05

    @classmethod
    def none(cls) -> AugmentationConfig:
        """No augmentation: evaluation."""
        return cls(flip=0, roll=0, crop=0, colour=0, blur=0, grey=0)


def augmentation_errors(entries: object) -> list[str]:
    """Errors in a recipe's replacements of AugmentationConfig's entries."""
    known = {f.name: f.default for f in fields(AugmentationConfig)}
    if not isinstance(entries, dict) or not set(entries) <= set(known):
        return [
            f"'augmentation' must map names to values, names being of {', '.join(sorted(known))}; "
            f"got {entries!r}"
        ]
    errors = []
    for name, value in entries.items():
        values = value if isinstance(value, list | tuple) else [value]
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        good = len(numbers) == len(values) and all(-math.inf < v < math.inf for v in numbers)
        good &= isinstance(known[name], tuple) or not isinstance(value, list | tuple)
        if isinstance(known[name], tuple):
            good = good and len(values) == 2 and 0 < values[0] <= values[1]
            rule = "two numbers above 0, the smaller first"
        elif name in ("roll_deg", "shift"):
            good, rule = good and len(values) == 1 and values[0] >= 0, "a number of 0 or more"
        else:
            good, rule = good and len(values) == 1 and 0 <= values[0] <= 1, "a number in [0, 1]"
        if not good:
            errors.append(f"'{name}' in 'augmentation' must be {rule}, got {value!r}")
    return errors


@dataclass(frozen=True)
class Augmented:
    """An augmented scene in the network's square.

    image: RGB u8 [S, S, 3]. labels: of the flipped and rolled people; their pixels are those of the
    flipped image, not of the square. joints: [N, 24, 2] in square coordinates (-1 to 1 inside).
    """

    image: npt.NDArray[np.uint8]
    labels: SceneLabels
    joints: npt.NDArray[np.float64]
    camera: SquareCamera


def augment(
    image: npt.NDArray[np.uint8],
    labels: SceneLabels,
    size: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> Augmented:
    """An image [H, W, 3] with its labels -> the network's square of `size` px."""
    if rng.random() < config.flip:
        image, labels = flip(image, labels)
    affine, roll = square_affine(labels, size, config, rng)
    labels = roll_people(labels, roll)
    px = labels.joints_px.reshape(-1, 2).astype(np.float64) @ affine[:, :2].T + affine[:, 2]
    return Augmented(
        warp(jitter_colour(image, config, rng), affine, size),  # padding keeps its grey
        labels,
        (2 * (px + 0.5) / size - 1).reshape(-1, 24, 2),
        moved_camera(labels, affine, size),
    )


def square_affine(
    labels: SceneLabels, size: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], float]:
    """Image pixels -> square pixels (2x3, pixel centres at integers), and the roll in rad.

    Without augmentation it is the letterbox up to the rounding of its inner size to whole pixels.
    """
    width, height = labels.size
    scale = size / max(width, height)
    shift = np.zeros(2)
    roll = 0.0
    if rng.random() < config.crop:
        zoom, shift = _crop(labels, size, config, rng)
        shift = shift + rng.uniform(-config.shift, config.shift, 2) * size * 0.5
        scale *= zoom
    if rng.random() < config.roll:
        roll = np.radians(rng.uniform(-config.roll_deg, config.roll_deg))
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    principal = labels.intrinsics[2:4]
    # Position of the principal point without roll; it is the centre of the roll.
    fixed = (principal + 0.5 - np.array([width, height]) / 2) * scale + size / 2 - 0.5 + shift
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack((linear, fixed - linear @ principal)), float(roll)


def _crop(
    labels: SceneLabels, size: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[float, npt.NDArray[np.float64]]:
    """Zoom and shift, in square pixels, of a crop; see AugmentationConfig.

    The person or joint keeps its position in the letterboxed image, so that crops lie within the
    image. A whole person is moved as far as it needs to fit.
    """
    zoom = float(np.exp(rng.uniform(*np.log(config.zoom))))
    # Unlabelled regions have corners instead of joints; people outside are not visible.
    people = np.flatnonzero((labels.occlusion < OUTSIDE).any(axis=1))
    if not len(people):
        return zoom, np.zeros(2)
    person = people[rng.integers(len(people))]
    finite = np.isfinite(labels.joints_px[person]).all(axis=1)
    seen = labels.joints_px[person, finite & (labels.occlusion[person] != OUTSIDE)]
    scale = size / labels.size.max()
    extent = max(float(np.ptp(labels.joints_px[person, finite], axis=0).max()), 8.0)
    wanted = np.exp(rng.uniform(*np.log(config.person))) * size
    zoom = float(np.clip(wanted / (extent * scale), *config.zoom))
    whole = rng.random() < config.whole
    low, high = seen.min(axis=0), seen.max(axis=0)
    point = (low + high) / 2 if whole else seen[rng.integers(len(seen))]
    if zoom <= 1:
        return zoom, np.zeros(2)
    at = (point + 0.5 - labels.size / 2) * scale  # from the centre of the square
    half = (high - low) / 2 * scale * zoom if whole else np.zeros(2)
    room = np.maximum(size / 2 - half, 0)
    return zoom, np.clip(at, -room, room) - at * zoom


def moved_camera(labels: SceneLabels, affine: npt.NDArray[np.float64], size: int) -> SquareCamera:
    """The scene's camera in square coordinates after square_affine (roll taken into the people)."""
    scale = np.hypot(affine[0, 0], affine[1, 0])
    fx, fy = labels.intrinsics[:2]
    px, py = 2 * (affine @ [*labels.intrinsics[2:4], 1] + 0.5) / size - 1
    return SquareCamera(2 * fx * scale / size, 2 * fy * scale / size, float(px), float(py))


def roll_people(labels: SceneLabels, roll: float) -> SceneLabels:
    """Poses and positions of the people after the camera rolled by -roll about its optical axis."""
    if roll == 0 or not len(labels.betas):
        return labels
    rotation = Rotation.from_rotvec([0, 0, roll])
    pose = labels.pose.copy()
    pose[:, 0] = (rotation * Rotation.from_rotvec(labels.pose[:, 0])).as_rotvec()
    joints = labels.joints_m @ rotation.as_matrix().T
    # SMPL rotates the body about its pelvis, so the translation follows the pelvis.
    translation = labels.translation + joints[:, 0] - labels.joints_m[:, 0]
    return replace(labels, pose=pose, joints_m=joints, translation=translation)


def flip(
    image: npt.NDArray[np.uint8], labels: SceneLabels
) -> tuple[npt.NDArray[np.uint8], SceneLabels]:
    """Mirror image, camera and people; joints change sides."""
    width = labels.size[0]
    order = list(MIRRORED_JOINTS)
    fx, fy, cx, cy = labels.intrinsics
    mirror = np.array([-1.0, 1.0, 1.0])
    pixels = labels.joints_px[:, order].copy()
    pixels[..., 0] = width - 1 - pixels[..., 0]
    joints = labels.joints_m[:, order] * mirror
    flipped = replace(
        labels,
        intrinsics=np.array([fx, fy, width - 1 - cx, cy]),
        # Mirroring in x keeps the x component of a rotation vector and negates y and z.
        pose=labels.pose[:, order] * np.array([1.0, -1.0, -1.0]),
        joints_px=pixels,
        joints_m=joints,
        translation=labels.translation * mirror,
        occlusion=labels.occlusion[:, order],
        masks=None,
    )
    return np.ascontiguousarray(image[:, ::-1]), flipped


def jitter_colour(
    image: npt.NDArray[np.uint8], config: AugmentationConfig, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Photometric changes: one look-up table per channel, then grey and blur at random."""
    if rng.random() < config.colour:
        gamma = np.exp(rng.uniform(-0.35, 0.35))
        gain = np.exp(rng.uniform(-0.25, 0.25)) * np.exp(rng.normal(0, 0.07, 3))
        offset = rng.uniform(-20, 20)
        ramp = (np.arange(256) / 255.0)[:, None] ** gamma * gain * 255 + offset
        table = np.clip(ramp, 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, table[None]), np.uint8)
    if rng.random() < config.grey:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    if rng.random() < config.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5)), np.uint8)
    return image


def warp(
    image: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64], size: int
) -> npt.NDArray[np.uint8]:
    """The square image, padded outside the source image as in the letterbox."""
    flags = cv2.INTER_LINEAR
    warped = cv2.warpAffine(image, affine, (size, size), flags=flags, borderValue=PAD_VALUE)
    return np.asarray(warped, np.uint8)
