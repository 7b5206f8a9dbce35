"""The network: images to maps. See :func:`build_network` and :class:`NetworkMaps`."""

from icl_mesh.network.build import BACKBONES, build_network
from icl_mesh.network.imagenet import load_imagenet_mobilenet
from icl_mesh.network.model import IclMeshNetwork, NetworkMaps
from icl_mesh.network.movenet import KeypointChannels
from icl_mesh.network.movenet_weights import load_movenet
from icl_mesh.network.normalization import IMAGENET_MEAN, IMAGENET_STD
from icl_mesh.network.patches import InferenceMaps
from icl_mesh.network.sampling import cell_from_square, sample_at

__all__ = [
    "BACKBONES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IclMeshNetwork",
    "InferenceMaps",
    "KeypointChannels",
    "NetworkMaps",
    "build_network",
    "cell_from_square",
    "load_imagenet_mobilenet",
    "load_movenet",
    "sample_at",
]
