"""The seven data sets of the paper's training, small ones, through check and a step of training."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from icl_mesh.body import BodyModel
from icl_mesh.network import build_network
from icl_mesh_training.cli.main import main
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import collate
from icl_mesh_training.data.catalogue import DATASETS
from icl_mesh_training.data.images import open_dataset
from icl_mesh_training.data.mixture import MixedDataset
from icl_mesh_training.data.scene_folder import images_to_input
from icl_mesh_training.losses.objective import Objective, ObjectiveConfig

RNG = np.random.default_rng(5)
NAMES = [name for name, info in DATASETS.items() if info.share]


def points(count: int) -> np.ndarray:
    """Pixels inside a 64 x 48 px image."""
    return RNG.uniform([6, 6], [58, 42], (count, 2))


def studio(root: Path, npz: Path, cameras: Path, names: list[str], key: Any) -> None:
    px = np.stack([points(17) for _ in names])
    depth = RNG.uniform(3.8, 4.2, px.shape[:2])
    metres = (px - [32, 24]) / 60 * depth[..., None]
    ones = np.ones((*depth.shape, 1))
    for path in (npz, cameras):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        root / npz,
        imgname=np.array(names),
        part=np.concatenate((px, ones), axis=2),
        S=np.concatenate((metres, depth[..., None], ones), axis=2),
    )
    camera = {"f": np.array([[60.0], [60]]), "c": np.array([[32.0], [24]]), "w": 64.0, "h": 204.0}
    (root / cameras).write_bytes(pickle.dumps({key: camera}))


@pytest.fixture
def root(write: Any) -> Path:
    human = "S1/S1_Walk.54138969/S1_Walk.54138969_000001.jpg"
    place = Path("h36m/annotation_body3d")
    studio(write.root, place / "fps50/h36m_train.npz", place / "cameras.pkl", [human],
           ("S1", "54138969"))  # fmt: skip
    write.image(f"h36m/images/{human}")
    place = Path("mpi_inf_3dhp")
    studio(write.root, place / "mpi_inf_3dhp_train.npz", place / "cameras_train.pkl",
           ["S1_Seq1_Cam0_000001.jpg"], "S1_Seq1_Cam0")  # fmt: skip
    write.image("mpi_inf_3dhp/images/S1_Seq1_Cam0_000001.jpg")

    px = points(21)
    metres = np.column_stack(((px - [32, 24]) / 60, np.ones(21))) * RNG.uniform(3.8, 4.2, (21, 1))
    write.json("muco/MuCo-3DHP.json", {
        "images": [{"id": 1, "file_name": "augmented_set/a.jpg", "width": 64, "height": 48,
                    "f": [60, 60], "c": [32, 24]}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [6, 6, 50, 40],
                         "keypoints_img": px.tolist(), "keypoints_cam": (1000 * metres).tolist()}],
    })  # fmt: skip
    write.image("muco/augmented_set/a.jpg")

    write.json("mpii/annotations/mpii_train.json", [{
        "image": "a.jpg", "joints": points(16).tolist(), "joints_vis": [1] * 16,
        "center": [32, 24], "scale": 0.2,
    }])  # fmt: skip
    write.image("mpii/images/a.jpg")
    write.image("hr-lspet/im00001.png")
    joints = np.column_stack((points(14), np.ones(14)))[..., None]
    scipy.io.savemat(write.root / "hr-lspet/joints.mat", {"joints": np.repeat(joints, 1, 2)})
    for name, file, count in (
        ("coco", "person_keypoints_train2017.json", 17),
        ("crowdpose", "crowdpose_train.json", 14),
    ):
        people = [np.column_stack((points(count), np.full(count, 2))) for _ in range(2)]
        write.coco(f"{name}/annotations/{file}", {"a.jpg": people})
        write.image(f"{name}/{'train2017' if name == 'coco' else 'images'}/a.jpg")
    fit = {"parm_pose": np.tile(np.eye(3), (24, 1, 1)).tolist(), "parm_shape": [0.0] * 10,
           "bbox_center": [32.0, 24.0], "bbox_scale": 0.2, "annotId": 100}  # fmt: skip
    for file, image in (
        ("COCO2014-All-ver01.json", "a.jpg"),
        ("MPII_ver01.json", "a.jpg"),
        ("LSPet_ver01.json", "im00001.png"),
    ):
        write.json(f"eft_fit/{file}", {"data": [{**fit, "imageName": image}]})
    return write.root


def test_check_finds_all_of_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["data", "check", "--root", str(root)])
    output = capsys.readouterr().out
    assert status == 0, output
    for name in NAMES:
        assert f"{name} ({DATASETS[name].title}, split" in output
    assert output.count("nothing is missing or broken") == len(NAMES)
    assert output.count("1 with SMPL pose") == 3  # MPII, LSP, COCO


def test_each_trains_what_table_2_says(root: Path) -> None:
    """Losses that the table leaves out have no gradient: they are exactly zero."""
    augmentation = AugmentationConfig.none()
    parts = [open_dataset(n, root, size=64, augmentation=augmentation) for n in NAMES]
    mixture = MixedDataset(parts, [DATASETS[n].share for n in NAMES], seed=1)
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.125).eval()
    objective = Objective(BodyModel.load(), ObjectiveConfig())
    for name, part in zip(NAMES, parts, strict=True):
        batch = collate([part[0, 0]])
        _, terms = objective(network, network(images_to_input(batch.images)), batch)
        for loss in ("pose", "joints_3d", "joints_3d_aligned", "joints_2d"):
            # Without an SMPL body, EFT's fits label rotations alone.
            labelled = loss in DATASETS[name].losses and not (
                loss.startswith("joints_3d") and name in {"mpii", "lsp", "coco"}
            )
            labelled &= not (loss == "pose" and name == "h36m")  # MMPose's files have no fits
            assert (terms[loss] > 0) == labelled, (name, loss)
    batch = collate([mixture[0, index] for index in range(len(mixture))])
    network.train()
    total, terms = objective(network, network(images_to_input(batch.images)), batch)
    assert all(torch.isfinite(term) for term in terms.values()), terms
    total.backward()
