"""Names that mean the same thing are the same, and others are not; the order of inputs is left nowhere."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from stella.inventory import making, sboms
from stella.inventory.bom import LATEST_TAG, licenses_of
from stella.inventory.loading import load_star
from stella.inventory.model import SnapshotLoaded
from stella.inventory.packages import Located, Package, advised, located, parse
from stella.inventory.quarantine import Tally
from stella.inventory.reading import Document
from stella.inventory.star import Coded, Evidence
from stella.inventory.statements import is_about
from tests.fleets import FleetFiles, context, cyclonedx, not_affected, openvex, osv, spdx
from tests.made_up import SMALL, made_up


@pytest.mark.parametrize(
    ("named", "purl", "same"),
    [
        ("pkg:pypi/Django", "pkg:pypi/django@4.2", True),
        ("pkg:pypi/django@4.2", "pkg:pypi/django@4.2", True),
        ("pkg:pypi/django@4.2", "pkg:pypi/django@4.3", False),
        ("pkg:pypi/django", "pkg:npm/django@4.2", False),
        ("pkg:pypi/django", "pkg:pypi/flask", False),
        ("pkg:golang/Example.test/Mod@v1.2.0", "pkg:golang/example.test/mod@1.2.0", True),
        ("pkg:deb/debian/curl@1?arch=amd64", "pkg:deb/debian/curl@1?arch=amd64&distro=debian-12", True),
        ("pkg:deb/debian/curl@1?arch=arm64", "pkg:deb/debian/curl@1?arch=amd64&distro=debian-12", False),
        ("web", "web", True),
        ("web", "pkg:oci/web", False),
        ("pkg:", "pkg:oci/web", False),
    ],
)
def test_what_a_statement_is_about(named: str, purl: str, same: bool) -> None:
    assert is_about(named, purl) is same


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        ("pkg:pypi/Zope.Interface@5", Located(Package("PyPI", "", "zope-interface"), "5")),
        ("pkg:npm/%40scope/name@1", Located(Package("npm", "", "@scope/name"), "1")),
        ("pkg:golang/github.com/A/b@v1#cmd", Located(Package("Go", "", "github.com/a/b"), "v1")),
        ("pkg:golang/stdlib@1.25.0", Located(Package("Go", "", "stdlib"), "1.25.0")),
        ("pkg:cargo/time@0.1.0", Located(Package("crates.io", "", "time"), "0.1.0")),
        ("pkg:maven/org.a/b@1?type=jar", Located(Package("Maven", "", "org.a:b"), "1")),
        ("pkg:deb/debian/curl@7?distro=debian-11.5", Located(Package("Debian", "11", "curl"), "7")),
        ("pkg:deb/debian/git@2?distro=debian-12&epoch=1", Located(Package("Debian", "12", "git"), "1:2")),
        ("pkg:deb/debian/curl@7-1%2Bdeb11u3", Located(Package("Debian", "11", "curl"), "7-1+deb11u3")),
        ("pkg:deb/debian/curl@7", None),
        ("pkg:deb/ubuntu/curl@7?distro=ubuntu-22.04", None),
        ("pkg:gem/rails@7", None),
        ("pkg:pypi/a", Located(Package("PyPI", "", "a"), "")),
    ],
)
def test_what_advisories_call_a_component(purl: str, expected: Located | None) -> None:
    assert located(parse(purl)) == expected


def test_what_advisories_call_a_package() -> None:
    assert advised("PyPI", "Zope.Interface") == Package("PyPI", "", "zope-interface")
    assert advised("Debian:12", "curl") == Package("Debian", "12", "curl")
    assert advised("Maven:https://repo.test", "org.a:b") == Package("Maven", "", "org.a:b")
    assert advised("Hackage", "a") is None


def bom_of(value: object) -> Any:
    data = json.dumps(value).encode()
    return sboms.read(Document("x.json", data, "", len(data), ""), Tally("x", []))


def test_a_moving_tag_is_a_tag_of_the_sbom() -> None:
    image = cyclonedx("web")
    image["metadata"]["component"] |= {"purl": "pkg:oci/web@sha256:ab?tag=latest", "tags": ["nightly"]}
    assert bom_of(image).tags == (LATEST_TAG, "nightly")
    image["metadata"]["component"]["purl"] = "pkg:oci/web@sha256:ab?tag=1.2"
    assert bom_of(image).tags == ("nightly",)


def test_direct_is_what_the_subject_depends_on() -> None:
    relations = [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-Image", "relationshipType": "DESCRIBES"},
        {"spdxElementId": "SPDXRef-Image", "relatedSpdxElement": "SPDXRef-0", "relationshipType": "DEPENDS_ON"},
        {"spdxElementId": "SPDXRef-1", "relatedSpdxElement": "SPDXRef-Image", "relationshipType": "DEPENDENCY_OF"},
        {"spdxElementId": "SPDXRef-0", "relatedSpdxElement": "SPDXRef-2", "relationshipType": "DEPENDS_ON"},
    ]
    found = bom_of(spdx("x", "pkg:pypi/a@1", "pkg:pypi/b@1", "pkg:pypi/c@1", relationships=relations)).components
    assert {one.name: one.direct for one in found} == {"a": True, "b": True, "c": False}
    assert {one.direct for one in bom_of(spdx("x", "pkg:pypi/a@1")).components} == {None}


def test_licenses() -> None:
    assert licenses_of(["(MIT OR Apache-2.0) AND GPL-2.0-only WITH Classpath-exception-2.0"]) == (
        "Apache-2.0",
        "Classpath-exception-2.0",
        "GPL-2.0-only",
        "MIT",
    )
    assert licenses_of(["NOASSERTION", None, "NONE"]) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_larger_fleet_in_any_order(tmp_path: Path, seed: int) -> None:
    """The same SBOMs, advisories and statements under other names, in other files, told twice."""
    chance = random.Random(7)
    boms = [
        cyclonedx(f"app-{n}", *{f"pkg:pypi/p{chance.randrange(30)}@{chance.randrange(9)}.0" for _ in range(12)})
        for n in range(8)
    ]
    found = [
        osv(f"PYSEC-2026-{n}", "PyPI", f"p{n % 30}", {"introduced": str(chance.randrange(5))}, {"fixed": "8.0"})
        for n in range(60)
    ]
    said = [
        openvex(not_affected(f"PYSEC-2026-{n}", f"app-{n % 8}@1", f"pkg:pypi/p{n}"), author=f"vendor-{n % 3}")
        for n in range(20)
    ]
    digests: list[SnapshotLoaded] = []
    for order in (random.Random(0), random.Random(seed + 1)):
        files = FleetFiles(tmp_path / str(len(digests)))
        for path in [*files.folder.glob("sboms/*"), *files.folder.glob("osv/*"), *files.folder.glob("vex/*")]:
            path.unlink()
        for kind, values in (("sboms", boms), ("vex", said)):
            for number in order.sample(range(1000), len(values)):
                files.put(f"{kind}/{number}.json", values[len(list(files.folder.glob(f"{kind}/*")))])
            if digests:
                files.put(f"{kind}/again/{order.randrange(9)}.json", values[0])
        shuffled = order.sample(found, len(found))
        files.text("osv/all.jsonl", "\n".join(map(json.dumps, [*shuffled, *shuffled[: seed + 1]])))
        digests.append(making.load(context(), files.request(assets=None)))
    assert digests[0].digest == digests[1].digest
    assert digests[0].figures.statements >= 3
    keys = load_star(digests[0].path).keys
    rows = list(zip(*(keys[name].tolist() for name in ("asset", "component", "advisory")), strict=True))
    assert rows == sorted(set(rows))


def test_statements_of_several_vendors_are_oldest_first(tmp_path: Path) -> None:
    files = FleetFiles(tmp_path)
    for vendor, day in (("b", 12), ("a", 14), ("c", 13)):
        told = not_affected("CVE-2026-0001", "pkg:pypi/django", timestamp=f"2026-01-{day}T00:00:00Z")
        files.put(f"vex/{vendor}.json", openvex(told, author=vendor))
    (tmp_path / "vex/acme.json").unlink()
    evidence = load_star(making.load(context(), files.request()).path).dimensions["evidence"]
    assert isinstance(evidence, Evidence)
    vendors = evidence.statements.columns["vendor"]
    assert isinstance(vendors, Coded)
    assert [vendors.words[code] for code in vendors.codes] == ["b", "c", "a"]


def test_made_up_stars_are_the_same_every_time() -> None:
    one, other = made_up(1000, SMALL), made_up(1000, SMALL)
    assert one.digest == other.digest
    assert all((one.keys[name] == other.keys[name]).all() for name in one.keys)
    assert all(0 <= one.keys[name].min() <= one.keys[name].max() < one.dimensions[name].rows for name in one.keys)
    assert (made_up(1000, SMALL, seed=2).keys["age"] != one.keys["age"]).any()
