"""icl_mesh.decoding.decode_maps by two compiled functions (src/peaks.cpp), on the CPU."""

from __future__ import annotations

import math

import numpy as np

from icl_mesh.decoding import (
    DUPLICATE_ANGLE_DEG,
    DUPLICATE_CELLS,
    DUPLICATE_SCALE_RATIO,
    JOINT_COUNT,
    MAX_PEOPLE,
    Detections,
    Peaks,
    SmplAt,
    decode_maps,
    refuse_broken,
)
from icl_mesh.native import FLOAT, INT, POINTER, address, kernel
from icl_mesh.network import InferenceMaps

_READ_PEOPLE = (*(POINTER,) * 3, *(INT,) * 4, FLOAT, INT, *(POINTER,) * 7)
_READ_BODIES = (*(POINTER,) * 4, INT, *(FLOAT,) * 3, *(POINTER,) * 4)
_LOG_RATIO = math.log(DUPLICATE_SCALE_RATIO)


def decode(maps: InferenceMaps, threshold: float, smpl_at: SmplAt) -> Detections:
    """See decode_maps, which does it for maps on a GPU and without the compiled library."""
    read_people = kernel("icl_read_people", *_READ_PEOPLE)
    read_bodies = kernel("icl_read_bodies", *_READ_BODIES)
    if read_people is None or read_bodies is None or maps.center_heatmap.device.type != "cpu":
        return decode_maps(maps, threshold, smpl_at)
    read = (maps.center_heatmap, maps.camera, maps.center_instance)
    heatmap, camera, instance = (np.ascontiguousarray(one.numpy()) for one in read)
    images, channels, height, width = instance.shape
    most = images * MAX_PEOPLE
    image, cell = np.empty(most, np.int64), np.empty((most, 2), np.int64)
    score, weak = np.empty(most, np.float32), np.empty((most, 3), np.float32)
    center_instance = np.empty((most, channels), np.float32)
    found, finite = np.zeros(1, np.int64), np.ones(5, np.bool_)
    flags = address(finite, np.bool_)
    read_people(
        *(address(heatmap), address(camera), address(instance)),
        *(images, height, width, channels, threshold, MAX_PEOPLE),
        *(address(found, np.int64), address(image, np.int64), address(cell, np.int64)),
        *(address(score), address(weak), address(center_instance), flags),
    )
    count = int(found[0])
    peaks = Peaks(image[:count], cell[:count], score[:count])
    smpl = np.ascontiguousarray(smpl_at(peaks.image, peaks.cell).float().cpu().numpy())
    rotations = np.empty((count, JOINT_COUNT, 3, 3), np.float32)
    betas, repeats = np.empty((count, 10), np.float32), np.empty(count, np.bool_)
    read_bodies(
        *(address(smpl), address(image, np.int64), address(cell, np.int64), address(weak), count),
        *(DUPLICATE_CELLS, _LOG_RATIO, DUPLICATE_ANGLE_DEG),
        *(address(rotations), address(betas), address(repeats, np.bool_), flags + 3),
    )
    names = ("center_heatmap", "camera", "center_instance", "smpl", "rotations")
    refuse_broken([name for name, fine in zip(names, finite, strict=True) if not fine])
    people = Detections(peaks, weak[:count], rotations, betas, center_instance[:count])
    return people.select(~repeats) if repeats.any() else people
