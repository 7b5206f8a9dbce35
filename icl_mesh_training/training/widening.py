"""Widen a trained network's SMPL branch without changing what it computes.

Net2Net (Chen et al. 2016): trained channels keep their weights and get zero weights for the new
ones; new channels start at random.
"""

from __future__ import annotations

import torch

from icl_mesh.network import IclMeshNetwork, build_network


def widen_smpl_branch(network: IclMeshNetwork, smpl_width: float) -> IclMeshNetwork:
    """A network with an SMPL branch of smpl_width, as build_network counts it, and the same maps.

    The maps agree to rounding. Raises ValueError if the branch would not become wider.
    """
    wide = build_network(network.architecture, network.head_width, smpl_width)
    old, new = network.smpl_branch.state_dict(), wide.smpl_branch.state_dict()
    narrow_channels, channels = (len(state["stem.0.bias"]) for state in (old, new))
    if channels <= narrow_channels:
        raise ValueError(
            f"smpl_width must be above the network's {network.smpl_width:g}, got {smpl_width:g}"
        )
    kept = torch.arange(narrow_channels)
    both_paths = torch.cat((kept, kept + channels))  # top and bottom, one after the other
    for name, tensor in new.items():
        source = old[name]
        if source.shape == tensor.shape:
            tensor.copy_(source)
            continue
        merged = name.startswith("merge")
        rows = (both_paths if merged else kept) if len(source) != len(tensor) else slice(None)
        if source.ndim < 4:
            tensor[rows] = source
            continue
        # Trained channels start with zero weights for the new ones.
        columns = torch.arange(source.shape[1])
        if merged:
            columns = both_paths
        elif name.startswith(("top", "bottom")):  # the stem's channels, then heatmaps, instances
            extra = source.shape[1] - narrow_channels
            columns = torch.cat((kept, channels + torch.arange(extra)))
        block = tensor[rows]
        block.zero_()
        block[:, columns] = source
        tensor[rows] = block
    kept_state = network.state_dict()
    wide.add_parts_of(kept_state)
    wide.load_state_dict(
        kept_state | {f"smpl_branch.{name}": tensor for name, tensor in new.items()}
    )
    return wide.train(network.training)
