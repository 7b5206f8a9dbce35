"""OKS average precision of reprojected COCO keypoints, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from icl_mesh.people import People

if TYPE_CHECKING:
    from icl_mesh_training.evaluation.truth import Truth

_NAMES = ("oks_ap", "oks_ap50", "oks_ap75", "oks_ap_medium", "oks_ap_large", "oks_ar")


class KeypointAp:
    """Collects annotations and results in COCO's form.

    Predictions are ranked by detection score. True people without labelled keypoints are ignored,
    as in COCO.
    """

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []

    def add(self, people: People, truth: Truth) -> None:
        """Add one image; truth must have keypoints and area."""
        assert truth.keypoints is not None and truth.area is not None  # checked by the caller
        image = len(self._images) + 1
        self._images.append({"id": image})
        for keypoints, area, box in zip(truth.keypoints, truth.area, truth.box_px, strict=True):
            labelled = int((keypoints[:, 2] > 0).sum())
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": 0,
                    "num_keypoints": labelled,
                    "keypoints": keypoints.ravel().tolist(),
                    "area": float(area),
                    "bbox": [float(v) for v in box],
                }
            )
        if not len(people):
            return
        points = people.keypoints_px("coco17")
        for score, found in zip(people.score, points, strict=True):
            row = [value for x, y in found.tolist() for value in (x, y, 1.0)]
            self._results.append(
                {"image_id": image, "category_id": 1, "keypoints": row, "score": float(score)}
            )

    def result(self) -> dict[str, float]:
        """oks_ap (mean over OKS 0.50 to 0.95), oks_ap50, oks_ap75, oks_ap_medium, oks_ap_large,
        oks_ar; empty without labelled people, -1 where a size has none (COCO's convention).
        """
        if not any(annotation["num_keypoints"] for annotation in self._annotations):
            return {}
        if not self._results:
            return dict.fromkeys(_NAMES, 0.0)
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ImportError:
            raise ValueError(
                "OKS AP needs pycocotools: pip install pycocotools (or '.[training]')"
            ) from None
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            truth = COCO()
            truth.dataset = {
                "info": {},
                "images": self._images,
                "annotations": self._annotations,
                "categories": [{"id": 1, "name": "person"}],
            }
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(self._results), "keypoints")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        stats = evaluation.stats
        return {name: float(stats[index]) for index, name in enumerate(_NAMES)}
