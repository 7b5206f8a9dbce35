"""Parses a pickle into plain data. No name in it is imported, instantiated or called.

Python's unpickler is unsafe for hostile files even with a restricted ``find_class``: it calls
objects from the file, its memo grows to any index, and it hashes keys of any depth.
"""

from __future__ import annotations

import codecs
import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

from icl_mesh.body.pickle_opcodes import steps, unknown
from icl_mesh.body.pickle_records import (
    DAMAGE,
    STORAGE,
    Name,
    Record,
    call,
    key,
    pairs,
    refuse,
    shown,
)

#: More steps than this take minutes. A SMPL file has hundreds, a file of lists millions.
MOST_STEPS = 20_000_000


def read_plain(
    stream: io.BytesIO,
    allowed: Callable[[Name], bool],
    references: list[tuple[Any, ...]] | None = None,
) -> Any:
    """The content of a pickle (protocols 0 to 5) as lists, dictionaries, numbers and Records.

    allowed: whether a file may use the name of a class or function. references: collects the
    persistent ids, which become Records of ``STORAGE``; if None, they are refused. Afterwards the
    stream is positioned after the pickle.

    Raises pickle.UnpicklingError for a name that is not allowed, and for damage.
    """
    try:
        with warnings.catch_warnings():  # deprecated escapes in texts
            warnings.simplefilter("ignore", DeprecationWarning)
            return _Machine(stream, allowed, references).run()
    except DAMAGE as error:
        raise pickle.UnpicklingError(f"it is damaged ({shown(error)})") from None


class _Machine:
    """pickle's stack machine; each method ``op_...`` implements the opcode of that name."""

    def __init__(
        self,
        stream: io.BytesIO,
        allowed: Callable[[Name], bool],
        references: list[tuple[Any, ...]] | None,
    ) -> None:
        self.stream = stream
        self.allowed = allowed
        self.references = references
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stack below each mark
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        read = self.stream.read
        for _ in range(MOST_STEPS):
            code = read(1)
            if code == b".":
                return self.take(1)[0]
            if code not in _STEPS:
                refuse(unknown(code))
            argument, step = _STEPS[code]
            step(self, argument(self.stream) if argument is not None else None)
        refuse(f"it has more than {MOST_STEPS} steps, which no SMPL file needs")

    def op_string(self, _: object) -> None:
        """Python 2's bytes: quoted and escaped."""
        line = self.stream.readline()
        text = line.strip()
        if line[-1:] != b"\n" or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            refuse("it is damaged (a text without its quotes)")
        self.stack.append(codecs.escape_decode(text[1:-1])[0].decode("latin1"))

    def take(self, count: int) -> list[Any]:
        """Pop the topmost ``count`` values."""
        if len(self.stack) < count:
            refuse("it is damaged (its stack is empty)")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def take_marked(self) -> list[Any]:
        """Pop all values above the last mark, and the mark."""
        if not self.below:
            refuse("it is damaged (a mark is missing)")
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def op_proto(self, version: int) -> None:
        if version > pickle.HIGHEST_PROTOCOL:
            refuse(f"it says pickle protocol {version}, but {pickle.HIGHEST_PROTOCOL} is the last")

    def op_mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def op_pop_mark(self, _: object) -> None:
        self.take_marked()

    def op_pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.take_marked()

    def op_dup(self, _: object) -> None:
        self.stack.append(self.stack[-1])

    def op_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    op_binput = op_long_binput = op_put

    def op_memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def op_get(self, index: int) -> None:
        if index not in self.memo:
            refuse(f"it is damaged (it has no object {index}, which it refers to)")
        self.stack.append(self.memo[index])

    op_binget = op_long_binget = op_get

    def op_frame(self, _: object) -> None:
        """Ignored: frames help readers of streams to read ahead."""

    op_readonly_buffer = op_frame

    def op_tuple(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(tuple(items))

    def op_list(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(items)

    def op_dict(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(pairs(items))

    def op_frozenset(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(frozenset(map(key, items)))

    def op_append(self, _: object) -> None:
        self.extend(self.take(1))

    def op_appends(self, _: object) -> None:
        self.extend(self.take_marked())

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            refuse("it is damaged (it appends to what is no list)")
        self.stack[-1].extend(items)

    def op_additems(self, _: object) -> None:
        items = self.take_marked()
        if not isinstance(self.stack[-1], set):
            refuse("it is damaged (it adds to what is no set)")
        self.stack[-1].update(map(key, items))

    def op_setitem(self, _: object) -> None:
        self.set_items(self.take(2))

    def op_setitems(self, _: object) -> None:
        self.set_items(self.take_marked())

    def set_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            refuse("it is damaged (it sets entries of what is no dictionary)")
        self.stack[-1].update(pairs(items))

    def op_global(self, names: str) -> None:
        self.stack.append(self.named(*names.split(" ", 1)))

    def op_stack_global(self, _: object) -> None:
        self.stack.append(self.named(*self.take(2)))

    def named(self, module: object, name: object) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            refuse("it is damaged (a class without a name)")
        found = Name(module, name)
        if not self.allowed(found):
            refuse(f"it wants to load {shown(found)}, which no SMPL file needs")
        return found

    def op_inst(self, names: str) -> None:
        arguments = tuple(self.take_marked())
        self.stack.append(call(self.named(*names.split(" ", 1)), arguments))

    def op_obj(self, _: object) -> None:
        kind, *arguments = self.take_marked()
        self.stack.append(call(kind, tuple(arguments)))

    def op_reduce(self, _: object) -> None:
        self.stack.append(call(*self.take(2)))

    op_newobj = op_reduce

    def op_newobj_ex(self, _: object) -> None:
        kind, arguments, _named = self.take(3)
        self.stack.append(call(kind, arguments))

    def op_build(self, _: object) -> None:
        (state,) = self.take(1)
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):  # an OrderedDict's attributes are not data
            refuse("it is damaged (a state for what is no object)")

    def op_binpersid(self, _: object) -> None:
        (reference,) = self.take(1)
        if self.references is None or not isinstance(reference, tuple):
            refuse("it refers to data outside of it, which no SMPL file does")
        self.references.append(reference)
        self.stack.append(Record(STORAGE, reference))


_STEPS = {code: (argument, step) for code, argument, step in steps(_Machine)}
