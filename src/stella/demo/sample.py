"""Two made versions of a program, for a demo without a package index.

Rules:
- The bytes depend on the version alone: the same on every machine, under every Python.
- It changes the way a linked program changes: a few functions grow or appear, everything behind them moves, and so do
  the addresses of every call. That is what makes a delta of a binary harder than a delta of text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stella.runtime.files import make_directory, writing

FIRST, SECOND = "1.0.0", "1.1.0"
VERSIONS = (FIRST, SECOND)

FUNCTIONS = 4096  # with bodies of 2 KiB on average: 8 MiB
SHORTEST, SPREAD = 1024, 2048  # bytes of a body
CALLS = 12  # addresses at the end of a body
CHANGED_EACH = 97  # one function in so many is rewritten in the second version
ADDED_EACH = 512  # and one new function follows after so many
BASE_ADDRESS = 0x40_0000
OPCODES = bytes(
    hashlib.sha256(bytes([value])).digest()[0] % 48 for value in range(256)
)  # few values, as in machine code


class _Function(NamedTuple):
    """One function: what its bytes are made from, and where in the list its callees are."""

    seed: str
    callees: tuple[int, ...]


def _functions(version: str) -> list[_Function]:
    later = version != FIRST
    found: list[_Function] = []
    for index in range(FUNCTIONS):
        revision = 2 if later and index % CHANGED_EACH == 1 else 1
        picks = hashlib.shake_256(f"calls {index}".encode()).digest(2 * CALLS)
        callees = tuple(int.from_bytes(picks[at : at + 2], "big") % FUNCTIONS for at in range(0, 2 * CALLS, 2))
        found.append(_Function(f"function {index} revision {revision}", callees))
        if later and index % ADDED_EACH == ADDED_EACH - 1:
            found.append(_Function(f"added after {index}", callees))
    return found


def _body(seed: str) -> bytes:
    length = SHORTEST + int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % SPREAD
    return hashlib.shake_256(seed.encode()).digest(length).translate(OPCODES)


def program(version: str) -> bytes:
    """The bytes of the program, about 8 MiB."""
    functions = _functions(version)
    bodies = [_body(function.seed) for function in functions]
    addresses = list(_addresses(bodies))
    known = [at for at, function in zip(addresses, functions, strict=True) if function.seed.startswith("function")]
    parts = [f"sample-server {version}\n".encode().ljust(64, b"\0")]
    for function, body in zip(functions, bodies, strict=True):
        parts.append(body)
        parts += [known[callee].to_bytes(4, "little") for callee in function.callees]
    return b"".join(parts)


def _addresses(bodies: list[bytes]) -> Iterator[int]:
    at = BASE_ADDRESS
    for body in bodies:
        yield at
        at += len(body) + 4 * CALLS


def make_release(version: str, into: Path) -> Path:
    """Write the program and its notes below `into` and return it; raises the errors of `runtime.files`."""
    notes = f"sample-server {version}\n\nMade by `stella demo`: no program, only bytes that change like one.\n"
    for name, data in (("bin/sample-server", program(version)), ("NOTES.txt", notes.encode())):
        path = into / name
        make_directory(path.parent)
        with writing(path):
            path.write_bytes(data)
    return into
