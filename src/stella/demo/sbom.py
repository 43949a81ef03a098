"""A software bill of materials of the environment this very program runs in.

Rules:
- CycloneDX 1.6 in JSON; the same environment and time give the same bytes.
- Only what the installed packages say of themselves is written; nothing is looked up or guessed.
"""

from __future__ import annotations

import platform
import re
from importlib.metadata import Distribution, distributions

import msgspec

OWN = "stella"
MAX_LICENCE = 80  # characters; longer is the text of a licence, not its name

_SEPARATORS = re.compile(r"[-_.]+")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def normal(name: str) -> str:
    """A package name in the one form that indexes compare (lower case, single hyphens)."""
    return _SEPARATORS.sub("-", name).lower()


def _mark(package: Distribution, name: str) -> str:
    found: list[str] = package.metadata.get_all(name) or [""]
    return found[0].strip()


def _licences(package: Distribution) -> list[dict[str, object]]:
    expression = _mark(package, "License-Expression")
    if expression:
        return [{"expression": expression}]
    named = _mark(package, "License")
    if named and "\n" not in named and len(named) <= MAX_LICENCE:
        return [{"license": {"name": named}}]
    marks = package.metadata.get_all("Classifier") or []
    names = [mark.rpartition(" :: ")[2] for mark in marks if mark.startswith("License ::")]
    return [{"license": {"name": name}} for name in sorted(set(names))]


def _reference(package: Distribution) -> str:
    return f"pkg:pypi/{normal(package.name)}@{package.version}"


def _component(package: Distribution, kind: str) -> dict[str, object]:
    component: dict[str, object] = {
        "type": kind,
        "bom-ref": _reference(package),
        "name": normal(package.name),
        "version": package.version,
        "purl": _reference(package),
    }
    licences = _licences(package)
    return component | ({"licenses": licences} if licences else {})


def _needs(package: Distribution, installed: dict[str, Distribution]) -> list[str]:
    """References of the installed packages that a package asks for, those of its extras left out."""
    names = [
        normal(found[1])
        for line in package.requires or []
        if "extra ==" not in line and (found := _REQUIREMENT.match(line))
    ]
    return sorted({_reference(installed[name]) for name in names if name in installed})


def environment_sbom(created: str) -> bytes:
    """The document; `created` is its time, such as 2026-01-31T12:00:00Z."""
    installed: dict[str, Distribution] = {}
    for package in distributions():
        installed.setdefault(normal(package.name), package)  # the first on the path is the one that is imported
    packages = [installed[name] for name in sorted(installed)]
    own = installed.get(OWN)
    about: dict[str, object] = {"type": "application", "name": OWN, "bom-ref": OWN}
    python: dict[str, object] = {
        "type": "platform",
        "bom-ref": "python",
        "name": platform.python_implementation(),
        "version": platform.python_version(),
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": created, "component": _component(own, "application") if own else about},
        "components": [python, *(_component(package, "library") for package in packages if package is not own)],
        "dependencies": [{"ref": _reference(package), "dependsOn": _needs(package, installed)} for package in packages],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
