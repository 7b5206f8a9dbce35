"""The parts of a parsed pickle: names, records, and the few calls that give plain data."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

#: Keys of dictionaries are names, numbers, or tuples of these, of at most this depth and length.
_KEY_DEPTH, _KEY_LENGTH = 2, 8

#: Errors of numpy, scipy and zipfile for inconsistent parts of a damaged file.
DAMAGE = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    *(RecursionError, EOFError),
)


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Record:
    """An object of a pickle: callable, arguments, and the state set afterwards."""

    kind: Name
    arguments: tuple[Any, ...]
    state: Any = None


#: Replaces a storage of torch, which a pickle refers to by a persistent id.
STORAGE = Name("torch", "storage")


def refuse(text: str) -> NoReturn:
    raise pickle.UnpicklingError(text)


def shown(value: object, most: int = 80) -> str:
    """A value from a file for a message: cut, on one line, in ASCII."""
    if not isinstance(value, (str, int, float, Name, Exception)):
        return f"a {type(value).__name__}"  # the text of a nested value can be of any length
    return ascii(str(value)[:most])[1:-1]


def key(value: object, depth: int = _KEY_DEPTH) -> Any:
    """A checked key of a dictionary. Depth and kinds are limited: hashing recurses in C."""
    if isinstance(value, tuple) and depth > 0 and len(value) <= _KEY_LENGTH:
        return tuple(key(part, depth - 1) for part in value)
    if value is None or isinstance(value, (str, bytes, int, float, Record)):
        return value
    refuse(f"it is damaged (a {type(value).__name__} as the key of a dictionary)")


def pairs(items: list[Any]) -> dict[Any, Any]:
    """key, value, key, value, ... as a dictionary."""
    return dict(zip(map(key, items[::2]), items[1::2], strict=True))


def call(kind: object, arguments: object) -> Any:
    """The result of ``kind(*arguments)``: bytes or a dictionary, else a Record."""
    if not isinstance(kind, Name) or not isinstance(arguments, tuple):
        refuse("it is damaged (it calls what has no name)")
    return INSTEAD[kind](*arguments) if kind in INSTEAD else Record(kind, arguments)


def _bytes(content: object = b"", encoding: object = "latin1") -> bytes:
    """Bytes of pickle protocols before 3, which Python 3 stores as Latin-1 text."""
    if encoding not in ("latin1", "latin-1"):
        refuse(f"text encoding {shown(encoding)} is not allowed")
    if isinstance(content, str):
        return content.encode("latin1")
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    refuse(f"it is damaged (bytes made of a {type(content).__name__})")


def _new(kind: object, *arguments: object) -> Any:
    """``copy_reg._reconstructor``: an object without its state."""
    if not isinstance(kind, Name):
        refuse("it is damaged (an object of no class)")
    return Record(kind, arguments)


def _ordered(items: object = ()) -> dict[Any, Any]:
    if not isinstance(items, (list, tuple)):
        refuse("it is damaged (an OrderedDict of no list)")
    return {key(name): value for name, value in items}


#: Callables that give plain data instead of a Record, by their names in Python 2 and 3.
INSTEAD: dict[Name, Callable[..., Any]] = {
    Name("_codecs", "encode"): _bytes,
    **{Name(module, "_reconstructor"): _new for module in ("copyreg", "copy_reg")},
    **{
        Name(module, name): _bytes
        for module in ("builtins", "__builtin__")
        for name in ("bytes", "bytearray")
    },
    Name("collections", "OrderedDict"): _ordered,
}
