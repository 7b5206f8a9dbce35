"""Pieces of messages in CDR, as rclpy serialises them (OMG CDR, version 1): every number is aligned
to its own size, counted from behind the encapsulation; strings and sequences are preceded by their
length."""

from __future__ import annotations

import struct
import sys

from std_msgs.msg import Header

#: What a serialised message starts with: plain CDR in this machine's order of bytes.
ENCAPSULATION = bytes((0, int(sys.byteorder == "little"), 0, 0))


def string(text: str) -> bytes:
    """A string whose length stands at a multiple of 4, padded to the next one."""
    data = text.encode() + b"\0"
    return count(len(data)) + data + bytes(-len(data) % 4)


def count(number: int) -> bytes:
    """The length of a sequence, or any other uint32."""
    return struct.pack("=I", number)


def header(message: Header) -> bytes:
    """A header that starts at a multiple of 4, padded to the next one."""
    return stamp(message) + string(message.frame_id)


def stamp(message: Header) -> bytes:
    """The stamp of a header, at a multiple of 4."""
    return struct.pack("=iI", message.stamp.sec, message.stamp.nanosec)
