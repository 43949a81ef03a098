"""A receipt counts when its site signed it, for this channel, and for a generation with the root that it has here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella.bundle.channel import ChannelFolder
from stella.bundle.model import PACKER_TYPE, RECEIPT_TYPE, Channel, GenerationRecord, Head, Mark, Receipt
from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.mirror.errors import ReceiptRefused
from stella.mirror.receipts import held_by, read_receipt, sites
from stella.runtime.errors import ObjectMissing
from stella.signing.keys import PrivateKey
from stella.testing import MemoryFolder, counted_entropy

KEY = PrivateKey.generate(counted_entropy("site"))
OTHER = PrivateKey.generate(counted_entropy("other"))
MARK = Mark(1, "1" * 64)
GOOD = Receipt(
    site="plant-7",
    site_id=KEY.keyid[:16],
    public_key=KEY.public.to_base64(),
    channel="stable",
    channel_id="c" * 32,
    active=MARK,
    held=(MARK,),
    time="2026-01-31T12:00:00Z",
    clock="ok",
    decisions=(),
)


@pytest.fixture
def store() -> ChannelFolder:
    found = ChannelFolder(MemoryFolder(), "M")
    found.folder.write("channel.json", dump(Channel(channel="stable", channel_id="c" * 32, created="")))
    found.flip(Head(generation=MARK, documents={}))
    record = GenerationRecord(
        generation=1, root=MARK.root, created="", files=0, content_bytes=0, documents={}, entries="", stored=""
    )
    found.folder.write("generations/00000001.json", dump(record))
    return found


def signed(key: PrivateKey = KEY, kind: str = RECEIPT_TYPE, **changes: Any) -> bytes:
    return dsse.sign(kind, dump(msgspec.structs.replace(GOOD, **changes)), [key])


def written(top: Path, data: bytes) -> Path:
    (top / "receipt.json").write_bytes(data)
    return top / "receipt.json"


def test_a_good_receipt_enrols_its_site(store: ChannelFolder, tmp_path: Path) -> None:
    assert read_receipt(store, written(tmp_path, signed())) == GOOD
    assert [site.site for site in sites(store)] == ["plant-7"]
    assert held_by(store, written(tmp_path, signed(clock="clock_behind"))).generation == 1
    assert len(sites(store)) == 1


def test_two_sites_of_one_name_are_two_sites(store: ChannelFolder, tmp_path: Path) -> None:
    read_receipt(store, written(tmp_path, signed()))
    read_receipt(store, written(tmp_path, signed(OTHER, public_key=OTHER.public.to_base64(), site_id=OTHER.keyid[:16])))
    assert len(sites(store)) == 2


def altered() -> bytes:
    envelope = json.loads(signed())
    payload = base64.b64decode(envelope["payload"]).replace(b"plant-7", b"plant-8")
    return json.dumps(envelope | {"payload": base64.b64encode(payload).decode()}).encode()


def with_payload(payload: str) -> bytes:
    return json.dumps(json.loads(signed()) | {"payload": payload}).encode()


FORGED: dict[str, Callable[[], bytes]] = {
    "by another key": lambda: signed(OTHER),
    "under another site's id": lambda: signed(OTHER, public_key=OTHER.public.to_base64()),
    "altered": altered,
    "another payload type": lambda: signed(kind=PACKER_TYPE),
    "another channel": lambda: signed(channel_id="d" * 32),
    "another form": lambda: dsse.sign(RECEIPT_TYPE, b'{"schema":"stella.receipt@1"}', [KEY]),
    "another spelling": lambda: dsse.sign(RECEIPT_TYPE, dump(GOOD) + b" ", [KEY]),
    "no signature": lambda: json.dumps(json.loads(signed()) | {"signatures": []}).encode(),
    "no receipt": lambda: b"{}",
    "no JSON": lambda: b"\xff\xfe",
    "empty": lambda: b"",
    "payload that is no base64": lambda: with_payload("%%%"),
    "payload that is not even ASCII": lambda: with_payload("\u00e9"),
    "payload that is no JSON": lambda: with_payload(base64.b64encode(b"\xff").decode()),
    "key that is none": lambda: signed(public_key="AAAA"),
    "key of small order": lambda: signed(public_key=base64.b64encode(bytes(32)).decode()),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_receipt_that_does_not_count(name: str, store: ChannelFolder, tmp_path: Path) -> None:
    with pytest.raises(ReceiptRefused) as caught:
        read_receipt(store, written(tmp_path, FORGED[name]()))
    assert (caught.value.reason, int(caught.value.exit)) == ("receipt", 6)
    assert sites(store) == [], "and its site is not enrolled"


@pytest.mark.parametrize(
    "active",
    [Mark(2, "2" * 64), Mark(0, "0" * 64), Mark(1, "0" * 64)],
    ids=["unknown", "below the first", "another root"],
)
def test_a_generation_that_is_not_one_of_this_channel(active: Mark, store: ChannelFolder, tmp_path: Path) -> None:
    with pytest.raises(ReceiptRefused):
        held_by(store, written(tmp_path, signed(active=active)))


def test_a_receipt_that_is_not_there(store: ChannelFolder, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        read_receipt(store, tmp_path / "none")
