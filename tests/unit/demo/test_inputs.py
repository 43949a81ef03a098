"""The demo's inputs: fetched where an index answers, made where none does, the same bytes each time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stella.demo import inputs, sample
from stella.demo.errors import MaterialMissing

CREATED = "2026-02-12T00:00:00Z"

FAKE_UV = """#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/bin/__pycache__" "$2/thing-1.dist-info"
cd "$2"
echo program > bin/program; echo x > bin/__pycache__/x.pyc; echo x > .lock
for name in METADATA RECORD INSTALLER REQUESTED; do echo "$name" > thing-1.dist-info/$name; done
exit {code}
"""


def fake_uv(folder: Path, code: int) -> str:
    path = folder / "fake-uv"
    path.write_text(FAKE_UV.replace("{code}", str(code)))
    path.chmod(0o755)
    return str(path)


def tree(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def test_a_fetched_release_holds_only_the_files_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLA_UV", fake_uv(tmp_path, 0))
    assert inputs.fetch_release("2.15.0", tmp_path / "out") == tmp_path / "out"
    assert list(tree(tmp_path / "out")) == ["bin/program", "thing-1.dist-info/METADATA"]
    assert not (tmp_path / "out/bin/__pycache__").exists()


def test_a_failed_fetch_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLA_UV", fake_uv(tmp_path, 2))
    assert inputs.fetch_release("2.15.1", tmp_path / "out") is None
    assert not (tmp_path / "out").exists()


def test_a_uv_that_is_not_there_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLA_UV", str(tmp_path / "none"))
    assert inputs.fetch_release("2.15.0", tmp_path / "out") is None


def test_a_fetch_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow-uv"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("STELLA_UV", str(slow))
    monkeypatch.setattr(inputs, "FETCH_SECONDS", 0.1)
    assert inputs.fetch_release("2.15.0", tmp_path / "out") is None


def test_without_an_index_both_releases_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STELLA_UV", fake_uv(tmp_path, 1))
    made = inputs.prepare(tmp_path / "in", CREATED)
    assert (made.real, made.product, made.versions) == (False, "sample-server", sample.VERSIONS)
    for generation in inputs.GENERATIONS:
        artifacts = tmp_path / "in" / str(generation) / "artifacts"
        assert sorted(tree(artifacts)) == ["NOTES.txt", "bin/sample-server"]
        assert [source.partition("=")[0] for source in made.sources(generation)] == [
            "artifacts",
            "sbom",
            "advisories",
            "policies",
        ]
        assert all(Path(source.partition("=")[2]).is_dir() for source in made.sources(generation))


def test_one_release_fetched_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = tmp_path / "half-uv"
    half.write_text(
        '#!/bin/sh\ncase "$*" in *demo-2*) exit 1;; esac\nwhile [ "$1" != --target ]; do shift; done\nmkdir -p "$2"\n'
    )
    half.chmod(0o755)
    monkeypatch.setenv("STELLA_UV", str(half))
    assert not inputs.prepare(tmp_path / "in", CREATED).real


def test_the_feed_grows_by_one_and_changes_one(tmp_path: Path) -> None:
    for generation in inputs.GENERATIONS:
        inputs.write_feed(tmp_path / str(generation), generation)
    first, second = tree(tmp_path / "1"), tree(tmp_path / "2")
    assert sorted(second.keys() - first.keys()) == ["STELLA-SAMPLE-0007.json"]
    assert [name for name in first if first[name] != second[name]] == ["STELLA-SAMPLE-0003.json"]


def test_every_advisory_is_a_sample_in_osv_form(tmp_path: Path) -> None:
    inputs.write_feed(tmp_path, 2)
    ecosystems = set()
    for name, data in tree(tmp_path).items():
        advisory = json.loads(data)
        assert advisory["id"] == name.removesuffix(".json")
        assert advisory["schema_version"] == "1.6.0"
        assert advisory["modified"] >= advisory["published"]
        assert "sample" in advisory["details"]
        assert advisory["database_specific"]["sample"] is True
        ecosystems |= {affected["package"]["ecosystem"].partition(":")[0] for affected in advisory["affected"]}
    assert ecosystems == {"PyPI", "npm", "Go", "Debian"}


def test_missing_examples_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "checkout", lambda: tmp_path)
    with pytest.raises(MaterialMissing) as caught:
        inputs.write_feed(tmp_path / "feed", 1)
    assert "make demo" in caught.value.advice
    assert caught.value.facts == {"folder": "examples/advisories"}


def test_uv_is_the_named_one_then_the_checkouts_then_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "checkout", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("STELLA_UV", raising=False)
    assert inputs.find_uv() is None
    for path in ("uv", ".tools/bin/uv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch(mode=0o755)
        assert inputs.find_uv() == str(tmp_path / path)
    monkeypatch.setenv("STELLA_UV", "named")
    assert inputs.find_uv() == "named"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.nightly
def test_the_real_releases_can_be_fetched(tmp_path: Path) -> None:
    found = inputs.fetch_release("2.15.0", tmp_path / "out")
    assert found is not None
    assert os.access(found / "bin/nats-server", os.X_OK)
