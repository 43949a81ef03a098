"""Every error class there is, found in the `errors.py` of each package.

Rules:
- Only modules named `errors` are imported; they import nothing heavy, so the list costs milliseconds and works offline.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

import stella
from stella.kernel.errors import Exit, StellaError

EXIT_MEANING = {
    Exit.OK: "it worked",
    Exit.UNEXPECTED: "unexpected: a defect of Stella",
    Exit.USAGE: "bad usage or bad input",
    Exit.DENIED: "not authenticated or not allowed",
    Exit.NOT_FOUND: "not found",
    Exit.SEALED: "needs a network while sealed",
    Exit.NEGATIVE: "ran fine, the verdict is negative",
    Exit.TRANSIENT: "may pass: mend or wait, then run again",
    Exit.INTERRUPTED: "interrupted",
}


def error_classes() -> dict[str, type[StellaError]]:
    """Error classes by code, sorted. Raises ValueError for a class without a code or a code taken twice."""
    found: dict[str, type[StellaError]] = {}
    for package in pkgutil.walk_packages(stella.__path__, "stella."):
        for kind in _classes(package.name) if package.ispkg else []:
            if not kind.code or kind.code in found:
                raise ValueError(f"{kind.__qualname__} has no code of its own: {kind.code!r}")
            found[kind.code] = kind
    return dict(sorted(found.items()))


def _classes(package: str) -> list[type[StellaError]]:
    """The error classes that a package defines; none when it has no `errors.py`."""
    module = f"{package}.errors"
    # stella: allow STL005 until 2027-11-30: packages of this program alone, as pkgutil lists them
    if all(found.name != "errors" for found in pkgutil.iter_modules(import_module(package).__path__)):
        return []
    # stella: allow STL005 until 2027-11-30: as above
    kinds = (value for value in vars(import_module(module)).values() if isinstance(value, type))
    return [
        kind
        for kind in kinds
        if issubclass(kind, StellaError) and kind is not StellaError and kind.__module__ == module
    ]
