"""What documents name: the advisories of a feed, the packages of an SBOM.

Rules:
- Reading never fails: a document of another form names nothing.
- Names are taken as they are written; nothing is looked up and no version is compared.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import unquote

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Kind = Literal["advisory", "package"]


class Named(NamedTuple):
    """Something that a document names; `version` and `purl` are empty when it says none.

    `also` are other ids of the same thing, such as the CVE of an advisory.
    """

    kind: Kind
    name: str
    version: str = ""
    purl: str = ""
    also: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and version as people write them."""
        return f"{self.name} {self.version}".strip()


class _Advisory(msgspec.Struct):
    id: str
    aliases: list[str] = []


class _Component(msgspec.Struct):
    name: str
    version: str = ""
    purl: str = ""


class _CycloneDx(msgspec.Struct):
    components: list[_Component]


class _SpdxReference(msgspec.Struct):
    kind: str = msgspec.field(name="referenceType", default="")
    locator: str = msgspec.field(name="referenceLocator", default="")


class _SpdxPackage(msgspec.Struct):
    name: str
    version: str = msgspec.field(name="versionInfo", default="")
    references: list[_SpdxReference] = msgspec.field(name="externalRefs", default_factory=list)


class _Spdx(msgspec.Struct):
    packages: list[_SpdxPackage]


def advisories(data: bytes) -> list[Named]:
    """The advisory of an OSV document (OSV schema, `id` and `aliases`), or the id of one in YAML."""
    try:
        found = msgspec.json.decode(data, type=_Advisory)
    except UNREADABLE:
        head = data[:4096].decode("utf-8", "replace").splitlines()
        line = next((line for line in head if line.startswith("id:")), "")
        return [Named("advisory", line.removeprefix("id:").strip().strip("'\""))] if line else []
    return [Named("advisory", found.id, also=tuple(found.aliases))]


def packages(data: bytes) -> list[Named]:
    """The packages of a CycloneDX (1.4 and later) or SPDX (2.3) document in JSON."""
    try:
        return [
            Named("package", found.name, found.version, found.purl)
            for found in msgspec.json.decode(data, type=_CycloneDx).components
        ]
    except UNREADABLE:
        pass
    try:
        listed = msgspec.json.decode(data, type=_Spdx).packages
    except UNREADABLE:
        return []
    return [
        Named(
            "package",
            found.name,
            found.version,
            next((ref.locator for ref in found.references if ref.kind == "purl"), ""),
        )
        for found in listed
    ]


READERS = {"advisories": advisories, "sbom": packages}


def named(data: bytes) -> list[Named]:
    """What a document names, whatever it was carried as."""
    return [found for read in READERS.values() for found in read(data)]


def folded(term: str) -> str:
    """A term as it is kept and compared: without regard to case, and to how a package URL is written.

    A package URL (purl-spec) loses its qualifiers, its subpath and its percent-encoding.
    """
    term = term.strip().casefold()
    return unquote(term.partition("#")[0].partition("?")[0]) if term.startswith("pkg:") else term
