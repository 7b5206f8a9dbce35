"""Parts of messages in CDR (OMG CDR, version 1), as rclpy serialises them.

Each number is aligned to its own size. Alignment counts from the end of the encapsulation header.
The length of a string or a sequence precedes it.
"""

from __future__ import annotations

import struct
import sys

from std_msgs.msg import Header

#: The encapsulation header: plain CDR in this machine's byte order.
ENCAPSULATION = bytes((0, int(sys.byteorder == "little"), 0, 0))


def string(text: str) -> bytes:
    """A string that starts at a multiple of 4, padded to a multiple of 4."""
    data = text.encode() + b"\0"
    return count(len(data)) + data + bytes(-len(data) % 4)


def count(number: int) -> bytes:
    """The length of a sequence, or any other uint32."""
    return struct.pack("=I", number)


def header(message: Header) -> bytes:
    """A header that starts at a multiple of 4, padded to a multiple of 4."""
    return stamp(message) + string(message.frame_id)


def stamp(message: Header) -> bytes:
    """The stamp of a header; starts at a multiple of 4."""
    return struct.pack("=iI", message.stamp.sec, message.stamp.nanosec)
