"""Which annotations of a COCO file are people, and the order of their keypoints.

A category's own list of names decides. Names are compared without regard to case, separators and
the position of the side: "Left Eye", "left_eye", "L-Eye" and "eye_l" are one point.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh_training.errors import shown

Order = npt.NDArray[np.int64]

_SIDES = {"l": "left", "r": "right"}
_SYNONYMS = {"head": "headtop", "tophead": "headtop", "topofhead": "headtop"}
_PEOPLE = {"person", "persons", "people", "human", "humans", "pedestrian", "pedestrians"}
#: Name of annotations without a category_id, as a key.
NO_CATEGORY = "none"


def id_key(value: object) -> str | None:
    """An id as text; 7, "7", "007" and 7.0 have the same; None for no id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, int):
        return str(value)
    text = str(value).strip()
    if re.fullmatch(r"\d{1,30}(\.0*)?", text):
        return str(int(text.partition(".")[0]))
    return text or None


@lru_cache(maxsize=1000)
def point_key(name: str) -> str:
    """A keypoint's name in one spelling: side, then part; letters and digits only."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    words = [_SIDES.get(word, word) for word in words]
    side = next((word for word in words if word in _SIDES.values()), "")
    rest = "".join(word for word in words if word != side)
    if not side and (found := re.fullmatch(r"(left|right)(.+)", rest)):
        side, rest = found.groups()
    return side + _SYNONYMS.get(rest, rest)


class Categories:
    """The keypoint order of a file's annotations by their categories.

    points: names of the required keypoints. names_decide: False for published files of known order
    whose names may differ; only their number is compared. Raises ValueError for categories that are
    no list of objects, and for people with other keypoints.
    """

    def __init__(
        self,
        content: dict[str, Any],
        annotations: list[dict[str, Any]],
        points: tuple[str, ...],
        names_decide: bool,
    ) -> None:
        found = content.get("categories") or []
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise ValueError("'categories' is not a list of objects with id, name and keypoints")
        self.points, self.names_decide = points, names_decide
        self.warnings: list[str] = []
        self._known = {id_key(entry.get("id")) or NO_CATEGORY: entry for entry in found}
        keys = [self._key(annotation) for annotation in annotations]
        self._used = Counter(keys)
        posed = Counter(k for k, a in zip(keys, annotations, strict=True) if a.get("keypoints"))
        self._orders: dict[str, Order | None] = {}
        unnamed = [key for key in self._used if key in self._known and not self._names(key)]
        for key in self._used:
            if key in self._known and key not in unnamed:
                self._orders[key] = self._order(key)
        fits = any(order is not None for order in self._orders.values())
        for key in [key for key in self._orders if self._orders[key] is None]:
            if not fits or self._is_person(key):
                raise ValueError(self._refusal(key))
        fits |= any(self._is_person(key) for key in unnamed)
        for key in unnamed:
            # If there is a category of people, one without keypoint names is of objects.
            taken = not fits or self._is_person(key)
            self._orders[key] = np.arange(len(points)) if taken else None
            if taken and posed[key]:
                self.warnings.append(
                    f"category {self.title(key)} does not name its keypoints: they are taken in "
                    f"the order {', '.join(points)}"
                )
        if not found and posed:
            self.warnings.append(
                f"no category names the keypoints: they are taken in the order {', '.join(points)}"
            )

    def order(self, annotation: dict[str, Any]) -> Order | None:
        """Indices of the required points among the annotation's, None if it is of no person.

        Raises ValueError for a category that the file does not list.
        """
        if not self._known:
            return np.arange(len(self.points))
        key = self._key(annotation)
        if key not in self._orders:
            titles = ", ".join(self.title(known) for known in self._known)
            raise ValueError(
                f"its category_id {shown(annotation.get('category_id'))} is not among the "
                f"categories ({titles})"
            )
        return self._orders[key]

    def title(self, key: str) -> str:
        """A category by name and id."""
        entry = self._known[key]
        return f"'{_one_line(entry.get('name'))}' (id {shown(entry.get('id'))})"

    def left_out(self) -> list[str]:
        """Categories that are not of people: one line each."""
        return [
            f"annotations of category {self.title(key)}, which is not of people: {self._used[key]}"
            for key, order in self._orders.items()
            if order is None
        ]

    def reordered(self) -> list[str]:
        """Categories whose keypoints are in another order: one line each."""
        return [
            f"keypoints of category {self.title(key)}, put from the order that it names into "
            f"{self.points[0]}, {self.points[1]}, ...: annotations: {self._used[key]}"
            for key, order in self._orders.items()
            if order is not None and (order != np.arange(len(order))).any()
        ]

    def _key(self, annotation: dict[str, Any]) -> str:
        """Key of the annotation's category; if it names none, the only category."""
        key = id_key(annotation.get("category_id"))
        if key is None and len(self._known) == 1:
            return next(iter(self._known))
        return key or NO_CATEGORY

    def _names(self, key: str) -> list[Any]:
        names = self._known[key].get("keypoints")
        if names and not isinstance(names, list):
            raise ValueError(f"category {self.title(key)} has keypoints that are no list of names")
        return names or []

    def _order(self, key: str) -> Order | None:
        names = [point_key(str(name)) for name in self._names(key)]
        wanted = [point_key(name) for name in self.points]
        if self.names_decide:
            if sorted(names) != sorted(wanted):
                return None
            return np.array([names.index(name) for name in wanted])
        return np.arange(len(wanted)) if len(names) == len(wanted) else None

    def _is_person(self, key: str) -> bool:
        entry = self._known[key]
        return bool(
            {str(entry.get(n)).strip().lower() for n in ("name", "supercategory")} & _PEOPLE
        )

    def _refusal(self, key: str) -> str:
        names = [str(name) for name in self._names(key)]
        wanted = {point_key(name): name for name in self.points}
        own = {point_key(name): name for name in names}
        other = [name for key, name in own.items() if key not in wanted]
        lacking = [name for key, name in wanted.items() if key not in own]
        details = [f"not ours: {_some(other)}"] if other else []
        details += [f"missing: {_some(lacking)}"] if lacking else []
        return (
            f"its category {self.title(key)}, which {self._used[key]} annotations use, has "
            f"{len(names)} keypoints, this data set has {len(self.points)} "
            f"({', '.join(self.points)}), in any order; {'; '.join(details)}: export these points, "
            f"or take the category's annotations out"
        )


def _some(names: list[str]) -> str:
    first = ", ".join(_one_line(name) for name in names[:6])
    return first + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _one_line(name: object) -> str:
    return " ".join(str(name).split())[:40]
