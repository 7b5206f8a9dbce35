"""Check a data set before training: count labels, find missing and broken files."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_training.data.annotations import Annotations
from icl_mesh_training.data.catalogue import DATASETS, dataset_info, read_dataset
from icl_mesh_training.data.files import image_size, read_image
from icl_mesh_training.data.images import BrokenSampleError, visible_people
from icl_mesh_training.data.visibility import UNLABELLED

#: Messages of one kind that a report shows; further ones are counted.
SHOWN = 10


@dataclass
class Report:
    """The findings on one data set. missing, broken: one message each, with the path. mended,
    left_out, warnings: see Annotations.
    """

    name: str
    split: str
    images: int = 0
    people: int = 0
    regions: int = 0
    keypoints: int = 0
    people_3d: int = 0
    people_pose: int = 0
    images_without_people: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing is missing or broken."""
        return not self.missing and not self.broken

    def lines(self) -> Iterator[str]:
        """The report as text."""
        info = DATASETS[self.name]
        yield f"{self.name} ({info.title}, split {self.split})"
        if self.images:
            yield (
                f"  {self.images} images, {self.people} labelled people, {self.keypoints} labelled "
                f"keypoints, {self.people_3d} people in 3-D, {self.people_pose} with SMPL pose"
            )
            yield self._losses(info.losses)
        if self.regions:
            yield f"  {self.regions} people or crowds known by their box alone: masked in training"
        if self.images_without_people:
            yield f"  {self.images_without_people} images without a labelled person: left out"
        for kind, messages in (
            ("read all the same", self.mended),
            ("left out", self.left_out),
            ("warning", self.warnings),
            ("missing", self.missing),
            ("broken", self.broken),
        ):
            for message in messages[:SHOWN]:
                yield f"  {kind}: {shown(message, MESSAGE)}"
            if len(messages) > SHOWN:
                yield f"  {kind}: {len(messages) - SHOWN} more"
        if self.ok:
            said = "; what the warnings say may teach wrong joints" if self.warnings else ""
            yield f"  nothing is missing or broken{said}"

    def _losses(self, activated: frozenset[str]) -> str:
        """The data set's losses, and those without labels in these files."""
        space = self.people_3d or self.people_pose
        labels = {"joints_2d": self.keypoints, "joints_3d": space, "joints_3d_aligned": space}
        idle = sorted(name for name in activated if not labels.get(name, self.people_pose))
        trained = ", ".join(sorted(activated - set(idle))) or "none"
        return f"  losses: {trained}" + (f"; no labels for {', '.join(idle)}" if idle else "")


def present(root: Path) -> list[str]:
    """Data sets that have a folder under root."""
    found = [name for name, info in DATASETS.items() if (root / info.folder).is_dir()]
    if (root / "person_keypoints.json").is_file() and "coco" not in found:
        found.append("coco")
    return found


def default_split(name: str, root: Path) -> str:
    """The split to check by default: a user's own folder, or the first of the table."""
    if name == "coco" and (root / "person_keypoints.json").is_file():
        return "folder"
    return dataset_info(name).splits[0]


def check_dataset(name: str, root: Path, split: str | None = None, quick: bool = False) -> Report:
    """Read all labels and, unless quick, decode every image (quick: only their headers).

    Faults of the data set are in the report. Raises ValueError for a name or split that is not in
    the table.
    """
    info = dataset_info(name)
    split = default_split(name, root) if split is None else split
    if split not in info.splits:
        raise ValueError(
            f"data set '{name}' has no split '{split}'; it has {', '.join(info.splits)}"
        )
    report = Report(name, split)
    try:
        annotations = read_dataset(name, root, split)
    except FileNotFoundError as error:
        report.missing.append(str(error))
        return report
    except ValueError as error:
        report.broken.append(str(error))
        return report
    people = annotations.people
    report.images = len(annotations)
    report.people = int(people.has_label.sum())
    report.regions = len(people) - report.people
    report.keypoints = int((people.state < UNLABELLED).sum())
    report.people_3d, report.people_pose = int(people.has_3d.sum()), int(people.has_pose.sum())
    report.missing += annotations.missing
    report.broken += annotations.faults.values()
    report.mended += annotations.mended
    report.left_out += annotations.left_out
    report.warnings += annotations.warnings
    _check_images(annotations, report, quick)
    return report


def _check_images(annotations: Annotations, report: Report, quick: bool) -> None:
    """Check every image: it exists, is readable and fits its labels."""
    people = annotations.count(annotations.demanded)

    def fault(index: int) -> str | None:
        record = annotations[index]
        try:
            if quick:
                width, height = image_size(record.path)
            else:
                height, width = read_image(record.path, record.size).shape[:2]
            if people[index] and index not in annotations.faults:
                visible_people(record, width, height)
        except FileNotFoundError as error:
            return f"missing {error}"
        except (BrokenSampleError, ValueError) as error:
            return f"broken {error}"
        return None

    report.images_without_people = int((people == 0).sum())
    title = f"{report.name} {report.split}"
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter's lock
        found = pool.map(fault, range(len(annotations)))
        for message in tqdm(found, total=len(annotations), desc=title, unit="image"):
            if message is not None:
                kind, _, text = message.partition(" ")
                (report.missing if kind == "missing" else report.broken).append(text)
