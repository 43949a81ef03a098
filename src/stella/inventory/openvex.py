"""OpenVEX documents, versions 0.0.1 and 0.2.0 of the specification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from stella.inventory.errors import WrongVersion
from stella.inventory.instants import parse_instant
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode
from stella.inventory.statements import JUSTIFICATIONS, NEVER, STATUSES, Statement

FORM = "OpenVEX document"
CONTEXT = "https://openvex.dev/ns"
VERSIONS = (CONTEXT, f"{CONTEXT}/v0.0.1", f"{CONTEXT}/v0.2.0")


class _Vulnerability(msgspec.Struct, rename={"id": "@id"}):
    name: str = ""
    id: str = ""
    aliases: list[str] = []


class _Component(msgspec.Struct, rename={"id": "@id"}):
    id: str = ""
    identifiers: dict[str, str] | None = None


class _Product(_Component):
    subcomponents: list[_Component | str] | None = None


class _Statement(msgspec.Struct):
    status: str
    vulnerability: _Vulnerability | str
    products: list[_Product | str] | None = None
    subcomponents: list[_Component | str] | None = None
    justification: str = ""
    impact_statement: str = ""
    action_statement: str = ""
    timestamp: str | None = None
    last_updated: str | None = None
    supplier: str = ""


class _Document(msgspec.Struct, rename={"context": "@context"}):
    context: str
    author: str
    statements: list[msgspec.Raw]
    timestamp: str | None = None
    last_updated: str | None = None


def read(document: Document, tally: Tally) -> Iterator[Statement]:
    """The statements of a document; bad ones go to the tally. Raises as `decode`, or WrongVersion."""
    found = decode(document, _Document, FORM)
    if found.context.rstrip("/") not in VERSIONS:
        raise WrongVersion(file=document.shown, form=FORM, version=found.context, known=", ".join(VERSIONS))
    for number, raw in enumerate(found.statements, 1):
        name = f"statement {number}"
        try:
            told = msgspec.json.decode(raw, type=_Statement)
            at = parse_instant(told.last_updated or told.timestamp or found.last_updated or found.timestamp)
            statements = list(_flattened(told, told.supplier or found.author, NEVER if at is None else at))
        except msgspec.MsgspecError as error:
            tally.bad(name, "bad_record", error)
        except ValueError as error:
            tally.bad(name, "bad_status", error)
        else:
            tally.good()
            yield from statements


def _flattened(told: _Statement, vendor: str, at: int) -> Iterator[Statement]:
    if told.status not in STATUSES:
        raise ValueError(f"its status is {told.status[:40]!r}")
    if told.justification and told.justification not in JUSTIFICATIONS:
        raise ValueError(f"its justification is {told.justification[:60]!r}")
    if told.status == "not_affected" and not (told.justification or told.impact_statement):
        raise ValueError("it says not_affected without a justification")
    vulnerability = told.vulnerability
    names = {vulnerability} if isinstance(vulnerability, str) else {vulnerability.name, *vulnerability.aliases}
    names.discard("")
    if not names or not told.products:
        raise ValueError("it names no vulnerability" if not names else "it names no product")
    vulnerabilities = tuple(sorted(names))
    justification = told.justification if told.status == "not_affected" else ""
    for product in told.products:
        inside: list[Any] = list(told.subcomponents or ())
        if isinstance(product, _Product):
            inside += product.subcomponents or ()
        for component in sorted({_name(one) for one in inside}) or [""]:
            yield Statement(vulnerabilities, _name(product), component, told.status, justification, vendor, at)


def _name(one: _Component | str) -> str:
    """The package URL of a product when it has one, else its name."""
    if isinstance(one, str):
        return one
    return one.id if one.id.startswith("pkg:") else (one.identifiers or {}).get("purl") or one.id
