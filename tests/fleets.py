"""Small inputs of an inventory, as files: two SBOMs, advisories, VEX, feeds, assets. Each part can be replaced."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from stella.inventory.model import LoadInventory
from stella.kernel.instant import parse_time
from stella.operations import Context
from stella.runtime.settings import Settings
from stella.testing import ManualClock, SilentProgress, counted_entropy

AS_OF = "2026-01-31T12:00:00Z"
AS_OF_SECONDS = parse_time(AS_OF)


def cyclonedx(name: str, *purls: str, **other: Any) -> dict[str, Any]:
    """An SBOM of an application with these components, the first of which is direct."""
    components = [{"type": "library", "name": purl, "bom-ref": purl, "purl": purl} for purl in purls]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": name, "version": "1", "bom-ref": "app"}},
        "components": components,
        "dependencies": [{"ref": "app", "dependsOn": list(purls[:1])}],
    } | other


def spdx(name: str, *purls: str, **other: Any) -> dict[str, Any]:
    """An SBOM of an image with these packages."""
    packages: list[dict[str, Any]] = [{"SPDXID": "SPDXRef-Image", "name": name}]
    for number, purl in enumerate(purls):
        ref = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        packages.append({"SPDXID": f"SPDXRef-{number}", "name": purl, "externalRefs": [ref]})
    describes = {
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relatedSpdxElement": "SPDXRef-Image",
        "relationshipType": "DESCRIBES",
    }
    return {"spdxVersion": "SPDX-2.3", "name": name, "packages": packages, "relationships": [describes]} | other


def osv(name: str, ecosystem: str, package: str, *events: dict[str, str], **other: Any) -> dict[str, Any]:
    """An advisory about one package with one range."""
    kind = "SEMVER" if ecosystem in {"Go", "npm", "crates.io"} else "ECOSYSTEM"
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": kind, "events": list(events)}],
    }
    return {
        "id": name,
        "modified": "2026-01-02T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "affected": [affected],
    } | other


def openvex(*statements: dict[str, Any], author: str = "acme", **other: Any) -> dict[str, Any]:
    """An OpenVEX document."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.test/vex",
        "author": author,
        "timestamp": "2026-01-20T00:00:00Z",
        "statements": list(statements),
    } | other


def not_affected(vulnerability: str, product: str, *inside: str, **other: Any) -> dict[str, Any]:
    """A statement that a product, or what is inside of it, is not affected."""
    told: dict[str, Any] = {"@id": product}
    if inside:
        told["subcomponents"] = [{"@id": one} for one in inside]
    return {
        "vulnerability": {"name": vulnerability},
        "products": [told],
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
    } | other


ASSETS = """
[[asset]]
sbom = "web.json"
asset.id = "web"
asset.tags = ["public"]
env.name = "prod"
env.exposure = "internet"
env.quietUntil = 2026-02-01T00:00:00Z
secret.hasFinding = false
trust.score = 0.125

[[asset]]
sbom = "image*"
asset.id = "batch"
env.name = "dev"
"""
TRUST = """
max_age = "90d"
[vendor.acme]
name = "ACME"
trust = 0.9
verified = true
"""
EPSS = "#model_version:v2026,score_date:2026-01-30\ncve,epss,percentile\nCVE-2026-0001,0.12345,0.9\nCVE-2026-0009,1,1\n"
KEV = {"vulnerabilities": [{"cveID": "CVE-2026-0001", "knownRansomwareCampaignUse": "Known"}]}


class FleetFiles:
    """The files below a folder, and the request that loads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put("sboms/web.json", cyclonedx("web", "pkg:pypi/Django@4.2.1", "pkg:npm/%40acme/ui@1.0.0"))
        self.put("sboms/image.spdx.json", spdx("image", "pkg:pypi/django@5.0", "pkg:golang/example.test/Mod@v1.2.0"))
        self.put(
            "osv/a.json",
            osv(
                "PYSEC-2026-1",
                "PyPI",
                "django",
                {"introduced": "0"},
                {"fixed": "4.2.2"},
                aliases=["CVE-2026-0001"],
                severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            ),
        )
        self.put(
            "osv/b.json",
            osv(
                "GHSA-aaaa",
                "npm",
                "@acme/ui",
                {"introduced": "1.0.0"},
                published="2025-12-31T11:00:00Z",
                database_specific={"severity": "MODERATE", "cwe_ids": ["CWE-79"]},
            ),
        )
        self.put("osv/c.json", osv("GO-2026-1", "Go", "example.test/Mod", {"introduced": "1.2.0"}, {"fixed": "1.3.0"}))
        self.put("vex/acme.json", openvex(not_affected("CVE-2026-0001", "pkg:pypi/django")))
        self.text("assets.toml", ASSETS)
        self.text("trust.toml", TRUST)
        self.put("kev.json", KEV)
        self.path("epss.csv.gz").write_bytes(gzip.compress(EPSS.encode(), mtime=0))

    def path(self, name: str) -> Path:
        """Where a file is; its folder is there."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, value: object) -> Path:
        """Write JSON."""
        return self.text(name, json.dumps(value))

    def text(self, name: str, text: str) -> Path:
        """Write a text."""
        path = self.path(name)
        path.write_text(text)
        return path

    def request(self, **other: Any) -> LoadInventory:
        """All of it; `other` replaces fields."""
        told: dict[str, Any] = {
            "dir": str(self.folder / "store"),
            "sbom": (str(self.folder / "sboms"),),
            "advisories": (str(self.folder / "osv"),),
            "vex": (str(self.folder / "vex"),),
            "assets": str(self.folder / "assets.toml"),
            "trust": str(self.folder / "trust.toml"),
            "kev": str(self.folder / "kev.json"),
            "epss": str(self.folder / "epss.csv.gz"),
            "as_of": AS_OF,
        }
        return LoadInventory(**(told | other))


def context(wall: int = AS_OF_SECONDS) -> Context:
    """A context whose clock stands."""
    return Context(
        ManualClock(wall), counted_entropy("fleet"), SilentProgress(), Settings(), lambda _: b"", "an operator"
    )
