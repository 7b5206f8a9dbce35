"""The depth images of a bag, read along with its images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from icl_mesh.bag.files import read_raw
from icl_mesh.bag.topics import IMAGE, read_message
from icl_mesh.depth_store import DepthStore

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

#: How long after its image a depth image may have been recorded.
LATEST_NS = 500_000_000
#: Depth images kept: a second at 30 Hz, for images that were recorded late themselves.
MOST = 30


class DepthImages:
    """A depth topic, read up to each image in turn; the store finds the one that belongs to it."""

    def __init__(self, reader: AnyReader, topic: str) -> None:
        """reader: of its own, since it is read beside the images.

        Raises ValueError where the topic is not one of (uncompressed) images.
        """
        images = [c for c in reader.connections if c.msgtype == IMAGE]
        self._connections = [c for c in images if c.topic == topic]
        if not self._connections:
            there = ", ".join(sorted({c.topic for c in images})) or "none"
            raise ValueError(
                f"topics of type {IMAGE} in the bag: {there}; --depth-topic '{topic}' is not one"
            )
        self.store = DepthStore(topic, MOST)
        self._messages = self._read(reader)
        self._next = next(self._messages, None)

    def read_up_to(self, stamp_ns: int, time_ns: int) -> DepthStore:
        """The store, with what was recorded before the image of this stamp, itself recorded at
        time_ns; and after it as far as it takes to be sure of the nearest."""
        while self._next is not None:
            recorded_ns, message = self._next
            if recorded_ns > time_ns and (
                self.store.reaches(stamp_ns) or recorded_ns > time_ns + LATEST_NS
            ):
                break
            self.store.put(message)
            self._next = next(self._messages, None)
        return self.store

    def _read(self, reader: AnyReader) -> Iterator[tuple[int, Any]]:
        with suppress(ValueError):  # a bag that is damaged further on: the images will say so
            for connection, time_ns, data in read_raw(reader, self._connections):
                try:
                    yield time_ns, read_message(reader, connection, time_ns, data)
                except ValueError as error:  # its image keeps the distances by size
                    tqdm.write(str(error), file=sys.stderr)
