"""ImageNet weights for the MobileNetV2 trunk, from an .npz of folded convolutions."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

from icl_mesh.network.mobilenet import FoldedConv, MobileNetV2


def load_imagenet_mobilenet(backbone: MobileNetV2, path: str | Path) -> None:
    """Copy the trunk's ImageNet weights from an .npz into ``backbone``; the decoder is kept.

    Entries: ``stem.weight``, ``stem.bias``, ``stem.stride``, ``b0.dw.weight``, ...,
    ``b16.project.bias``, as PyTorch lays out convolutions; ``head_conv`` and ``classifier`` are
    not needed. Nothing is copied unless everything fits.

    Raises FileNotFoundError where there is no file, ValueError for a file of another kind or
    network.
    """
    if not isinstance(backbone, MobileNetV2):
        raise ValueError(
            f"ImageNet MobileNetV2 weights fit the backbone of build_network('mobilenet_v2'), "
            f"not {type(backbone).__name__}"
        )
    if not Path(path).is_file():
        raise FileNotFoundError(f"no ImageNet weights file at {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            entries = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an .npz of plain arrays: {error}") from error

    faults, copies = [], []
    for name, layer in backbone.named_modules():
        if not isinstance(layer, FoldedConv):
            continue
        for key, target in ((f"{name}.weight", layer.weight), (f"{name}.bias", layer.bias)):
            if target is None or key not in entries:
                faults.append(f"{key} is missing")
            elif entries[key].shape != tuple(target.shape):
                faults.append(f"{key} is {entries[key].shape}, not {tuple(target.shape)}")
            elif not np.isfinite(entries[key]).all():
                faults.append(f"{key} is not finite")
            else:
                copies.append((target, entries[key]))
        stride = entries.get(f"{name}.stride")
        if stride is not None and int(stride) != layer.stride[0]:
            faults.append(f"{name}.stride is {int(stride)}, not {layer.stride[0]}")
    if faults:
        shown = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
        raise ValueError(
            f"{path} does not hold MobileNetV2 1.0's folded weights ({len(faults)} faults: {shown})"
        )
    with torch.no_grad():
        for target, values in copies:
            target.copy_(torch.from_numpy(values))
