"""SPDX 2.3 JSON; 2.2 says the same in what is read here.

Rules:
- What the document describes is what the SBOM is about, when that is one package; it is no component of itself.
- Whether a component is direct is known only when what the SBOM is about is said to depend on something.
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

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
FORM = "SPDX SBOM"
_DOCUMENT = "SPDXRef-DOCUMENT"
_OUTSIDE = ("DocumentRef-", "NOASSERTION", "NONE")  # names of what is not in the document


class _Reference(msgspec.Struct, rename={"type": "referenceType", "locator": "referenceLocator"}):
    type: str
    locator: str


class _Package(
    msgspec.Struct,
    rename={"id": "SPDXID", "refs": "externalRefs", "concluded": "licenseConcluded", "declared": "licenseDeclared"},
):
    id: str
    name: str
    refs: list[_Reference] | None = None
    concluded: str | None = None
    declared: str | None = None


class _Element(msgspec.Struct, rename={"id": "SPDXID"}):
    id: str


class _Relation(
    msgspec.Struct, rename={"one": "spdxElementId", "other": "relatedSpdxElement", "kind": "relationshipType"}
):
    one: str
    other: str
    kind: str


class _Spdx(msgspec.Struct, rename={"version": "spdxVersion", "describes": "documentDescribes"}):
    version: str
    name: str = ""
    describes: list[str] | None = None
    packages: list[msgspec.Raw] | None = None
    files: list[_Element] | None = None
    snippets: list[_Element] | None = None
    relationships: list[msgspec.Raw] | None = None


def read(document: Document, tally: Tally) -> Bom:
    """Read an SBOM; bad records go to the tally. Raises as `decode`, or WrongVersion."""
    bom = decode(document, _Spdx, FORM)
    if bom.version not in VERSIONS:
        raise WrongVersion(file=document.shown, form=FORM, version=bom.version, known=", ".join(VERSIONS))
    packages = dict(_packages(bom.packages or [], tally))
    known = packages.keys() | {one.id for one in (*(bom.files or ()), *(bom.snippets or ()))} | {_DOCUMENT}
    relations = list(_relations(bom.relationships or [], known, tally))
    described = {one.other for one in relations if one.kind == "DESCRIBES" and one.one == _DOCUMENT}
    described |= {one.one for one in relations if one.kind == "DESCRIBED_BY" and one.other == _DOCUMENT}
    described |= set(bom.describes or ()) & packages.keys()
    root = next(iter(described)) if len(described) == 1 else None
    graph = _graph(relations)
    if circle := cycle(graph):
        tally.note(circle[0], "reference_cycle", f"{len(circle)} packages depend on each other")
    subject = packages.pop(root, None) if root else None
    purl = _subject(subject)
    found = [(name, one, _purls(one)) for name, one in packages.items()]
    return Bom(
        bom.name or (subject.name if subject else ""),
        purl.to_string() if purl else None,
        tags_of(purl, ()),
        frozenset(_judged(found, graph.get(root) if root else None, tally)),
        sum(1 for _, _, purls in found if not purls),
    )


def _packages(raws: list[msgspec.Raw], tally: Tally) -> Iterator[tuple[str, _Package]]:
    seen: set[str] = set()
    for number, raw in enumerate(raws, 1):
        try:
            one = msgspec.json.decode(raw, type=_Package)
        except msgspec.MsgspecError as error:
            tally.bad(f"package {number}", "bad_record", error)
            continue
        if one.id in seen:
            tally.bad(one.id, "duplicate_id", "two packages have this SPDXID")
            continue
        seen.add(one.id)
        yield one.id, one


def _relations(raws: list[msgspec.Raw], known: set[str], tally: Tally) -> Iterator[_Relation]:
    for number, raw in enumerate(raws, 1):
        try:
            one = msgspec.json.decode(raw, type=_Relation)
        except msgspec.MsgspecError as error:
            tally.bad(f"relationship {number}", "bad_record", error)
            continue
        unknown = [name for name in (one.one, one.other) if name not in known and not name.startswith(_OUTSIDE)]
        if unknown:
            tally.bad(one.one, "missing_reference", f"{one.kind} of {unknown[0]}, which is not in the document")
        else:
            tally.good()
            yield one


def _graph(relations: list[_Relation]) -> dict[str, set[str]]:
    """What depends on what."""
    graph: dict[str, set[str]] = {}
    for one in relations:
        if one.kind == "DEPENDS_ON":
            graph.setdefault(one.one, set()).add(one.other)
        elif one.kind.endswith("DEPENDENCY_OF"):
            graph.setdefault(one.other, set()).add(one.one)
    return graph


def _purls(one: _Package) -> list[str]:
    return [ref.locator for ref in one.refs or () if ref.type == "purl"]


def _subject(one: _Package | None) -> Any:  # noqa: ANN401  # PackageURL or None
    for text in _purls(one) if one else ():
        try:
            return parse(text)
        except ValueError:
            continue
    return None


def _judged(found: list[tuple[str, _Package, list[str]]], direct: set[str] | None, tally: Tally) -> Iterator[Component]:
    for name, one, purls in found:
        told = licenses_of([one.concluded] if licenses_of([one.concluded]) else [one.declared])
        try:
            parsed = [parse(text) for text in purls]
        except ValueError as error:
            tally.bad(name, "bad_purl", error)
            continue
        tally.good()
        for purl in parsed:
            yield component(purl, None, direct=None if direct is None else name in direct, licenses=told)
