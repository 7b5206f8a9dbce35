"""Patches of the maps cut on the host, against those of the network."""

import numpy as np
import pytest
import torch

from icl_mesh.engine.host_patches import cut_on_host, empty_patches, patch_cutter
from icl_mesh.network.patches import cut_patches


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_patches_on_the_host_are_those_of_the_network(network, images, places, layout) -> None:
    with torch.inference_mode():
        maps = network.inference_maps(images)
    maps = maps._replace(features=maps.features.contiguous(memory_format=layout))
    for count in (0, 1, 3, 7):
        image, cell = (one[:count] for one in places)
        features, *others = cut_patches(maps, torch.from_numpy(image), torch.from_numpy(cell))
        wanted = (features.permute(0, 2, 3, 1), *others)
        for one, other in zip(cut_on_host(maps, image, cell), wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def test_patches_do_not_keep_what_was_there(network) -> None:
    """All people share memory, in the centre of a map and at its borders; and on a map so small
    that every patch exceeds all its sides."""
    for size in (160, 32):
        with torch.inference_mode():
            maps = network.inference_maps(torch.randn(2, 3, size, size))
        last = size // 8 - 1
        cell = np.array(
            [[last // 2, last // 2], [0, 0], [last, 1], [last // 2, last], [last, last]]
        )
        image = np.array([1, 0, 1, 0, 1])
        room = empty_patches(2, maps.features.shape[1])
        cut = patch_cutter(maps, image, cell, room)
        for first, count in ((0, 2), (2, 2), (4, 1), (0, 1)):
            for one in room:
                one[count:] = 7  # not theirs
            cut(first, count)
            people = slice(first, first + count)
            wanted = cut_on_host(maps, image[people], cell[people])
            near = cut_patches(maps, torch.from_numpy(image), torch.from_numpy(cell)).features
            np.testing.assert_array_equal(wanted[0], near[people].permute(0, 2, 3, 1))
            for one, other in zip(room, wanted, strict=True):
                np.testing.assert_array_equal(one[:count], other)
                assert (one[count:] == 7).all()


def test_patches_of_an_image_that_is_not_there(network, images) -> None:
    with torch.inference_mode():
        maps = network.inference_maps(images)
    with pytest.raises(ValueError, match="image must lie in a batch of 3, got 3"):
        cut_on_host(maps, np.array([0, 3]), np.array([[1, 1], [2, 2]]))
