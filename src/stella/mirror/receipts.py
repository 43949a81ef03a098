"""Receipts of sites: what a site says it holds, and so what a bundle for it may leave out.

Rules:
- A receipt is signed by its site. The first receipt of a site enrols its key; later ones must be by the same key.
- A receipt gives no access to anything: at worst it makes a bundle that its sender cannot use.
- The generation it names must be one of this channel, with the same root, and still be kept here.
"""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec

from stella.bundle.channel import ChannelFolder
from stella.bundle.errors import GenerationMissing
from stella.bundle.limits import MAX_DOCUMENT
from stella.bundle.model import RECEIPT_TYPE, GenerationRecord, Receipt
from stella.kernel import dsse
from stella.kernel.canonical import dump, load, parse
from stella.kernel.errors import StellaError
from stella.mirror.errors import ReceiptRefused
from stella.runtime.files import read_file
from stella.signing.keys import PublicKey


class EnrolledSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sites/ID.json`: a site this channel has had a receipt from."""

    site: str
    site_id: str
    public_key: str


def read_receipt(store: ChannelFolder, path: Path) -> Receipt:
    """Verify a receipt and enrol its site when it is new; raises ReceiptRefused."""
    data = read_file(path, MAX_DOCUMENT)
    try:
        envelope = parse(data, dsse.Envelope, "receipt")
        claim = parse(base64.b64decode(envelope.payload), Receipt, "receipt")
        public = PublicKey.from_base64(claim.public_key)
        payload = dsse.verify(data, RECEIPT_TYPE, [public], 1, "receipt").payload
        receipt = load(payload, Receipt, "receipt")
    except (StellaError, ValueError) as problem:
        raise ReceiptRefused(problem=problem.message if isinstance(problem, StellaError) else "not base64") from None
    if receipt.channel_id != store.channel().channel_id:
        raise ReceiptRefused(problem=f"it is of channel `{receipt.channel}`")
    if receipt.site_id != public.keyid[:16]:
        raise ReceiptRefused(problem="its site id is not the one of its key")
    key = f"sites/{receipt.site_id}.json"
    if not store.folder.exists(key):
        store.folder.write(key, dump(EnrolledSite(receipt.site, receipt.site_id, receipt.public_key)))
    return receipt


def sites(store: ChannelFolder) -> list[EnrolledSite]:
    """Sites that this channel knows."""
    return [parse(store.folder.read(key, MAX_DOCUMENT), EnrolledSite, key) for key in store.folder.keys("sites/")]


def held_by(store: ChannelFolder, path: Path) -> GenerationRecord:
    """The generation that the site of a receipt runs; raises ReceiptRefused."""
    receipt = read_receipt(store, path)
    try:
        record = store.record(receipt.active.generation)
    except GenerationMissing as problem:
        raise ReceiptRefused(problem=problem.message) from None
    if record.root != receipt.active.root:
        here, there = record.root[:16], receipt.active.root[:16]
        raise ReceiptRefused(problem=f"generation {record.generation} has root {here}... here and {there}... there")
    return record
