"""A fleet of two assets as files, and the command over it: what tests of simulations and of pipelines start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stella.cli.main import run

AS_OF = "2026-01-31T12:00:00Z"
TODAY = """policy "gate" syntax "stella-dsl@1" {
  rule exploited priority 10 {
    when kev and not vex.any(status == "not_affected")
    then status := "blocked"
    because "an exploit is in use"
  }
}
"""
NO_VEX = TODAY.replace(' and not vex.any(status == "not_affected")', "")
OPEN = TODAY.replace("when kev", 'when kev and env.name == "dev"')
STATEMENT = {
    "vulnerability": {"name": "CVE-2026-0001"},
    "products": [{"@id": "pkg:npm/lib@1.0.0"}],
    "status": "not_affected",
    "justification": "vulnerable_code_not_present",
}
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "urn:v",
    "author": "acme",
    "timestamp": "2026-01-20T00:00:00Z",
    "statements": [STATEMENT],
}


class Fleet(NamedTuple):
    """A folder of inputs, and the command."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object) -> tuple[int, dict[str, Any]]:
        self.capsys.readouterr()
        code = run([*map(str, words), "--json"])
        out, err = self.capsys.readouterr()
        return code, json.loads(out or err)

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, *more: object) -> str:
        words = ("inventory", "load", "--dir", "I", "--sbom", "sboms", "--advisories", "osv", "--assets", "assets.toml")
        code, told = self(*words, "--kev", "kev.json", "--as-of", AS_OF, *more)
        assert code == 0, told
        return str(told["path"])

    def simulate(
        self, inventory: str, *more: object, after: str = TODAY, before: str = ""
    ) -> tuple[int, dict[str, Any]]:
        self.text("after.stella", after)
        words: tuple[object, ...] = ("policy", "simulate", "--to", "after.stella", "--inventory", inventory)
        if before:
            self.text("before.stella", before)
            words += ("--from", "before.stella")
        return self(*words, "--max-age", "any", *more)


def sbom(name: str) -> str:
    purl = "pkg:npm/lib@1.0.0"
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": {"type": "application", "name": name, "version": "1", "bom-ref": "app"}},
            "components": [{"type": "library", "name": "lib", "version": "1.0.0", "bom-ref": purl, "purl": purl}],
            "dependencies": [{"ref": "app", "dependsOn": [purl]}],
        }
    )


def advisory(name: str, cve: str) -> str:
    events = [{"introduced": "0"}, {"fixed": "1.0.1"}]
    affected = {
        "package": {"ecosystem": "npm", "name": "lib"},
        "ranges": [{"type": "SEMVER", "events": events}],
    }
    return json.dumps(
        {
            "id": name,
            "modified": "2026-01-02T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
            "aliases": [cve],
            "affected": [affected],
            "database_specific": {"severity": "HIGH"},
        }
    )


def asset(name: str, place: str) -> str:
    return f'[[asset]]\nsbom = "{name}.json"\nasset.id = "{name}"\nenv.name = "{place}"\n'


def laid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fleet:
    """The files, in a folder that is home and the current one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = Fleet(tmp_path, capsys)
    for name in ("web", "batch"):
        made.text(f"sboms/{name}.json", sbom(name))
    made.text("osv/a.json", advisory("GHSA-aaaa", "CVE-2026-0001"))
    made.text("osv/b.json", advisory("GHSA-bbbb", "CVE-2026-0002"))
    made.text("kev.json", json.dumps({"vulnerabilities": [{"cveID": "CVE-2026-0001"}]}))
    made.text("assets.toml", asset("web", "prod") + asset("batch", "dev"))
    made.text("vex/a.json", json.dumps(VEX))
    return made
