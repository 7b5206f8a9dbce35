"""Publishing serialised messages without rclpy's copy.

rclpy copies bytes before it hands them to rcl, and holds the interpreter meanwhile: with the meshes
of many people, 0.6 of 4 ms. rcl takes them where they lie. Its C function is called by ctypes,
which lets the node's other threads run.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.publisher import Publisher

from icl_mesh.native import address

#: What is smaller is copied sooner than another way of publishing has started.
LEAST_BYTES = 1 << 20


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t: not used by who only reads."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("allocate", "deallocate", "reallocate", "zero_allocate", "state")
    )


class _SerializedMessage(ctypes.Structure):
    """rcl_serialized_message_t, which is rcutils_uint8_array_t."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("buffer_length", ctypes.c_size_t),
        ("buffer_capacity", ctypes.c_size_t),
        ("allocator", _Allocator),
    )


def publish_bytes(publisher: Publisher, data: bytes) -> None:
    """Publisher.publish for the bytes of a message. Raises what that raises."""
    if len(data) < LEAST_BYTES or (publish := _rcl_publish()) is None:
        publisher.publish(data)
        return
    lies_at = address(np.frombuffer(data, np.uint8), np.uint8)
    message = _SerializedMessage(lies_at, len(data), len(data))
    with publisher.handle:  # not destroyed meanwhile
        failed = publish(publisher.handle.pointer, ctypes.byref(message), None)
    if failed:  # rclpy tells apart what is wrong
        publisher.publish(data)


@functools.cache
def _rcl_publish() -> Callable[..., int] | None:
    """rcl_publish_serialized_message of the library that rclpy has loaded; None where it is not
    found."""
    try:
        function: Any = ctypes.CDLL("librcl.so").rcl_publish_serialized_message
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    function.restype = ctypes.c_int32
    return function
