"""Poses Anny's shapes, whose arms and legs are spread and elbows bent, in SMPL's T-pose.

Each bone gets one rotation in body axes, computed per shape from its bone heads. Upper arm and
forearm then lie along +-x, with the elbow's crease forward and the palm down (as in SMPL's
template), and the legs are vertical below the hips. The pelvis is the origin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import roma
import torch

from .source import Source

Array = npt.NDArray[np.float64]

# Body axes of the left side in the T-pose (x left, y up, z forward); mirrored for the right.
THIGH = (0.02, -1.0, 0.02)
SHIN = (0.0, -1.0, -0.06)
RAISE = np.radians((3.0, 6.0))  # clavicle and shoulder blade: little, as arms mostly hang


def _frame(primary: Array, secondary: Array) -> Array:
    """Right-handed frames [S, 3, 3]: first axis along primary, second towards secondary."""
    first = primary / np.linalg.norm(primary, axis=-1, keepdims=True)
    third = np.cross(first, secondary)
    third /= np.linalg.norm(third, axis=-1, keepdims=True)
    return np.stack((first, np.cross(third, first), third), axis=-1)


def _aligning(primary: Array, secondary: Array, to_primary: Array, to_secondary: Array) -> Array:
    """Rotations [S, 3, 3] that take one pair of directions [S, 3] onto another."""
    target = _frame(
        np.broadcast_to(to_primary, primary.shape), np.broadcast_to(to_secondary, primary.shape)
    )
    return target @ np.swapaxes(_frame(primary, secondary), -1, -2)


def _swing(primary: Array, to_primary: Array) -> Array:
    """The shortest rotations [S, 3, 3] of directions [S, 3] onto one direction."""
    to_primary = np.broadcast_to(np.asarray(to_primary, float), primary.shape)
    axis = np.cross(primary, to_primary)
    return _aligning(primary, axis, to_primary, axis)


def _between(a: Array, b: Array, share: float) -> Array:
    steps = torch.full((1,), share, dtype=torch.float64)
    return roma.rotmat_slerp(torch.from_numpy(a), torch.from_numpy(b), steps)[0].numpy()


def _roll(angle: float, count: int) -> Array:
    """Rotation about z (forward) that raises the left arm by the angle, [count, 3, 3]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.broadcast_to(np.array(((c, -s, 0), (s, c, 0), (0, 0, 1))), (count, 3, 3))


def t_pose_rotations(source: Source, heads: Array) -> Array:
    """Rotations [S, B, 3, 3], in body axes, of bones with heads [S, B, 3] to the T-pose."""
    names = source.bone_names
    rotations = np.tile(np.eye(3), (*heads.shape[:2], 1, 1))

    for side, sign in (("L", 1.0), ("R", -1.0)):
        mirror = np.array((sign, 1.0, 1.0))

        def head(bone: str, side: str = side, mirror: Array = mirror) -> Array:
            return heads[:, names.index(f"{bone}.{side}")] * mirror

        forward, out = np.array(((0, 0, 1.0), (1.0, 0, 0)))
        upper_arm = head("lowerarm01") - head("upperarm01")
        forearm = head("wrist") - head("lowerarm01")
        bend = np.cross(upper_arm, forearm)  # axis of the elbow's flexion
        knuckles = (head("finger2-1") + head("finger5-1")) / 2
        across = head("finger2-1") - head("finger5-1")
        swing = _swing(upper_arm, out)
        full = _aligning(upper_arm, bend, out, -np.cross(forward, out))
        fore = _aligning(forearm, bend, out, -np.cross(forward, out))
        pronated = _aligning(forearm, across, out, forward)
        hand = _aligning(knuckles - head("wrist"), across, out, forward)
        shin = _swing(head("foot") - head("lowerleg01"), np.array(SHIN))
        thigh = _swing(head("lowerleg01") - head("upperleg01"), np.array(THIGH))
        local = {
            "clavicle": _roll(RAISE[0], len(heads)),
            "shoulder01": _roll(RAISE[1], len(heads)),
            "upperarm01": _between(swing, full, 0.5),
            "upperarm02": full,
            "lowerarm01": fore,
            "lowerarm02": _between(fore, pronated, 0.5),
            "upperleg01": thigh,
            "upperleg02": thigh,
            "lowerleg01": shin,
            "lowerleg02": shin,
        }
        for index, name in enumerate(names):
            bone, _, bone_side = name.partition(".")
            if bone_side != side:
                continue
            if bone in local:
                rotation = local[bone]
            elif bone.startswith(("wrist", "finger", "metacarpal")):
                rotation = hand
            else:
                continue
            rotations[:, index] = mirror[:, None] * rotation * mirror
    return rotations


def posed_heads(source: Source, heads: Array, rotations: Array) -> Array:
    """Bone heads [S, B, 3] after the rotations about the root."""
    moved = heads.copy()
    for bone, parent in enumerate(source.bone_parents):
        if parent >= 0:
            offset = heads[:, bone] - heads[:, parent]
            moved[:, bone] = moved[:, parent] + np.einsum(
                "sij,sj->si", rotations[:, parent], offset
            )
    return moved


def t_posed(source: Source) -> tuple[Array, Array]:
    """Shapes in the T-pose: vertices [S, V, 3] and bone heads [S, B, 3], the root at the origin."""
    rest, heads = source.rest_shapes()
    rotations = t_pose_rotations(source, heads)
    moved = posed_heads(source, heads, rotations)
    offsets = moved - np.einsum("sbij,sbj->sbi", rotations, heads)
    weights = source.bone_weights
    posed = np.empty_like(rest)
    for s in range(len(rest)):
        blend = np.einsum("vb,bij->vij", weights, rotations[s], optimize=True)
        posed[s] = np.einsum("vij,vj->vi", blend, rest[s]) + weights @ offsets[s]
    root = moved[:, :1]
    return posed - root, moved - root


def principal_shapes(shapes: Array, areas: Array, count: int) -> tuple[Array, Array, Array]:
    """Mean [V, 3], components [V, 3, count] and the share of variance each explains [count].

    Vertices are weighted by area, because hands and face have many small faces. The samples'
    coefficients have unit variance; larger ones make the body taller.
    """
    mean = shapes.mean(0)
    scale = np.sqrt(areas / areas.sum())[None, :, None]
    centred = ((shapes - mean) * scale).reshape(len(shapes), -1)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    coefficients = vectors[:, :count] * np.sqrt(len(shapes) - 1)
    components = np.einsum("sk,svd->vdk", coefficients, shapes - mean) / (len(shapes) - 1)
    top = mean[:, 1].argmax()
    bottom = mean[:, 1].argmin()
    signs = np.where(components[top, 1] - components[bottom, 1] >= 0, 1.0, -1.0)
    return mean, components * signs, values[:count] / values.sum()
