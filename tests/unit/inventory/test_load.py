"""A load: what is in the star, that its bytes depend on the inputs alone, and what is left when it fails."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from stella.inventory import making, snapshot
from stella.inventory.errors import NothingToLoad, NotParsed, TooManyBad
from stella.inventory.loading import load_star
from stella.inventory.model import SnapshotLoaded
from stella.inventory.star import NO_CODE, NO_VALUE, Coded, Evidence, Flags, Many, Scaled, Star
from stella.kernel.errors import BadTime
from stella.language.names import COLUMNS, DIMENSIONS, MICRO, REACH, STATEMENT, Dimension
from stella.runtime.files import observe_steps
from tests.fleets import AS_OF, FleetFiles, context, cyclonedx, not_affected, openvex, osv, spdx


@pytest.fixture
def files(tmp_path: Path) -> FleetFiles:
    return FleetFiles(tmp_path)


def load(files: FleetFiles, **other: Any) -> SnapshotLoaded:
    return making.load(context(), files.request(**other))


def facts(star: Star, finding: int) -> dict[str, Any]:
    """What is known of a finding, by the names of the language; what is missing is not there."""
    found: dict[str, Any] = {}
    for dimension in DIMENSIONS:
        row = int(star.keys[dimension][finding])
        for name in star.dimensions[dimension].columns:
            value = told(star, dimension, name, row)
            if value is not None:
                found[name] = value
    return found


def told(star: Star, dimension: Dimension, name: str, row: int) -> Any:
    match star.dimensions[dimension].columns[name]:
        case Coded(codes, words):
            return None if codes[row] == NO_CODE else words[codes[row]]
        case Scaled(values):
            return None if values[row] == NO_VALUE else int(values[row])
        case Flags(flags):
            return {-1: None, 0: False, 1: True}[int(flags[row])]
        case Many(offsets, codes, words, known):
            return {words[c] for c in codes[offsets[row] : offsets[row + 1]]} if known[row] else None


def star_of(result: SnapshotLoaded) -> Star:
    return load_star(result.path)


def by_component(star: Star) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [facts(star, i) for i in range(star.findings)]
    return {(row["asset.id"], row["component.purl"]): row for row in rows}


def test_every_column_of_the_language(files: FleetFiles) -> None:
    star = star_of(load(files))
    found = by_component(star)
    assert found.keys() == {
        ("web", "pkg:pypi/django@4.2.1"),
        ("web", "pkg:npm/%40acme/ui@1.0.0"),
        ("batch", "pkg:golang/example.test/Mod@v1.2.0"),
    }
    django = found["web", "pkg:pypi/django@4.2.1"]
    assert django == {
        "asset.id": "web",
        "asset.tags": {"public"},
        "env.name": "prod",
        "env.exposure": "internet",
        "env.quietUntil": 1769904000,
        "sbom.tags": set(),
        "secret.hasFinding": False,
        "trust.score": 125_000,
        "component.purl": "pkg:pypi/django@4.2.1",
        "component.name": "django",
        "component.version": "4.2.1",
        "component.ecosystem": "pypi",
        "component.scope": "required",
        "component.direct": True,
        "advisory.id": "PYSEC-2026-1",
        "advisory.source": "PYSEC",
        "advisory.aliases": {"CVE-2026-0001"},
        "severity.normalized": "Critical",
        "cvss": 9_800_000,
        "epss": 123_450,
        "epss.percentile": 900_000,
        "kev": True,
        "kev.ransomware": True,
        "fix.available": True,
        "age.days": 30 * MICRO,
        "vex.latest.status": "not_affected",
        "vex.latest.justification": "vulnerable_code_not_present",
        "vex.latest.vendor": "ACME",
        "vex.latest.trust": 900_000,
        "vex.latest.verified": True,
        "vex.latest.fresh": True,
    }
    ui = found["web", "pkg:npm/%40acme/ui@1.0.0"]
    assert ui["severity.normalized"] == "Medium"
    assert ui["advisory.cwes"] == {"CWE-79"}
    assert (ui["fix.available"], ui["kev"], ui["component.direct"]) == (False, False, False)
    assert ui.keys().isdisjoint({"cvss", "epss", "vex.latest.status"})
    assert ui["age.days"] == 31 * MICRO
    mod = found["batch", "pkg:golang/example.test/Mod@v1.2.0"]
    assert mod.keys().isdisjoint({"severity.normalized", "component.scope", "component.direct", "env.exposure"})
    assert {name for dimension in DIMENSIONS for name in star.dimensions[dimension].columns} == set(COLUMNS)


def test_the_shape_of_the_arrays(files: FleetFiles) -> None:
    star = star_of(load(files))
    assert {key.dtype for key in star.keys.values()} == {np.dtype(np.int32)}
    evidence = star.dimensions["evidence"]
    assert isinstance(evidence, Evidence)
    assert evidence.statements.columns.keys() == set(STATEMENT)
    assert evidence.offsets.tolist() == [0, 0, 1]
    severity = star.dimensions["advisory"].columns["severity.normalized"]
    assert isinstance(severity, Coded)
    assert severity.words == ("None", "Low", "Medium", "High", "Critical")
    for values in star.dimensions["advisory"].columns.values():
        assert isinstance(values, (Coded, Many, Scaled, Flags))


def test_feeds_that_were_not_given_are_missing_everywhere(files: FleetFiles) -> None:
    result = load(files, kev=None, epss=None, vex=(), trust=None, assets=None)
    for row in by_component(star_of(result)).values():
        assert row.keys().isdisjoint({"kev", "kev.ransomware", "epss", "epss.percentile", "env.name"})
    head = snapshot.read(Path(result.path))
    assert (head.core.kev, head.core.epss, head.core.vex_set, head.core.trust) == (None, None, None, None)


def every_byte(result: SnapshotLoaded) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(result.path).glob("*.parquet")}


def test_the_order_and_the_number_of_files_do_not_matter(files: FleetFiles, tmp_path: Path) -> None:
    first = load(files)
    other = tmp_path / "other"
    advisories = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "osv").iterdir(), reverse=True)]
    files.put("other/z.json", advisories[:2])
    files.text("other/a.jsonl", json.dumps(advisories[2]) + "\n\n" + json.dumps(advisories[0]) + "\n")
    (other / "sboms").mkdir()
    for path in (tmp_path / "sboms").iterdir():
        (other / "sboms" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    shutil.copy(tmp_path / "sboms" / "web.json", other / "web.json")
    second = load(
        files,
        dir=str(other / "store"),
        sbom=(str(other / "sboms"), str(other / "web.json")),
        advisories=(str(other / "z.json"), str(other / "a.jsonl")),
    )
    assert second.digest == first.digest
    assert every_byte(second) == every_byte(first)


def test_a_later_clock_is_another_snapshot_of_the_same_star_until_an_age_changes(files: FleetFiles) -> None:
    first = load(files)
    second = load(files, as_of="2026-01-31T12:00:01Z")
    assert second.digest != first.digest
    assert star_of(second).digest == star_of(first).digest
    third = load(files, as_of="2026-02-01T12:00:00Z")
    assert star_of(third).digest != star_of(first).digest


def test_without_an_instant_it_is_the_clocks(files: FleetFiles) -> None:
    assert load(files, as_of=None).as_of == AS_OF
    with pytest.raises(BadTime):
        load(files, as_of="yesterday")


def test_a_statement_about_what_is_inside_of_a_product(files: FleetFiles) -> None:
    files.put("sboms/third.json", cyclonedx("third", "pkg:pypi/django@4.2.1"))
    files.put("vex/acme.json", openvex(not_affected("PYSEC-2026-1", "third@1", "pkg:pypi/django@4.2.1")))
    found = by_component(star_of(load(files)))
    assert found["third@1", "pkg:pypi/django@4.2.1"]["vex.latest.status"] == "not_affected"
    assert "vex.latest.status" not in found["web", "pkg:pypi/django@4.2.1"]


def test_of_one_vendor_the_latest_statement_counts_and_of_all_vendors_the_latest_is_last(files: FleetFiles) -> None:
    files.put(
        "vex/acme.json",
        openvex(
            not_affected("CVE-2026-0001", "pkg:pypi/django", timestamp="2026-01-10T00:00:00Z"),
            {**not_affected("CVE-2026-0001", "pkg:pypi/django@4.2.1"), "status": "affected", "justification": ""},
        ),
    )
    files.put(
        "vex/other.json",
        openvex(not_affected("CVE-2026-0001", "pkg:pypi/django", timestamp="2025-01-01T00:00:00Z"), author="other"),
    )
    star = star_of(load(files))
    row = by_component(star)["web", "pkg:pypi/django@4.2.1"]
    assert (row["vex.latest.status"], row["vex.latest.vendor"]) == ("affected", "ACME")
    evidence = star.dimensions["evidence"]
    assert isinstance(evidence, Evidence)
    vendors = evidence.statements.columns["vendor"]
    fresh = evidence.statements.columns["fresh"]
    assert isinstance(vendors, Coded)
    assert isinstance(fresh, Flags)
    assert [vendors.words[code] for code in vendors.codes] == ["other", "ACME"]
    assert fresh.values.tolist() == [0, 1]


def test_reachability_is_the_strongest_that_somebody_told(files: FleetFiles) -> None:
    files.text(
        "reach.csv",
        "asset,component,advisory,reach_state\n"
        "web,pkg:pypi/django,CVE-2026-0001,unreachable\n"
        ",pkg:pypi/django@4.2.1,PYSEC-2026-1,reachable\n"
        "batch,pkg:golang/example.test/mod,GO-2026-1,unreachable\n",
    )
    found = by_component(star_of(load(files, reach=str(files.folder / "reach.csv"))))
    assert found["web", "pkg:pypi/django@4.2.1"]["reach_state"] == "reachable"
    assert found["batch", "pkg:golang/example.test/Mod@v1.2.0"]["reach_state"] == "unreachable"
    assert REACH.words.index("reachable") > REACH.words.index("unreachable")


def test_withdrawn_and_later_modified_advisories(files: FleetFiles) -> None:
    later = {"modified": "2026-01-30T00:00:00Z"}
    files.put("osv/d.json", osv("GO-2026-1", "Go", "example.test/mod", {"introduced": "0"}, **later))
    gone = later | {"withdrawn": "2026-01-30T00:00:00Z"}
    files.put("osv/e.json", osv("GHSA-aaaa", "npm", "@acme/ui", {"introduced": "0"}, **gone))
    result = load(files)
    found = by_component(star_of(result))
    assert found["batch", "pkg:golang/example.test/Mod@v1.2.0"]["fix.available"] is False
    assert ("web", "pkg:npm/%40acme/ui@1.0.0") not in found
    assert {one.reason: one.count for one in result.left} == {"duplicate_id": 2}


def test_one_row_for_each_package_of_an_advisory(files: FleetFiles) -> None:
    whole = osv("PYSEC-2026-1", "PyPI", "django", {"introduced": "0"}, {"fixed": "4.2.2"})
    whole["affected"] += osv("x", "npm", "@acme/ui", {"introduced": "0"})["affected"]
    files.put("osv/a.json", whole)
    star = star_of(load(files))
    found = by_component(star)
    assert found["web", "pkg:pypi/django@4.2.1"]["fix.available"] is True
    rows = pl.read_parquet(Path(load(files).path) / "advisory.parquet")
    assert rows.filter(pl.col("advisory.id") == "PYSEC-2026-1")["package.ecosystem"].to_list() == ["PyPI", "npm"]


def test_debian_is_matched_by_release_and_source(files: FleetFiles) -> None:
    files.put(
        "sboms/image.spdx.json",
        spdx(
            "image",
            "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl%403.0.11-1~deb12u1",
            "pkg:deb/debian/libssl3@3.0.11-1?distro=debian-13&upstream=openssl",
            "pkg:deb/debian/openssl@1.0",
            "pkg:deb/ubuntu/openssl@1.0?distro=ubuntu-22.04",
        ),
    )
    files.put("osv/d.json", osv("DSA-1", "Debian:12", "openssl", {"introduced": "0"}, {"fixed": "3.0.11-1~deb12u2"}))
    found = [purl for asset, purl in by_component(star_of(load(files))) if asset == "batch"]
    assert len(found) == 1
    assert "deb12u1" in found[0]


def test_a_bad_record_goes_to_the_quarantine_and_too_many_refuse_the_file(files: FleetFiles) -> None:
    purls = [f"pkg:pypi/p{n}@1" for n in range(100)]
    files.put("sboms/web.json", cyclonedx("web", *purls, "pkg:nothing"))
    result = load(files)
    assert result.quarantined == 1
    lines = (Path(result.path) / "quarantine.jsonl").read_bytes().splitlines()
    told = [msgspec.json.decode(line) for line in lines]
    assert [(one["file"], one["record"], one["reason"], one["counts"]) for one in told] == [
        ("web.json", "pkg:nothing", "bad_purl", True)
    ]
    files.put("sboms/web.json", cyclonedx("web", *purls, "pkg:nothing", "pkg:nothing-either"))
    with pytest.raises(TooManyBad, match=r"web\.json is refused: 2 of 103 records are bad"):
        load(files, dir=str(files.folder / "empty"))
    assert not (files.folder / "empty").exists()


def test_a_refused_file_is_left_out_when_that_was_asked_for(files: FleetFiles) -> None:
    files.text("sboms/broken.json", "{")
    with pytest.raises(NotParsed):
        load(files)
    result = load(files, skip_refused=True)
    assert result.refused == ("broken.json",)
    assert [one.reason for one in result.left] == ["refused"]
    assert result.figures.findings == 3


def test_nothing_of_a_refused_list_of_advisories_counts(files: FleetFiles) -> None:
    for end in "abc":
        (files.folder / f"osv/{end}.json").unlink()
    good = osv("GO-2026-1", "Go", "example.test/Mod", {"introduced": "0"})
    files.put("osv/good.json", osv("GO-2026-2", "Go", "example.test/Mod", {"introduced": "0"}))
    files.text("osv/list.jsonl", json.dumps(good) + '\n{"id": 1}\n')
    result = load(files, skip_refused=True)
    assert (result.refused, result.counts["advisories"], result.figures.findings) == (("list.jsonl",), 1, 1)


@pytest.mark.parametrize("broken", ["1\n2\n", '{"id"', "[1, 2]"])
def test_a_list_among_many_files_is_refused_as_a_list(files: FleetFiles, broken: str) -> None:
    for number in range(120):
        files.put(f"osv/n{number}.json", osv(f"GO-{number}", "Go", "example.test/other", {"introduced": "0"}))
    files.text("osv/list.json" if broken[0] == "[" else "osv/list.jsonl", broken)
    with pytest.raises(TooManyBad, match="records are bad"):
        load(files)


def test_the_later_of_two_advisories_in_one_list_counts(files: FleetFiles) -> None:
    old = osv("GO-2026-9", "Go", "example.test/Mod", {"introduced": "0"})
    new = old | {"modified": "2026-01-03T00:00:00Z", "affected": []}
    for rows in ([old, new], [new, old]):
        files.text("osv/list.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        result = load(files)
        assert (result.figures.findings, [one.reason for one in result.left]) == (3, ["duplicate_id"])


def test_one_in_a_hundred_is_the_most(files: FleetFiles) -> None:
    rows = [osv(f"GO-{number}", "Go", "example.test/other", {"introduced": "0"}) for number in range(198)]
    text = "".join(json.dumps(row) + "\n" for row in rows) + "1\n2\n"
    files.text("osv/list.jsonl", text)
    assert load(files).quarantined == 2
    files.text("osv/list.jsonl", text + "3\n")
    with pytest.raises(TooManyBad, match=r"3 of 201 records are bad"):
        load(files)


def test_a_statement_that_is_made_tomorrow_is_not_fresh(files: FleetFiles) -> None:
    for at, fresh in (("2026-01-31T12:00:00Z", 1), ("2026-01-31T12:00:01Z", 0), ("2099-01-01T00:00:00Z", 0)):
        files.put("vex/acme.json", openvex(not_affected("CVE-2026-0001", "pkg:pypi/django"), timestamp=at))
        star = star_of(load(files))
        evidence = star.dimensions["evidence"]
        assert isinstance(evidence, Evidence)
        flags = evidence.statements.columns["fresh"]
        assert isinstance(flags, Flags)
        assert flags.values.tolist() == [fresh]


def test_single_files_of_a_large_database_count_together(files: FleetFiles) -> None:
    for number in range(120):
        files.put(f"osv/n{number}.json", osv(f"GO-{number}", "Go", "example.test/other", {"introduced": "0"}))
    files.text("osv/n1.json", "{")
    assert load(files).quarantined == 1
    files.put("osv/n2.json", osv("GO-2", "Go", "example.test/other", {"fixed": "1.0.0"}))
    with pytest.raises(TooManyBad, match=r"2 of 123 records are bad"):
        load(files)


def test_an_asset_without_an_sbom_stays_and_an_sbom_without_an_asset_is_one(files: FleetFiles) -> None:
    files.put("sboms/third.json", cyclonedx("third", "pkg:pypi/django@4.2.1"))
    listed = '[[asset]]\nasset.id = "gone"\nsbom = "gone-*"\n[[asset]]\nasset.id = "web"\nsbom = ["web@1"]\n'
    files.text("assets.toml", listed)
    result = load(files)
    star = star_of(result)
    ids = star.dimensions["asset"].columns["asset.id"]
    assert isinstance(ids, Coded)
    assert [ids.words[code] for code in ids.codes] == ["gone", "image", "third@1", "web"]
    assert {one.reason: one.count for one in result.left} == {"no_asset": 2, "no_sbom": 1}


def test_nothing_to_load(files: FleetFiles) -> None:
    (files.folder / "nothing").mkdir()
    with pytest.raises(NothingToLoad):
        load(files, sbom=(str(files.folder / "nothing"),))


class KilledError(BaseException):
    """The process ends here."""


def test_a_kill_at_any_step_leaves_nothing_that_counts(files: FleetFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    store = files.folder / "store"
    after, ended = 0, False
    while not ended:
        steps = count()

        def stop(*_: object, steps: Iterator[int] = steps, after: int = after) -> None:
            if next(steps) == after:
                raise KilledError

        shutil.rmtree(store, ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill cleans nothing up
            observe_steps(stop)
            try:
                load(files)
                ended = True
            except KilledError:
                pass
            finally:
                observe_steps(None)
        for one in snapshot.snapshots(store) if store.exists() else ():
            snapshot.verify(one)
        again = load(files)
        assert [path.name for path in snapshot.snapshots(store)] == [again.digest]
        assert not list(store.glob(".loading*"))
        after += 1
    assert after > len(snapshot.TABLES)


def test_the_same_load_again_changes_nothing_and_a_damaged_one_is_replaced(files: FleetFiles) -> None:
    first = load(files)
    path = Path(first.path) / "findings.parquet"
    before = path.stat().st_ino
    assert load(files).digest == first.digest
    assert path.stat().st_ino == before
    path.write_bytes(b"")
    load(files)
    assert star_of(first).findings == 3


def test_no_findings_at_all(files: FleetFiles) -> None:
    files.put("osv/a.json", osv("GO-9", "Go", "example.test/other", {"introduced": "0"}))
    (files.folder / "osv/b.json").unlink()
    (files.folder / "osv/c.json").unlink()
    star = star_of(load(files))
    assert star.findings == 0
    assert star.dimensions["asset"].rows == 2
