"""The data sets: their folders, splits, labels and the losses that each activates.

DATASETS is the table of all data sets. `losses` is Table 2 of the paper's supplementary (the other
losses are on for all data sets); `share` is the data set's probability in the paper's training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from icl_mesh_training.data.annotations import Annotations
from icl_mesh_training.data.files import existing, first_existing
from icl_mesh_training.data.formats.coco import read_coco
from icl_mesh_training.data.formats.eft import attach_eft
from icl_mesh_training.data.formats.h36m_json import read_h36m_json
from icl_mesh_training.data.formats.panoptic import read_panoptic
from icl_mesh_training.data.formats.pw3d import read_pw3d
from icl_mesh_training.data.formats.single_person import read_lsp, read_mpii
from icl_mesh_training.data.formats.studio import (
    h36m_camera,
    mpi_inf_3dhp_camera,
    read_muco,
    read_studio_npz,
)

ALL_LOSSES = frozenset({"pose", "shape", "joints_3d", "joints_3d_aligned", "joints_2d"})
_3D_JOINTS = frozenset({"joints_3d", "joints_3d_aligned", "joints_2d"})
_2D_JOINTS = frozenset({"joints_2d"})
EFT_FILES = {
    "coco": "COCO2014-All-ver01.json",
    "mpii": "MPII_ver01.json",
    "lsp": "LSPet_ver01.json",
}


@dataclass(frozen=True)
class DatasetInfo:
    """title: its authors' name. folder: relative to the root. splits: those it has, the
    default first. losses: see ALL_LOSSES. share: probability in the paper's mixture, 0 for data
    sets of evaluation. read: (root, split) -> labels. everybody: all people in an image are
    labelled or marked by a box; else the surroundings of the labelled people are unlabelled.
    """

    title: str
    folder: str
    splits: tuple[str, ...]
    losses: frozenset[str]
    share: float
    read: Callable[[Path, str], Annotations]
    everybody: bool = True


def _h36m(root: Path, split: str) -> Annotations:
    parsed = root / "h36m" / "annotations"
    if parsed.is_dir():
        return read_h36m_json(parsed, root / "h36m" / "images", split)
    folder = root / "h36m" / "annotation_body3d"
    source = first_existing(
        folder, (f"fps50/h36m_{split}.npz", f"fps10/h36m_{split}.npz"), "the label file"
    )
    images = root / "h36m" / "images"
    return read_studio_npz("h36m", source, folder / "cameras.pkl", images, h36m_camera)


def _mpi_inf_3dhp(root: Path, split: str) -> Annotations:
    folder = root / "mpi_inf_3dhp"
    source = first_existing(
        folder,
        (f"mpi_inf_3dhp_{split}.npz", f"annotations/mpi_inf_3dhp_{split}.npz"),
        "the label file",
    )
    cameras = source.parent / f"cameras_{split}.pkl"
    return read_studio_npz("mpi_inf_3dhp", source, cameras, folder / "images", mpi_inf_3dhp_camera)


def _muco(root: Path, split: str) -> Annotations:
    names = ("MuCo-3DHP.json", "data/MuCo-3DHP.json")
    annotations = read_muco(first_existing(root / "muco", names, "the label file"))
    if split == "all":
        return annotations
    import numpy as np

    inside = [path.parent.name == f"{split}_set" for path in annotations.images]
    return annotations.subset(np.flatnonzero(inside))


def _mpii(root: Path, split: str) -> Annotations:
    folder = root / "mpii"
    source = folder / "annotations" / f"mpii_{split}.json"
    return _with_eft(read_mpii(source, folder / "images"), root, None)


def _lsp(root: Path, split: str) -> Annotations:
    folder = root / ("hr-lspet" if split == "lspet" else "lsp")
    annotations = read_lsp(folder, split)
    return _with_eft(annotations, root, None) if split == "lspet" else annotations


def _coco(root: Path, split: str) -> Annotations:
    if split == "folder":
        return read_coco_folder(root)
    folder = root / "coco"
    source = folder / "annotations" / f"person_keypoints_{split}.json"
    images = first_existing(folder, (split, f"images/{split}"), "the folder of images")
    annotations, ids = read_coco("coco", source, images)
    return _with_eft(annotations, root, ids) if split.startswith("train") else annotations


def read_coco_folder(folder: Path) -> Annotations:
    """A user's own photos: person_keypoints.json in COCO's layout, and images/ beside it."""
    return read_coco("coco", folder / "person_keypoints.json", folder / "images")[0]


def _crowdpose(root: Path, split: str) -> Annotations:
    folder = root / "crowdpose"
    names = (
        f"annotations/mmpose_crowdpose_{split}.json",
        f"annotations/crowdpose_{split}.json",
        f"json/crowdpose_{split}.json",
    )
    source = first_existing(folder, names, "the label file")
    return read_coco("crowdpose", source, folder / "images", "crowdpose14")[0]


def _ochuman(root: Path, split: str) -> Annotations:
    folder = root / "ochuman"
    name = f"ochuman_coco_format_{split}_range_0.00_1.00.json"
    source = first_existing(folder, (f"annotations/{name}", name), "the label file")
    return read_coco("ochuman", source, folder / "images")[0]


def _with_eft(annotations: Annotations, root: Path, ids: list[int | None] | None) -> Annotations:
    source = root / "eft_fit" / EFT_FILES[annotations.dataset]
    if source.is_file():
        attach_eft(annotations, source, ids)
    else:
        annotations.missing.append(f"{source}: not there, so that nobody has SMPL pose and shape")
    return annotations


#: Order and losses of the first seven as in Table 2.
DATASETS: dict[str, DatasetInfo] = {
    "h36m": DatasetInfo("Human3.6M", "h36m", ("train", "test"), ALL_LOSSES, 0.20, _h36m),
    "mpi_inf_3dhp": DatasetInfo(
        "MPI-INF-3DHP", "mpi_inf_3dhp", ("train", "test"), _3D_JOINTS, 0.16, _mpi_inf_3dhp
    ),
    "muco": DatasetInfo(
        "MuCo-3DHP", "muco", ("all", "augmented", "unaugmented"), _3D_JOINTS, 0.14, _muco
    ),
    "mpii": DatasetInfo(
        "MPII", "mpii", ("train", "val", "trainval"), ALL_LOSSES, 0.10, _mpii, everybody=False
    ),
    "lsp": DatasetInfo(
        "LSP", "hr-lspet", ("lspet", "train", "test"), ALL_LOSSES, 0.06, _lsp, everybody=False
    ),
    "coco": DatasetInfo(
        "COCO",
        "coco",
        ("train2017", "train2014", "val2017", "val2014", "folder"),
        ALL_LOSSES,
        0.20,
        _coco,
    ),
    "crowdpose": DatasetInfo(
        "CrowdPose", "crowdpose", ("train", "val", "trainval", "test"), _2D_JOINTS, 0.14, _crowdpose
    ),
    "3dpw": DatasetInfo(
        "3DPW",
        "3dpw",
        ("test", "pc", "oc", "validation", "train"),
        ALL_LOSSES,
        0.0,
        lambda root, split: read_pw3d(root / "3dpw", split),
        everybody=False,
    ),
    "panoptic": DatasetInfo(
        "CMU Panoptic",
        "panoptic",
        ("all",),
        _3D_JOINTS,
        0.0,
        lambda root, split: read_panoptic(root / "panoptic"),
    ),
    "ochuman": DatasetInfo(
        "OCHuman", "ochuman", ("val", "test"), _2D_JOINTS, 0.0, _ochuman, everybody=False
    ),
}


def dataset_info(name: str) -> DatasetInfo:
    """The data set's entry. Raises ValueError for a name that is not in the table."""
    if name not in DATASETS:
        raise ValueError(f"unknown data set '{name}'; known are {', '.join(DATASETS)}")
    return DATASETS[name]


def read_dataset(name: str, root: str | Path, split: str | None = None) -> Annotations:
    """Labels of a data set under root, in the layout of docs/datasets.md.

    Raises ValueError for an unknown name or split and for a broken label file, FileNotFoundError
    for one that is missing; each names the path.
    """
    info = dataset_info(name)
    split = info.splits[0] if split is None else split
    if split not in info.splits:
        raise ValueError(
            f"data set '{name}' has no split '{split}'; it has {', '.join(info.splits)}"
        )
    annotations = info.read(existing(Path(root), "the root of the data sets"), split)
    if not len(annotations):
        raise ValueError(f"{annotations.source}: holds no image; is it the right file?")
    return annotations
