"""What is written is read again, as the same bytes and nothing else; the layout is what OCI tools expect."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.bundle import reader
from stella.bundle.errors import DigestMismatch, LayoutMismatch, OverLimit, Truncated
from stella.bundle.layout import BLOB_MEDIA_TYPE, OCI_LAYOUT, TITLE, blob_name, index_bytes, manifest_bytes
from stella.bundle.reader import BundleFile
from stella.bundle.ustar import END, FOLDERS, header, padding
from stella.bundle.writer import write_bundle
from stella.kernel.digest import sha256
from stella.kernel.errors import NotJson, StellaError
from stella.testing import SilentProgress

TITLES = [
    "milestone.json",
    "bundle.dsse.json",
    "packer.dsse.json",
    "signers.json",
    "anchor.tsr",
    "tuf/1.root.json",
    "tuf/timestamp.json",
]


def written(documents: Mapping[str, bytes], blobs: list[bytes]) -> bytes:
    file = io.BytesIO()
    stored = {sha256(data): data for data in blobs}
    rows = sorted((digest, len(data)) for digest, data in stored.items())
    write_bundle(file, documents, rows, lambda digest: io.BytesIO(stored[digest]), SilentProgress())
    return file.getvalue()


def opened(data: bytes) -> BundleFile:
    return BundleFile(io.BytesIO(data), Path("B.stella"))


contents = st.binary(max_size=600) | st.sampled_from([b"{}", b"", OCI_LAYOUT, b"same"])


@given(st.dictionaries(st.sampled_from(TITLES), contents), st.lists(contents, max_size=4))
def test_what_is_written_is_read(documents: dict[str, bytes], blobs: list[bytes]) -> None:
    """Contents may equal each other, a document, the empty configuration, or the layout file."""
    data = written(documents, blobs)
    assert data == written(dict(reversed(documents.items())), list(reversed(blobs)))
    bundle = opened(data)
    assert {title: bundle.document(title) for title in bundle.documents} == documents
    assert {digest: bundle.blob(digest) for digest in bundle.blobs} == {sha256(blob): blob for blob in blobs}
    assert all(b"".join(bundle.stream(digest)) == bundle.blob(digest) for digest in bundle.blobs)
    for digest in bundle.blobs:
        bundle.check(digest)


def test_a_blob_larger_than_a_piece() -> None:
    blob = bytes(range(256)) * 5000
    data = written({}, [blob])
    assert b"".join(opened(data).pieces(sha256(blob))) == blob


def test_a_source_that_ends_early_is_an_error() -> None:
    with pytest.raises(EOFError):
        write_bundle(io.BytesIO(), {}, [("0" * 64, 10)], lambda _: io.BytesIO(b"short"), SilentProgress())


DOCUMENTS = {
    "signers.json": b'{"a":1}',
    "milestone.json": b"first",
    "tuf/timestamp.json": b"time",
    "tuf/1.root.json": b"root",
}
BLOBS = [b"one", b"two", b"{}", b"root"]


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as read:
        return {row.name: read.extractfile(row).read() for row in read.getmembers() if row.isfile()}  # type: ignore[union-attr]


def test_the_layout_is_an_oci_image_layout() -> None:
    found = members(written(DOCUMENTS, BLOBS))
    assert json.loads(found.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(found.pop("index.json"))
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    (descriptor,) = index["manifests"]
    assert all(name == blob_name(sha256(data)) for name, data in found.items())
    stored = {name.rpartition("/")[2]: data for name, data in found.items()}

    def follow(one: dict[str, Any]) -> bytes:
        data = stored[one["digest"].removeprefix("sha256:")]
        assert len(data) == one["size"]
        return data

    manifest = json.loads(follow(descriptor))
    assert manifest["mediaType"] == descriptor["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == descriptor["artifactType"] == "application/vnd.stella.bundle.v1"
    assert follow(manifest["config"]) == b"{}"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    titled = {layer["annotations"][TITLE]: follow(layer) for layer in manifest["layers"] if "annotations" in layer}
    assert titled == DOCUMENTS
    assert list(titled) == ["milestone.json", "signers.json", "tuf/1.root.json", "tuf/timestamp.json"], (
        "in the order of the checks"
    )
    assert [follow(layer) for layer in manifest["layers"] if layer["mediaType"] == BLOB_MEDIA_TYPE] == sorted(
        BLOBS, key=sha256
    )


def test_layout_documents_are_canonical_json() -> None:
    import rfc8785

    found = members(written(DOCUMENTS, BLOBS))
    manifest = json.loads(found["index.json"])["manifests"][0]["digest"].removeprefix("sha256:")
    for data in (found["index.json"], found[blob_name(manifest)], found["oci-layout"]):
        assert rfc8785.dumps(json.loads(data)) == data


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_a_bundle() -> None:
    """As an ordinary account too: there, unpacking must not ask for what only root may do."""
    account = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "B.stella")
        path.write_bytes(written(DOCUMENTS, BLOBS))
        Path(folder).chmod(0o777)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
        command = ["skopeo", "inspect", "--raw", f"oci-archive:{path}"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=20, env=environment, **account)
    assert json.loads(done.stdout)["artifactType"] == "application/vnd.stella.bundle.v1"


def raw(files: dict[str, bytes]) -> bytes:
    return b"".join(header(name, len(data)) + data + bytes(padding(len(data))) for name, data in files.items()) + END


def laid(manifest: bytes, more: dict[str, bytes] | None = None, *, index: bytes | None = None) -> bytes:
    """A file around any manifest."""
    config = {blob_name(sha256(b"{}")): b"{}"}
    frame = {"oci-layout": OCI_LAYOUT, "index.json": index_bytes(manifest) if index is None else index}
    frame |= dict.fromkeys(FOLDERS, b"")
    return raw(frame | {blob_name(sha256(manifest)): manifest} | config | (more or {}))


GOOD = manifest_bytes([("signers.json", sha256(b"s"), 1)], [(sha256(b"b"), 1)])
GOOD_MEMBERS = {blob_name(sha256(b"s")): b"s", blob_name(sha256(b"b")): b"b"}


def test_the_material_of_the_next_tests_is_good() -> None:
    bundle = opened(laid(GOOD, GOOD_MEMBERS))
    assert bundle.document("signers.json") == b"s"


def respelled(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def titled(*titles: str) -> bytes:
    return manifest_bytes([(title, sha256(b"s"), 1) for title in titles], [])


MANIFESTS = {
    "space": (respelled(GOOD, b'":', b'": '), LayoutMismatch),
    "not JSON": (b"{", NotJson),
    "another kind": (b"[]", NotJson),
    "unknown field": (respelled(GOOD, b'{"artifactType"', b'{"a":1,"artifactType"'), NotJson),
    "another artifact": (respelled(GOOD, b"vnd.stella.bundle.v1", b"vnd.stella.bundle.v2"), LayoutMismatch),
    "another schema": (respelled(GOOD, b'"schemaVersion":2', b'"schemaVersion":1'), LayoutMismatch),
    "another configuration": (respelled(GOOD, sha256(b"{}").encode(), sha256(b"x").encode()), LayoutMismatch),
    "size of a layer": (manifest_bytes([("signers.json", sha256(b"s"), 2)], [(sha256(b"b"), 1)]), LayoutMismatch),
    "size of a blob": (manifest_bytes([("signers.json", sha256(b"s"), 1)], [(sha256(b"b"), 2)]), LayoutMismatch),
    "no digest": (respelled(GOOD, sha256(b"b").encode(), b"../../etc/passwd"), LayoutMismatch),
    "another algorithm": (
        respelled(GOOD, b"sha256:" + sha256(b"b").encode(), b"sha512:" + sha256(b"b").encode()),
        LayoutMismatch,
    ),
    "blob before document": (
        msgspec.json.encode(msgspec.json.decode(GOOD) | {"layers": msgspec.json.decode(GOOD)["layers"][::-1]}),
        LayoutMismatch,
    ),
    "unknown document": (titled("evil.json"), LayoutMismatch),
    "document twice": (titled("signers.json", "signers.json"), LayoutMismatch),
    "documents out of order": (titled("signers.json", "milestone.json"), LayoutMismatch),
    "document below a folder": (titled("tuf/a/b"), LayoutMismatch),
    "document without title": (respelled(GOOD, b"signers.json", b""), LayoutMismatch),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_no_writer_makes(name: str) -> None:
    manifest, error = MANIFESTS[name]
    with pytest.raises(error) as caught:
        opened(laid(manifest, GOOD_MEMBERS))
    assert caught.value.reason == "structure"


INDEXES = {
    "no manifest": (
        b'{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}',
        LayoutMismatch,
    ),
    "not JSON": (b"nothing", NotJson),
    "space": (index_bytes(GOOD) + b"\n", DigestMismatch),
    "another manifest": (index_bytes(b"x"), LayoutMismatch),
    "two manifests": (
        msgspec.json.encode(
            msgspec.json.decode(index_bytes(GOOD))
            | {"manifests": msgspec.json.decode(index_bytes(GOOD))["manifests"] * 2}
        ),
        DigestMismatch,
    ),
    "size": (respelled(index_bytes(GOOD), f'"size":{len(GOOD)}'.encode(), b'"size":1'), DigestMismatch),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_no_writer_makes(name: str) -> None:
    index, error = INDEXES[name]
    with pytest.raises(error):
        opened(laid(GOOD, GOOD_MEMBERS, index=index))


FILES = {
    "member missing": raw({"oci-layout": OCI_LAYOUT}),
    "manifest missing": raw({"oci-layout": OCI_LAYOUT, "index.json": index_bytes(GOOD)}),
    "blob missing": laid(GOOD, {blob_name(sha256(b"s")): b"s"}),
    "blob that nothing names": laid(GOOD, GOOD_MEMBERS | {blob_name(sha256(b"x")): b"x"}),
    "blobs out of order": laid(GOOD, dict(reversed(GOOD_MEMBERS.items()))),
    "another layout version": respelled(laid(GOOD, GOOD_MEMBERS), b"1.0.0", b"2.0.0"),
}


@pytest.mark.parametrize("name", FILES)
def test_members_that_do_not_fit(name: str) -> None:
    with pytest.raises(LayoutMismatch):
        opened(FILES[name])


def test_bytes_that_do_not_fit_their_digest() -> None:
    bad = opened(laid(GOOD, {blob_name(sha256(b"s")): b"x", blob_name(sha256(b"b")): b"y"}))
    for read in (bad.document, bad.blob, bad.check):
        with pytest.raises(DigestMismatch) as caught:
            read("signers.json" if read == bad.document else sha256(b"b"))
        assert caught.value.reason == "digest_mismatch"
    config = blob_name(sha256(b"{}"))
    with pytest.raises(DigestMismatch):
        opened(laid(GOOD, GOOD_MEMBERS | {config: b"[]"}))


def test_an_absent_document_is_named() -> None:
    with pytest.raises(LayoutMismatch) as caught:
        opened(laid(GOOD, GOOD_MEMBERS)).document("anchor.tsr")
    assert "anchor.tsr" in str(caught.value)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = laid(GOOD, GOOD_MEMBERS)
    for name, value in (("MAX_MANIFEST", 10), ("MAX_DOCUMENTS", 0), ("MAX_DOCUMENT", 10)):
        with monkeypatch.context() as patch:
            patch.setattr(reader, name, value)
            with pytest.raises(OverLimit):
                opened(data)
    lists = written({"entries.ndjson.zst": bytes(50), "signers.json": bytes(50)}, [])
    bundle = opened(lists)
    monkeypatch.setattr(reader, "MAX_LIST", 40)
    with pytest.raises(OverLimit):
        bundle.document("entries.ndjson.zst")
    assert bundle.document("signers.json") == bytes(50), "the limit of lists is not the limit of documents"


def test_a_file_that_shrinks_while_it_is_read() -> None:
    data = written({}, [bytes(3_000_000)])
    file = io.BytesIO(data)
    bundle = BundleFile(file, Path("B.stella"))
    pieces = bundle.pieces(sha256(bytes(3_000_000)))
    next(pieces)
    file.truncate(1_500_000)
    with pytest.raises(Truncated):
        list(pieces)


@given(st.binary(max_size=300))
def test_no_manifest_makes_reading_fail_in_another_way(noise: bytes) -> None:
    for manifest in (noise, GOOD[:100] + noise, b'{"layers":' + noise):
        try:
            opened(laid(manifest, GOOD_MEMBERS))
        except StellaError:
            continue
        assert manifest == GOOD
