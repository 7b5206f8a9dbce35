"""The depth images of a bag, read in step with its images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from icl_mesh.bag.files import read_raw
from icl_mesh.bag.topics import IMAGE, read_message
from icl_mesh.depth.matching import DepthStore
from icl_mesh.io.wording import MESSAGE, shown

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

#: A depth image may be recorded this much later than its image.
LATEST_NS = 500_000_000
#: Depth images kept: a second at 30 Hz, since images may be recorded late too.
MOST = 30


class DepthImages:
    """Reads a depth topic up to each image in turn; the store matches by stamp."""

    def __init__(self, reader: AnyReader, topic: str) -> None:
        """reader: a second reader of the bag, independent of that of the images.

        Raises ValueError unless the topic has (uncompressed) images.
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
        """Read the depth images that may match an image, and return the store.

        stamp_ns: stamp of the image. time_ns: when it was recorded. Reading goes on past time_ns
        until the nearest depth image is certain, at most by LATEST_NS.
        """
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
        with suppress(ValueError):  # reading the images reports a damaged bag
            for connection, time_ns, data in read_raw(reader, self._connections):
                try:
                    yield time_ns, read_message(reader, connection, time_ns, data)
                except ValueError as error:  # its image keeps the distances from body size
                    tqdm.write(shown(error, MESSAGE), file=sys.stderr)
