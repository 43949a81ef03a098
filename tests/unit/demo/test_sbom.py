"""The SBOM of the environment: CycloneDX 1.6, sorted, the same bytes each time."""

from __future__ import annotations

import json
from email.message import Message
from importlib import metadata
from typing import Any

import pytest

from stella.demo import sbom

Marks = dict[str, str | list[str]]
CREATED = "2026-02-12T00:00:00Z"


class Installed:
    """An installed package as importlib.metadata shows it."""

    def __init__(self, name: str, requires: list[str] | None = None, marks: Marks | None = None) -> None:
        self.name, self.version, self.requires = name, "1.0", requires
        self.metadata = Message()
        for mark, values in (marks or {}).items():
            for value in values if isinstance(values, list) else [values]:
                self.metadata[mark] = value


def document(monkeypatch: pytest.MonkeyPatch, *packages: Installed) -> Any:
    monkeypatch.setattr(sbom, "distributions", lambda: iter(packages))
    return json.loads(sbom.environment_sbom(CREATED))


def test_of_this_environment() -> None:
    data = sbom.environment_sbom(CREATED)
    assert data == sbom.environment_sbom(CREATED)
    found = json.loads(data)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert found["metadata"]["timestamp"] == CREATED
    names = [component["name"] for component in found["components"][1:]]
    assert names == sorted(set(names))
    versions = {component["name"]: component["version"] for component in found["components"]}
    assert versions["msgspec"] == metadata.version("msgspec")
    references = {component["bom-ref"] for component in [*found["components"], found["metadata"]["component"]]}
    for row in found["dependencies"]:
        assert {row["ref"], *row["dependsOn"]} <= references


def test_names_are_normal_and_the_first_on_the_path_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Installed("a.b-c")
    second.version = "2.0"
    found = document(monkeypatch, Installed("zeta"), Installed("A_b.C"), second)
    assert [component.get("purl") for component in found["components"]] == [
        None,
        "pkg:pypi/a-b-c@1.0",
        "pkg:pypi/zeta@1.0",
    ]


def test_own_package_is_the_subject_not_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    found = document(monkeypatch, Installed("stella"), Installed("other"))
    assert found["metadata"]["component"]["purl"] == "pkg:pypi/stella@1.0"
    assert [component["name"] for component in found["components"][1:]] == ["other"]


def test_dependencies_leave_out_extras_and_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    wants = ["B_b>=2 ; python_version > '3'", "absent", "c ; extra == 'more'"]
    found = document(monkeypatch, Installed("a", wants), Installed("b-b"), Installed("c"))
    assert found["dependencies"][0] == {"ref": "pkg:pypi/a@1.0", "dependsOn": ["pkg:pypi/b-b@1.0"]}


@pytest.mark.parametrize(
    ("marks", "licences"),
    [
        ({"License-Expression": "MIT OR Apache-2.0", "License": "no"}, [{"expression": "MIT OR Apache-2.0"}]),
        ({"License": "BSD"}, [{"license": {"name": "BSD"}}]),
        (
            {"License": "x" * 81, "Classifier": ["License :: OSI Approved :: MIT License", "Topic :: Other"]},
            [{"license": {"name": "MIT License"}}],
        ),
        ({"Classifier": ["Topic :: Other"]}, None),
    ],
)
def test_licences_are_what_the_package_says(
    monkeypatch: pytest.MonkeyPatch, marks: Marks, licences: list[object] | None
) -> None:
    found = document(monkeypatch, Installed("a", marks=marks))
    assert found["components"][1].get("licenses") == licences
