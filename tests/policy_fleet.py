"""A small fleet for policies: assets with one library that has two advisories, one of which is exploited."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from stella.inventory import making
from stella.inventory.model import LoadInventory, SnapshotLoaded
from stella.kernel.instant import format_time
from stella.operations import Context

PURL = "pkg:npm/lib@1.0.0"
KEV = "CVE-2026-0001"


def write(folder: Path, assets: Mapping[str, str], exploited: str = KEV) -> Path:
    """The files of a fleet: its assets by their environments, and what is exploited."""
    for name in assets:
        component = {"type": "library", "name": "lib", "version": "1.0.0", "bom-ref": PURL, "purl": PURL}
        about = {"component": {"type": "application", "name": name, "version": "1", "bom-ref": "app"}}
        made = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": about,
            "components": [component],
            "dependencies": [{"ref": "app", "dependsOn": [PURL]}],
        }
        _text(folder / f"sboms/{name}.json", json.dumps(made))
    for name, cve in (("GHSA-aaaa", KEV), ("GHSA-bbbb", "CVE-2026-0002")):
        _text(folder / f"osv/{name}.json", json.dumps(_advisory(name, cve)))
    _text(folder / "kev.json", json.dumps({"vulnerabilities": [{"cveID": exploited}]}))
    rows = [
        f'[[asset]]\nsbom = "{name}.json"\nasset.id = "{name}"\nenv.name = "{env}"\n' for name, env in assets.items()
    ]
    _text(folder / "assets.toml", "".join(rows))
    return folder


def load(ctx: Context, folder: Path, assets: Mapping[str, str], exploited: str = KEV) -> SnapshotLoaded:
    """A snapshot of such a fleet, of now."""
    write(folder, assets, exploited)
    want = LoadInventory(
        str(folder / "I"),
        (str(folder / "sboms"),),
        (str(folder / "osv"),),
        assets=str(folder / "assets.toml"),
        kev=str(folder / "kev.json"),
        as_of=format_time(ctx.clock.read().wall),
    )
    return making.load(ctx, want)


def _advisory(name: str, cve: str) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": "1.0.1"}]
    package = {"ecosystem": "npm", "name": "lib"}
    return {
        "id": name,
        "modified": "2026-01-02T00:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": [cve],
        "affected": [{"package": package, "ranges": [{"type": "SEMVER", "events": events}]}],
        "database_specific": {"severity": "HIGH"},
    }


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
