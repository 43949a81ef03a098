"""CycloneDX JSON, 1.4 to 1.6; 1.2 and 1.3 say the same in what is read here.

Rules:
- Nested components count like those of the first level.
- A component without a scope is required (specification, `components[].scope`).
- Whether a component is direct is known only when the dependencies of what the SBOM is about are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stella.inventory.bom import Bom, Component, component, cycle, licenses_of, tags_of
from stella.inventory.errors import WrongVersion
from stella.inventory.packages import parse
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6")
MAX_NESTED = 64  # components within components; tools write two or three
FORM = "CycloneDX SBOM"


class _Named(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class _License(msgspec.Struct):
    license: _Named | None = None
    expression: str | None = None


class _Component(msgspec.Struct, rename={"ref": "bom-ref"}):
    name: str = ""
    ref: str | None = None
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    scope: str | None = None
    licenses: list[_License] | None = None
    tags: list[str] | None = None
    components: list[msgspec.Raw] | None = None


class _Metadata(msgspec.Struct):
    component: _Component | None = None


class _Dependency(msgspec.Struct, rename={"depends_on": "dependsOn"}):
    ref: str
    depends_on: list[str] = []


class _Bom(msgspec.Struct, rename={"format": "bomFormat", "version": "specVersion"}):
    format: str
    version: str
    metadata: _Metadata | None = None
    components: list[msgspec.Raw] | None = None
    services: list[Any] | None = None
    dependencies: list[msgspec.Raw] | None = None


def read(document: Document, tally: Tally) -> Bom:
    """Read an SBOM; bad records go to the tally. Raises as `decode`, or WrongVersion."""
    bom = decode(document, _Bom, FORM)
    if bom.version not in VERSIONS:
        raise WrongVersion(file=document.shown, form=FORM, version=bom.version, known=", ".join(VERSIONS))
    subject = (bom.metadata.component if bom.metadata else None) or _Component()
    found = list(_components(bom.components or [], tally))
    refs = {one.ref for one in found if one.ref} | {subject.ref}
    refs |= {one.get("bom-ref") for one in bom.services or [] if isinstance(one, dict)}
    graph = dict(_dependencies(bom.dependencies or [], refs, tally))
    if circle := cycle(graph):
        tally.note(circle[0], "reference_cycle", f"{len(circle)} dependencies depend on each other")
    direct = graph.get(subject.ref) if subject.ref else None
    purl = _purl(subject.purl)
    components = frozenset(_judged(found, direct, tally))
    return Bom(
        _name(subject),
        purl.to_string() if purl else None,
        tags_of(purl, subject.tags or ()),
        components,
        sum(1 for one in found if not one.purl),
    )


def _components(raws: list[msgspec.Raw], tally: Tally) -> Iterator[_Component]:
    waiting = [(raw, 0) for raw in reversed(raws)]
    seen: set[str] = set()
    number = 0
    while waiting:
        raw, depth = waiting.pop()
        number += 1
        try:
            one = msgspec.json.decode(raw, type=_Component)
        except msgspec.MsgspecError as error:
            tally.bad(f"component {number}", "bad_record", error)
            continue
        if one.ref in seen:
            tally.bad(one.ref or "", "duplicate_id", "two components have this bom-ref")
            continue
        if depth > MAX_NESTED:
            tally.bad(one.ref or one.name, "bad_record", f"nested deeper than {MAX_NESTED} components")
            continue
        if one.ref:
            seen.add(one.ref)
        waiting += [(raw, depth + 1) for raw in reversed(one.components or [])]
        yield one


def _dependencies(raws: list[msgspec.Raw], refs: set[str | None], tally: Tally) -> Iterator[tuple[str, frozenset[str]]]:
    for number, raw in enumerate(raws, 1):
        try:
            one = msgspec.json.decode(raw, type=_Dependency)
        except msgspec.MsgspecError as error:
            tally.bad(f"dependency {number}", "bad_record", error)
            continue
        if unknown := sorted({one.ref, *one.depends_on} - refs):
            tally.bad(one.ref, "missing_reference", f"{len(unknown)} unknown, the first is {unknown[0]}")
        else:
            tally.good()
        yield one.ref, frozenset(one.depends_on)


def _judged(found: list[_Component], direct: frozenset[str] | None, tally: Tally) -> Iterator[Component]:
    for one in found:
        if not one.purl:
            tally.good()
            continue
        try:
            purl = parse(one.purl)
        except ValueError as error:
            tally.bad(one.purl, "bad_purl", error)
            continue
        scope = one.scope or "required"
        if scope not in {"required", "optional", "excluded"}:
            tally.bad(one.purl, "bad_record", f"its scope is {scope!r}")
            continue
        tally.good()
        yield component(purl, scope, direct=None if direct is None else one.ref in direct, licenses=_licenses(one))


def _licenses(one: _Component) -> tuple[str, ...] | None:
    told = [choice.expression or (choice.license.id if choice.license else None) for choice in one.licenses or []]
    return licenses_of(told)


def _purl(text: str | None) -> Any:  # noqa: ANN401  # PackageURL or None
    try:
        return parse(text) if text else None
    except ValueError:
        return None


def _name(subject: _Component) -> str:
    name = f"{subject.group}/{subject.name}" if subject.group else subject.name
    return f"{name}@{subject.version}" if name and subject.version else name
