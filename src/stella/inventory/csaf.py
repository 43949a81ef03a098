"""CSAF documents of the profile VEX, versions 2.0 and 2.1.

Rules:
- A product that is a component of another one is told by a relationship; both have package URLs in the tree.
- A record is one product of one vulnerability in one status.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from stella.inventory.errors import WrongFormat, WrongVersion
from stella.inventory.instants import parse_instant
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document, decode
from stella.inventory.statements import JUSTIFICATIONS, NEVER, Statement

FORM = "CSAF VEX document"
CATEGORY = "csaf_vex"
VERSIONS = ("2.0", "2.1")
MAX_BRANCHES = 64  # levels of the tree; the schema's own tools stop at 30
_STATUS = {
    "known_not_affected": "not_affected",
    "known_affected": "affected",
    "first_affected": "affected",
    "last_affected": "affected",
    "fixed": "fixed",
    "first_fixed": "fixed",
    "under_investigation": "under_investigation",
}


class _Helper(msgspec.Struct):
    purl: str = ""
    purls: list[str] | None = None


class _Product(msgspec.Struct, rename={"id": "product_id", "helper": "product_identification_helper"}):
    id: str
    name: str = ""
    helper: _Helper | None = None


class _Branch(msgspec.Struct):
    branches: list[msgspec.Raw] | None = None
    product: _Product | None = None


class _Relationship(
    msgspec.Struct,
    rename={"whole": "relates_to_product_reference", "part": "product_reference", "product": "full_product_name"},
):
    product: _Product
    part: str
    whole: str


class _Group(msgspec.Struct):
    group_id: str
    product_ids: list[str]


class _Tree(msgspec.Struct):
    branches: list[msgspec.Raw] | None = None
    full_product_names: list[_Product] | None = None
    relationships: list[_Relationship] | None = None
    product_groups: list[_Group] | None = None


class _Flag(msgspec.Struct):
    label: str
    product_ids: list[str] | None = None
    group_ids: list[str] | None = None


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    ids: list[dict[str, str]] | None = None
    flags: list[_Flag] | None = None
    product_status: dict[str, list[str]] | None = None


class _Tracking(msgspec.Struct):
    current_release_date: str | None = None


class _Publisher(msgspec.Struct):
    name: str


class _Head(msgspec.Struct):
    category: str
    csaf_version: str
    publisher: _Publisher
    tracking: _Tracking


class _Csaf(msgspec.Struct, rename={"tree": "product_tree"}):
    document: _Head
    tree: _Tree | None = None
    vulnerabilities: list[msgspec.Raw] | None = None


class _Place(NamedTuple):
    """What a product id stands for: a product, and perhaps a component inside of it."""

    product: str
    component: str


def read(document: Document, tally: Tally) -> Iterator[Statement]:
    """The statements of a document; bad ones go to the tally. Raises as `decode`, WrongFormat or WrongVersion."""
    found = decode(document, _Csaf, FORM)
    head = found.document
    if head.csaf_version not in VERSIONS:
        raise WrongVersion(file=document.shown, form="CSAF", version=head.csaf_version, known=", ".join(VERSIONS))
    if head.category != CATEGORY:
        raise WrongFormat(file=document.shown, expected=FORM, problem=f"its category is {head.category[:60]!r}")
    tree = found.tree or _Tree()
    places = _places(tree, document)
    groups = {group.group_id: group.product_ids for group in tree.product_groups or ()}
    try:
        at = parse_instant(head.tracking.current_release_date)
    except ValueError as error:
        raise WrongFormat(file=document.shown, expected=FORM, problem=error) from None
    for number, raw in enumerate(found.vulnerabilities or (), 1):
        try:
            told = msgspec.json.decode(raw, type=_Vulnerability)
        except msgspec.MsgspecError as error:
            tally.bad(f"vulnerability {number}", "bad_record", error)
            continue
        yield from _statements(told, places, groups, (head.publisher.name, NEVER if at is None else at), tally)


def _statements(
    told: _Vulnerability,
    places: dict[str, _Place],
    groups: dict[str, list[str]],
    said: tuple[str, int],
    tally: Tally,
) -> Iterator[Statement]:
    names = tuple(sorted({told.cve, *(one.get("text", "") for one in told.ids or ())} - {""}))
    why: dict[str, str] = {}
    for flag in told.flags or ():
        grouped = [product for group in flag.group_ids or () for product in groups.get(group, ())]
        if flag.label in JUSTIFICATIONS:
            why |= dict.fromkeys((*(flag.product_ids or ()), *grouped), flag.label)
    for kind, products in sorted((told.product_status or {}).items()):
        status = _STATUS.get(kind)
        for product in products if status else ():
            place = places.get(product)
            if place is None:
                tally.bad(f"{told.cve} {product}", "missing_reference", "the product is not in the tree")
            elif not names:
                tally.bad(product, "bad_record", "the vulnerability has no id")
            else:
                tally.good()
                justification = why.get(product, "") if status == "not_affected" else ""
                yield Statement(names, *place, status or "", justification, *said)


def _places(tree: _Tree, document: Document) -> dict[str, _Place]:
    products = {one.id: _name(one) for one in tree.full_product_names or ()}
    waiting = [(raw, 1) for raw in tree.branches or ()]
    while waiting:
        raw, depth = waiting.pop()
        try:
            branch = msgspec.json.decode(raw, type=_Branch)
        except msgspec.MsgspecError as error:
            raise WrongFormat(file=document.shown, expected=FORM, problem=error) from None
        if depth > MAX_BRANCHES:
            raise WrongFormat(
                file=document.shown, expected=FORM, problem=f"more than {MAX_BRANCHES} levels of branches"
            )
        if branch.product is not None:
            products[branch.product.id] = _name(branch.product)
        waiting += [(below, depth + 1) for below in branch.branches or ()]
    places = {name: _Place(product, "") for name, product in products.items()}
    for one in tree.relationships or ():
        whole, part = products.get(one.whole), products.get(one.part)
        if whole is not None and part is not None:
            places[one.product.id] = _Place(whole, part)
    return places


def _name(one: _Product) -> str:
    helper = one.helper or _Helper()
    return helper.purl or next(iter(helper.purls or ()), "") or one.name or one.id
