"""Contents count with their signed digest alone, in a form that a writer would choose; none is missing or left over."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from stella.bundle.codec import compress
from stella.bundle.contents import Contents, blob_key
from stella.bundle.errors import BadCompression, CompressionBomb, DigestMismatch, LayoutMismatch, OverLimit, PatchBomb
from stella.bundle.model import Blob, blob_order, members_of
from stella.bundle.reader import BundleFile
from stella.bundle.receive import Receiver, check_blobs
from stella.bundle.writer import write_bundle
from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.testing import MemoryFolder, SilentProgress

A, B, C = b"first " * 40, b"second " * 40, hashlib.shake_256(b"c").digest(3000)
SIZES = {sha256(data): len(data) for data in (A, B, C)}
NONE: frozenset[str] = frozenset()


def blob(stored: bytes, *contents: bytes, enc: str = "raw", **changes: object) -> Blob:
    facts: dict[str, object] = {"blob": sha256(stored), "size": len(stored), "holds": tuple(map(sha256, contents))}
    return Blob(**(facts | {"enc": enc} | changes))  # type: ignore[arg-type]  # a table of facts


def bundle_of(*stored: bytes) -> BundleFile:
    kept = {sha256(data): data for data in stored}
    file = io.BytesIO()
    rows = [(digest, len(kept[digest])) for digest in sorted(kept)]
    write_bundle(file, {}, rows, lambda digest: io.BytesIO(kept[digest]), SilentProgress())
    return BundleFile(file, Path("B.stella"))


PACK = compress(A + B)
GOOD = sorted([blob(PACK, A, B, enc="zstd"), blob(C, C)], key=blob_order)


def received(bundle: BundleFile, rows: Sequence[Blob], sizes: dict[str, int] | None = None) -> MemoryFolder:
    folder, sizes = MemoryFolder(), sizes or SIZES
    check_blobs(bundle, rows, sizes, NONE)
    Receiver(bundle, sizes, folder, None).run(rows, SilentProgress())
    return folder


def test_good_contents_are_kept_as_they_came() -> None:
    folder = received(bundle_of(PACK, C), GOOD)
    assert folder.objects == {blob_key(sha256(PACK)): PACK, blob_key(sha256(C)): C}
    contents = Contents(folder, GOOD, SIZES)
    assert [contents.read(sha256(data)) for data in (A, B, C)] == [A, B, C]
    assert (sha256(A) in contents, sha256(b"x") in contents) == (True, False)


@pytest.mark.parametrize("whole", [0, 100, 1000])
def test_streams_give_the_same_as_whole_files(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths for large files, taken with small ones."""
    monkeypatch.setattr("stella.bundle.receive.WHOLE", whole)
    monkeypatch.setattr("stella.bundle.contents.WHOLE", whole)
    rows = sorted([blob(compress(A), A, enc="zstd"), blob(B, B), blob(C, C)], key=blob_order)
    folder = received(bundle_of(compress(A), B, C), rows)
    contents = Contents(folder, rows, SIZES)
    assert [contents.read(sha256(data)) for data in (A, B, C)] == [A, B, C]


def test_without_a_folder_nothing_is_kept() -> None:
    assert Receiver(bundle_of(PACK, C), SIZES, None, None).run(GOOD, SilentProgress()) == GOOD


def test_what_is_there_is_not_written_again() -> None:
    folder = MemoryFolder()
    folder.objects[blob_key(sha256(C))] = C
    folder.write = None  # type: ignore[assignment, method-assign]  # calling it would fail
    Receiver(bundle_of(C), SIZES, folder, None).run([blob(C, C)], SilentProgress())


def test_an_empty_content() -> None:
    sizes = {sha256(b""): 0, sha256(A): len(A)}
    rows = [blob(A, b"", A)]
    folder = received(bundle_of(A), rows, sizes)
    assert Contents(folder, rows, sizes).read(sha256(b"")) == b""


def test_two_forms_of_one_blob() -> None:
    """A pack of two files is, byte for byte, a third one."""
    sizes = {sha256(A): len(A), sha256(B): len(B), sha256(A + B): len(A + B)}
    rows = sorted([blob(A + B, A, B), blob(A + B, A + B)], key=blob_order)
    folder = received(bundle_of(A + B), rows, sizes)
    contents = Contents(folder, rows, sizes)
    assert [contents.read(sha256(data)) for data in (A, B, A + B)] == [A, B, A + B]


# ---- lists that do not fit

HDIFF = b"HDIFF13&zstd\0" + bytes(20)
LISTS: dict[str, tuple[list[bytes], list[Blob], type[StellaError]]] = {
    "blob that the file lacks": ([PACK], GOOD, LayoutMismatch),
    "blob that the list lacks": ([PACK, C, b"x"], GOOD, LayoutMismatch),
    "another order": ([PACK, C], GOOD[::-1], LayoutMismatch),
    "another size": ([PACK, C], [GOOD[0], blob(C, C, blob=GOOD[1].blob, size=1)], LayoutMismatch),
    "content that no entry names": ([b"x"], [blob(b"x", b"x")], LayoutMismatch),
    "no content": ([b"x"], [blob(b"x")], LayoutMismatch),
    "content twice in a blob": ([C + C], [blob(C + C, C, C)], LayoutMismatch),
    "content in two blobs": ([C, C + A], [blob(C, C), blob(C + A, C, A)], LayoutMismatch),
    "content is missing": ([C], [blob(C, C)], LayoutMismatch),
    "delta without base": ([HDIFF, PACK], [blob(HDIFF, C, enc="hdiff"), blob(PACK, A, B, enc="zstd")], LayoutMismatch),
    "base without delta": ([C, PACK], [blob(C, C, base="0" * 64), blob(PACK, A, B, enc="zstd")], LayoutMismatch),
    "base that is no digest": (
        [HDIFF, PACK],
        [blob(HDIFF, C, enc="hdiff", base="../x"), blob(PACK, A, B, enc="zstd")],
        LayoutMismatch,
    ),
    "delta for two": ([HDIFF, C], [blob(HDIFF, A, B, enc="hdiff", base="0" * 64), blob(C, C)], OverLimit),
    "frame with padding": (
        [PACK + bytes(5000), C],
        [blob(PACK + bytes(5000), A, B, enc="zstd"), blob(C, C)],
        OverLimit,
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_that_do_not_fit(name: str) -> None:
    stored, rows, error = LISTS[name]
    ordered = rows if name == "another order" else sorted(rows, key=blob_order)
    if name not in {"blob that the file lacks", "blob that the list lacks", "another order", "another size"}:
        assert list(members_of(ordered).items()) == list(bundle_of(*stored).blobs.items()), (
            "the list fits but for one thing"
        )
    with pytest.raises(error):
        check_blobs(bundle_of(*stored), ordered, SIZES, NONE)


def test_a_pack_is_read_back_in_one_piece_and_so_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    check_blobs(bundle_of(PACK, C), GOOD, SIZES, NONE)
    monkeypatch.setattr("stella.bundle.receive.WHOLE", len(A + B) - 1)
    with pytest.raises(OverLimit):
        check_blobs(bundle_of(PACK, C), GOOD, SIZES, NONE)


def test_what_the_base_holds_needs_no_bytes() -> None:
    check_blobs(bundle_of(C), [blob(C, C)], SIZES, frozenset({sha256(A), sha256(B)}))
    with pytest.raises(LayoutMismatch) as caught:
        check_blobs(bundle_of(C), [blob(C, C)], SIZES, frozenset({sha256(A)}))
    assert sha256(B)[:12] in str(caught.value)


# ---- contents that do not fit


def test_every_wrong_content_has_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "other bytes": (A[:-1] + b"x", "raw", (A,), DigestMismatch),
        "more": (A + b"x", "raw", (A,), LayoutMismatch),
        "less": (A[:-1], "raw", (A,), LayoutMismatch),
        "swapped": (B + A, "raw", (A, B), DigestMismatch),
        "compressed other bytes": (compress(A[:-1] + b"x"), "zstd", (A,), DigestMismatch),
        "compressed more": (compress(A + b"x"), "zstd", (A,), CompressionBomb),
        "compressed less": (compress(A[:-1]), "zstd", (A,), CompressionBomb),
        "raw called compressed": (A, "zstd", (A,), BadCompression),
        "compressed called raw": (compress(A), "raw", (A,), LayoutMismatch),
    }
    for whole in (16 * 1024 * 1024, 0):
        monkeypatch.setattr("stella.bundle.receive.WHOLE", whole)
        for name, (stored, enc, contents, error) in wrong.items():
            folder = MemoryFolder()
            receiver = Receiver(bundle_of(stored), SIZES, folder, None)
            with pytest.raises(error):
                receiver.run([blob(stored, *contents, enc=enc)], SilentProgress())
            assert not folder.objects, name


def test_stored_bytes_are_checked_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    write_bundle(file, {}, [(sha256(PACK), len(PACK))], lambda _: io.BytesIO(PACK[:-1] + b"x"), SilentProgress())
    bundle = BundleFile(file, Path("B.stella"))
    for name in ("decompress", "decompress_stream"):
        monkeypatch.setattr(f"stella.bundle.receive.{name}", None)  # calling it would fail
    for whole in (16 * 1024 * 1024, 0):
        monkeypatch.setattr("stella.bundle.receive.WHOLE", whole)
        with pytest.raises(DigestMismatch) as caught:
            Receiver(bundle, SIZES, MemoryFolder(), None).run([blob(PACK, A, B, enc="zstd")], SilentProgress())
        assert caught.value.facts["expected"] == sha256(PACK)


# ---- deltas


def base_of(*contents: bytes) -> Contents:
    folder = MemoryFolder()
    for data in contents:
        folder.objects[blob_key(sha256(data))] = data
    return Contents(folder, [blob(data, data) for data in contents], {sha256(data): len(data) for data in contents})


def test_a_delta_is_never_kept_unapplied() -> None:
    row = blob(HDIFF, C, enc="hdiff", base=sha256(A))
    assert Receiver(bundle_of(HDIFF), SIZES, None, None).run([row], SilentProgress()) == [row], (
        "checked by its digest alone"
    )
    with pytest.raises(LayoutMismatch):
        Receiver(bundle_of(HDIFF), SIZES, MemoryFolder(), None).run([row], SilentProgress())


def test_a_delta_is_not_applied_to_what_is_not_there_or_to_other_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stella.bundle.delta.DeltaWorker.apply", None)  # calling it would fail
    for held, error in (((B,), LayoutMismatch), ((A,), PatchBomb)):
        row = blob(HDIFF, C, enc="hdiff", base=sha256(A))
        with pytest.raises(error):
            Receiver(bundle_of(HDIFF), SIZES, MemoryFolder(), base_of(*held)).run([row], SilentProgress())


def test_the_result_of_a_delta_must_have_the_signed_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [C, C[:-1] + b"x", C + b"x", C[:-1]]
    monkeypatch.setattr("stella.bundle.receive.check_patch", lambda *_: None)
    monkeypatch.setattr(
        "stella.bundle.delta.DeltaWorker.apply", lambda *arguments: arguments[4].write_bytes(results[0]) and None
    )
    row = blob(HDIFF, C, enc="hdiff", base=sha256(A))
    folder = MemoryFolder()
    kept = Receiver(bundle_of(HDIFF), SIZES, folder, base_of(A)).run([row], SilentProgress())
    assert (kept, folder.objects) == ([blob(C, C)], {blob_key(sha256(C)): C})
    for result in results[1:]:
        results[0] = result
        folder = MemoryFolder()
        with pytest.raises((DigestMismatch, LayoutMismatch)):
            Receiver(bundle_of(HDIFF), SIZES, folder, base_of(A)).run([row], SilentProgress())
        assert not folder.objects
