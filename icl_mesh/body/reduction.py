"""A coarser mesh over a body's own vertices, for viewers that are too slow for the full mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from icl_mesh.body.model import BodyModel

#: Triangles of a reduced body: about a sixth of the full mesh.
REDUCED_FACE_COUNT = 2500


def reduced_faces(body: BodyModel, face_count: int = REDUCED_FACE_COUNT) -> npt.NDArray[np.int32]:
    """Triangles [F', 3], at most ``face_count``, that index the body's own vertices.

    Computed in the rest pose by quadric edge collapse (Garland and Heckbert 1997; library
    fast-simplification). Each remaining vertex is replaced by the nearest of the original vertices
    that collapsed into it: the full and the reduced triangles index the same posed mesh.

    Raises ValueError for a face_count below 4, ImportError without the library.
    """
    if face_count < 4:
        raise ValueError(f"face_count must be 4 or more, got {face_count}")
    if face_count >= len(body.faces):
        return body.faces
    try:
        import fast_simplification
    except ImportError as error:
        raise ImportError(
            "a reduced mesh needs the package fast-simplification: pip install fast-simplification"
        ) from error
    template = body.template.cpu().numpy()
    _, _, collapses = fast_simplification.simplify(
        template, body.faces, target_count=face_count, return_collapses=True
    )
    points, faces, into = fast_simplification.replay_simplification(template, body.faces, collapses)
    # The nearest original of every remaining vertex: distances fall, the last write remains.
    distance = np.linalg.norm(template - points[into], axis=1)
    order = np.argsort(-distance, kind="stable")
    nearest = np.zeros(len(points), dtype=np.int32)
    nearest[into[order]] = order
    return np.asarray(nearest[faces], dtype=np.int32)
