"""A coarser mesh over a body's own vertices, for viewers to whom the full one is too heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from icl_mesh.body.model import BodyModel

#: Triangles of a reduced body: about a sixth, and still a person to the eye.
REDUCED_FACE_COUNT = 2500


def reduced_faces(body: BodyModel, face_count: int = REDUCED_FACE_COUNT) -> npt.NDArray[np.int32]:
    """Triangles [F', 3], at most ``face_count``, that index the body's own vertices.

    Made once per body, in its rest pose, by quadric edge collapse (Garland and Heckbert 1997;
    library fast-simplification). Each remaining vertex is replaced by the nearest of the original
    ones that collapsed into it, so that one posed mesh serves the full and the reduced triangles.

    Raises ValueError for a face_count that leaves nothing, ImportError without the library.
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
    # The nearest original of every remaining vertex: the last one written, in falling distance.
    distance = np.linalg.norm(template - points[into], axis=1)
    order = np.argsort(-distance, kind="stable")
    nearest = np.zeros(len(points), dtype=np.int32)
    nearest[into[order]] = order
    return np.asarray(nearest[faces], dtype=np.int32)
