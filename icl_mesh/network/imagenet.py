"""ImageNet weights for the MobileNetV2 trunk, from an .npz of folded convolutions."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from icl_mesh.network.initial_weights import copy_arrays
from icl_mesh.network.mobilenet import FoldedConv, MobileNetV2


def load_imagenet_mobilenet(backbone: MobileNetV2, path: str | Path) -> None:
    """Copy the trunk's ImageNet weights from an .npz into ``backbone``; the decoder is kept.

    Entries: ``stem.weight``, ``stem.bias``, ``b0.dw.weight``, ..., ``b16.project.bias``, in
    PyTorch's layout of convolutions; others, such as ``head_conv`` and ``classifier``, are
    ignored. Nothing is copied unless everything fits.

    Raises FileNotFoundError for a missing file, ValueError for a file of another kind or network.
    """
    if not isinstance(backbone, MobileNetV2):
        raise ValueError(
            "ImageNet MobileNetV2 weights fit the backbone of build_network('mobilenet_v2'), "
            f"not {type(backbone).__name__}"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"no ImageNet weights file at {path}")
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with file:
            entries = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an .npz of plain arrays: {error}") from error

    targets = {
        f"{name}.{kind}": parameter
        for name, layer in backbone.named_modules()
        if isinstance(layer, FoldedConv)
        for kind, parameter in layer.named_parameters()
    }
    copy_arrays(entries, targets, path, "MobileNetV2 1.0's folded weights")
