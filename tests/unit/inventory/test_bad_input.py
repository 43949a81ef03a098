"""Each kind of bad input has its own code, and leaves nothing in the store."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.inventory import advisories, feeds, making, reading, sboms, vex
from stella.inventory.errors import (
    BadAssets,
    BadGzip,
    BadTrustFile,
    FileTooLarge,
    NotParsed,
    NotText,
    TooDeep,
    WrongFormat,
    WrongVersion,
)
from stella.inventory.quarantine import Quarantined, Tally, as_lines
from stella.inventory.reading import Document
from stella.kernel.errors import StellaError
from stella.runtime.errors import NotAFolder, ObjectMissing
from tests.fleets import EPSS, FleetFiles, context, cyclonedx, not_affected, openvex, osv, spdx

DEEP = b"[" * 5000 + b"]" * 5000


def document(name: str, data: bytes | object) -> Document:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Document(name, raw, "0" * 64, len(raw), "0" * 64)


def csaf(**other: Any) -> dict[str, Any]:
    head = {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {"name": "acme"},
        "tracking": {"current_release_date": "2026-01-20T00:00:00Z"},
    }
    product = {"product_id": "P", "name": "web", "product_identification_helper": {"purl": "pkg:oci/web"}}
    part = {"product_id": "L", "name": "lib", "product_identification_helper": {"purl": "pkg:pypi/django@4.2.1"}}
    relation = {
        "category": "default_component_of",
        "product_reference": "L",
        "relates_to_product_reference": "P",
        "full_product_name": {"product_id": "P:L", "name": "lib in web"},
    }
    vulnerability = {
        "cve": "CVE-2026-0001",
        "product_status": {"known_not_affected": ["P:L"], "fixed": ["P"], "recommended": ["nobody"]},
        "flags": [{"label": "component_not_present", "group_ids": ["G"]}],
    }
    return {
        "document": head | other,
        "product_tree": {
            "branches": [{"category": "vendor", "name": "acme", "branches": [{"product": product}]}],
            "full_product_names": [part],
            "relationships": [relation],
            "product_groups": [{"group_id": "G", "product_ids": ["P:L", "P"]}],
        },
        "vulnerabilities": [vulnerability],
    }


CASES: list[tuple[str, bytes, type[StellaError]]] = [
    ("sboms/web.json", b'{"bomFormat": "CycloneDX\xff"}', NotText),
    ("sboms/web.json", b'{"bomFormat": ', NotParsed),
    ("sboms/web.json", b"", NotParsed),
    ("sboms/web.json", b'{"x": ' + DEEP + b"}", TooDeep),
    ("sboms/web.json", gzip.compress(b"{}" * 1000, mtime=0)[:-9], BadGzip),
    ("sboms/web.json", gzip.compress(b"{}", mtime=0)[:-4] + b"oops", BadGzip),
    ("sboms/web.json", b"{}", WrongFormat),
    ("sboms/web.json", b"[]", WrongFormat),
    ("sboms/web.json", json.dumps(cyclonedx("x", specVersion="1.7")).encode(), WrongVersion),
    ("sboms/web.json", json.dumps(spdx("x", spdxVersion="SPDX-3.0")).encode(), WrongVersion),
    ("osv/a.json", DEEP, TooDeep),
    ("osv/a.yaml", b"id: [" * 2000, TooDeep),
    ("osv/a.yaml", b"id: &a [x]\naliases: *a\n", NotParsed),
    ("osv/a.yaml", b"id: [\n", NotParsed),
    ("vex/acme.json", b"{}", WrongFormat),
    ("vex/acme.json", json.dumps(openvex(**{"@context": "https://openvex.dev/ns/v9"})).encode(), WrongVersion),
    ("vex/acme.json", json.dumps(csaf(csaf_version="3.0")).encode(), WrongVersion),
    ("vex/acme.json", json.dumps(csaf(category="csaf_informational_advisory")).encode(), WrongFormat),
    ("kev.json", b"name,when\n", WrongFormat),
    ("kev.json", b'{"vulnerabilities": 1}', WrongFormat),
    ("epss.csv.gz", b"cve,score\n", WrongFormat),
    ("epss.csv.gz", gzip.compress(EPSS.encode(), mtime=0)[:-10], BadGzip),
    ("epss.csv.gz", b'cve,epss,percentile\n"CVE-2026-0001,1,1\n', NotParsed),
    ("assets.toml", b"[[asset]]\n", BadAssets),
    ("assets.toml", b"asset = 1\n", BadAssets),
    ("assets.toml", b"", BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\n[[asset]]\nasset.id = "a"\n', BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\nenv.exposure = "everywhere"\n', BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\nenv.exposur = "internet"\n', BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\ntrust.score = 1.5\n', BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\nsecret.hasFinding = "perhaps"\n', BadAssets),
    ("assets.toml", b'[[asset]]\nasset.id = "a"\nenv.quietUntil = "soon"\n', BadAssets),
    ("assets.toml", b"a." * 2000 + b"b = 1\n", BadAssets),
    ("trust.toml", b"[vendor.acme]\ntrust = 2\n", BadTrustFile),
    ("trust.toml", b"[vendor.acme]\ntrust = nan\n", BadTrustFile),
    ("trust.toml", b"[vendor.acme]\ntrusted = 1\n", BadTrustFile),
    ("trust.toml", b'max_age = "long"\n', BadTrustFile),
]


@pytest.mark.parametrize(("name", "data", "error"), CASES)
def test_its_own_code_and_nothing_stored(tmp_path: Path, name: str, data: bytes, error: type[StellaError]) -> None:
    files = FleetFiles(tmp_path)
    files.path(name).write_bytes(data)
    with pytest.raises(error) as caught:
        making.load(context(), files.request())
    assert Path(name).name in caught.value.message
    assert caught.value.advice
    assert not (tmp_path / "store").exists()


def test_a_file_that_is_too_large_packed_or_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FleetFiles(tmp_path)
    monkeypatch.setattr(reading, "MAX_FILE", 5000)
    files.path("sboms/web.json").write_bytes(b" " * 5001)
    with pytest.raises(FileTooLarge, match=r"web\.json has more than 5000 bytes"):
        making.load(context(), files.request())
    files.path("sboms/web.json").write_bytes(gzip.compress(b" " * 5001, mtime=0))
    with pytest.raises(FileTooLarge, match="unpacked"):
        making.load(context(), files.request())
    monkeypatch.setattr(reading, "MAX_VALUES", 100)
    files.path("sboms/web.json").write_bytes(b"[" + b"0," * 200 + b"0]")
    with pytest.raises(FileTooLarge, match="more than 100 values"):
        making.load(context(), files.request())


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        making.load(context(), FleetFiles(tmp_path).request(kev=str(tmp_path / "nothing.json")))
    with pytest.raises(NotAFolder, match="is not a file"):
        making.load(context(), FleetFiles(tmp_path).request(kev=str(tmp_path)))


def test_errors_differ() -> None:
    codes = {error.code for _, _, error in CASES} | {FileTooLarge.code}
    assert len(codes) == len({error for _, _, error in CASES}) + 1


def reasons(read: Callable[[Document, Tally], object], data: bytes | object, name: str = "x.json") -> list[str]:
    """The reasons of the quarantine, in the order of records."""
    tally = Tally("x", [])
    found = read(document(name, data), tally)
    if hasattr(found, "__next__"):
        list(found)  # type: ignore[call-overload]
    return [one.reason for one in [*tally._bad, *tally._ledger]]


def osv_reader(given: Document, tally: Tally) -> None:
    for name, record in advisories.records(given):
        advisories.read(name, record, given, tally)


COMPONENT = {"type": "library", "name": "a", "bom-ref": "a"}
SBOMS: list[tuple[object, list[str]]] = [
    (cyclonedx("x", components=[COMPONENT, COMPONENT]), ["duplicate_id"]),
    (cyclonedx("x", components=[COMPONENT, {"name": 1}]), ["bad_record"]),
    (cyclonedx("x", components=[COMPONENT | {"purl": "pkg:"}]), ["bad_purl"]),
    (cyclonedx("x", components=[COMPONENT | {"purl": "pkg:a/b", "scope": "much"}]), ["bad_record"]),
    (cyclonedx("x", "pkg:a/b", dependencies=[{"ref": "app", "dependsOn": ["gone"]}]), ["missing_reference"]),
    (cyclonedx("x", "pkg:a/b", dependencies=[{"ref": "gone"}]), ["missing_reference"]),
    (cyclonedx("x", "pkg:a/b", dependencies=["app"]), ["bad_record"]),
    (
        cyclonedx(
            "x",
            "pkg:a/b",
            "pkg:a/c",
            dependencies=[{"ref": "pkg:a/b", "dependsOn": ["pkg:a/c"]}, {"ref": "pkg:a/c", "dependsOn": ["pkg:a/b"]}],
        ),
        ["reference_cycle"],
    ),
    (cyclonedx("x", "pkg:a/b", dependencies=[{"ref": "pkg:a/b", "dependsOn": ["pkg:a/b"]}]), ["reference_cycle"]),
    (spdx("x", "https://a.test"), ["bad_purl"]),
    (spdx("x", packages=[{"SPDXID": "a", "name": "a"}] * 2, relationships=[]), ["duplicate_id"]),
    (spdx("x", packages=[{"name": "a"}], relationships=[]), ["bad_record"]),
    (
        spdx("x", relationships=[{"spdxElementId": "a", "relatedSpdxElement": "NONE", "relationshipType": "OTHER"}]),
        ["missing_reference"],
    ),
    (spdx("x", relationships=[{}]), ["bad_record"]),
]


@pytest.mark.parametrize(("data", "expected"), SBOMS)
def test_bad_records_of_sboms(data: object, expected: list[str]) -> None:
    assert reasons(sboms.read, data) == expected


def test_components_that_are_nested_too_deeply() -> None:
    inner: dict[str, Any] = {"name": "innermost"}
    for _ in range(66):
        inner = {"name": "x", "components": [inner]}
    assert reasons(sboms.read, cyclonedx("x", components=[inner], dependencies=[])) == ["bad_record"]


GOOD = osv("GO-1", "Go", "a", {"introduced": "0"})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GOOD, []),
        ([GOOD, GOOD | {"id": ""}], ["bad_record"]),
        ([GOOD, GOOD | {"modified": "once"}, 1], ["bad_record"] * 2),
        (osv("GO-1", "Go", "a", {"introduced": "soon"}), ["broken_range"]),
        (osv("GO-1", "Go", "a"), ["broken_range"]),
        (GOOD | {"affected": [{"package": {"purl": "no purl"}}]}, ["bad_record"]),
    ],
)
def test_bad_records_of_advisories(data: object, expected: list[str]) -> None:
    assert reasons(osv_reader, data) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"status": "fine"}, ["bad_status"]),
        ({"justification": "because"}, ["bad_status"]),
        ({"justification": ""}, ["bad_status"]),
        ({"products": []}, ["bad_status"]),
        ({"vulnerability": {"name": ""}}, ["bad_status"]),
        ({"timestamp": "once"}, ["bad_status"]),
        ({"products": 1}, ["bad_record"]),
    ],
)
def test_bad_statements(change: dict[str, Any], expected: list[str]) -> None:
    assert reasons(vex.read, openvex(not_affected("CVE-2026-0001", "pkg:pypi/django") | change)) == expected


def test_what_csaf_says() -> None:
    tally = Tally("x", [])
    found = sorted(vex.read(document("x", csaf()), tally))
    assert [(one.product, one.component, one.status, one.justification, one.vendor) for one in found] == [
        ("pkg:oci/web", "", "fixed", "", "acme"),
        ("pkg:oci/web", "pkg:pypi/django@4.2.1", "not_affected", "component_not_present", "acme"),
    ]
    assert tally.records == 2
    unknown = csaf()
    unknown["vulnerabilities"][0]["product_status"] = {"fixed": ["nobody"]}
    assert reasons(vex.read, unknown) == ["missing_reference"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CVE-2026-0002,0.5,0.5", []),
        ("CVE-2026-0001,0.5,0.5", ["duplicate_id"]),
        ("CVE-2026-0002,1.5,0.5", ["bad_score"]),
        ("CVE-2026-0002,NaN,0.5", ["bad_score"]),
        ("CVE-2026-0002,1e999999,0.5", ["bad_score"]),
        ("CVE-2026-0002,,0.5", ["bad_score"]),
        ("CVE-2026-0002,0.5", ["bad_score"]),
        ("GHSA-1,0.5,0.5", ["bad_record"]),
    ],
)
def test_bad_scores(line: str, expected: list[str]) -> None:
    assert reasons(feeds.read_epss, f"{EPSS}{line}\n".encode()) == expected


def test_kev_as_csv_and_its_bad_records() -> None:
    head = "cveID,vendorProject,knownRansomwareCampaignUse\n"
    tally = Tally("x", [])
    found = feeds.read_kev(
        document("kev.csv", f"{head}CVE-2026-0001,a,Known\nCVE-2026-0002,b,Unknown\n".encode()), tally
    )
    assert found == {"CVE-2026-0001": True, "CVE-2026-0002": False}
    rows = "CVE-2026-0001,a,Known\nCVE-2026-0001,a,Known\nCVE-1,a,b\nCVE-2026-0003\n"
    assert reasons(feeds.read_kev, f"{head}{rows}".encode()) == ["duplicate_id", "bad_record", "bad_record"]
    assert reasons(feeds.read_kev, {"vulnerabilities": [{"cveID": 1}]}) == ["bad_record"]


def test_the_quarantine_is_cut_clean_and_in_order() -> None:
    ledger: list[Quarantined] = []
    tally = Tally("b", ledger)
    tally.note("x" * 500, "no_sbom", "red \x1b[31m and \u202e back")
    Tally("a", ledger).note("y", "no_sbom", "z")
    first, second = (msgspec.json.decode(line) for line in as_lines(ledger).splitlines())
    assert (first["file"], second["file"]) == ("a", "b")
    assert len(second["record"]) == 203
    assert "\x1b" not in second["problem"]
    assert "\u202e" not in second["problem"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(
        {*cyclonedx("x"), *spdx("x"), *GOOD, *openvex(), "purl", "bom-ref", "events", "ranges", "package", "document"}
    )), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.sampled_from([sboms.read, vex.read, osv_reader, feeds.read_kev, feeds.read_epss]))
def test_any_json_is_an_error_or_a_record(data: object, read: Callable[[Document, Tally], object]) -> None:
    base = {"bomFormat": "CycloneDX", "specVersion": "1.6"} if isinstance(data, dict) else {}
    with contextlib.suppress(StellaError):
        reasons(read, {**base, **data} if isinstance(data, dict) else data)


@given(st.binary(max_size=200), st.sampled_from(["x.json", "x.yaml", "x.jsonl"]))
def test_any_bytes_are_an_error_or_a_record(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    with contextlib.suppress(StellaError):
        osv_reader(reading.read(reading.Input(name, path)), Tally("x", []))
