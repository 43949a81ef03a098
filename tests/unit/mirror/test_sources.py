"""From names to entries: categories, media types, and what is never followed or packed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stella.bundle.errors import BadPath, DuplicatePath
from stella.mirror.errors import BadCategory, ForbiddenSource, NothingToMirror
from stella.mirror.sources import category_of, media_type_of, split_source, walk
from stella.runtime.errors import ObjectMissing, Unreadable


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("osv/GHSA-1.json", "advisories"),
        ("Advisories/x", "advisories"),
        ("x.vex.json", "vex"),
        ("vex/any.json", "vex"),
        ("release.openvex.json", "vex"),
        ("bom.json", "sbom"),
        ("app.CDX.json", "sbom"),
        ("app.spdx", "sbom"),
        ("policies/readme.md", "policies"),
        ("gate.stella", "policies"),
        ("bin/server", "artifacts"),
        ("advisories", "artifacts"),  # a file of that name is no folder
        ("vex/bom.json", "vex"),
    ],
)
def test_a_category_follows_from_the_name(path: str, category: str) -> None:
    assert category_of(path) == category


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("a/x.JSON", "application/json"),
        ("x.cdx.json", "application/vnd.cyclonedx+json"),
        ("x.spdx.json", "application/spdx+json"),
        ("x.tar.gz", "application/gzip"),
        ("x.whl", "application/zip"),
        ("server", "application/octet-stream"),
        ("x.unheard-of", "application/octet-stream"),
        ("a.json/server", "application/octet-stream"),
    ],
)
def test_a_media_type_follows_from_the_name(path: str, media_type: str) -> None:
    assert media_type_of(path) == media_type


def test_no_table_of_the_operating_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import mimetypes

    monkeypatch.setattr(mimetypes, "guess_type", None)
    assert media_type_of("x.unheard-of") == "application/octet-stream"


def test_sources_name_their_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_source("vex=feed") == ("vex", Path("feed"))
    assert split_source("feed") == (None, Path("feed"))
    assert split_source("other=a=b") == ("other", Path("a=b"))
    assert split_source("/srv/a=b/feed") == (None, Path("/srv/a=b/feed"))
    (tmp_path / "vex=feed").mkdir()
    assert split_source("vex=feed") == (None, Path("vex=feed")), "what is there by that name is meant"
    with pytest.raises(BadCategory) as caught:
        split_source("vexx=feed")
    assert caught.value.facts["category"] == "vexx"


def test_a_walk_is_sorted_by_bytes_and_says_nothing_of_the_machine(tmp_path: Path) -> None:
    for name in ("b/2", "b/10", "a-b", "a/x", "Z", "\u00e9", ".hidden"):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    found = walk([f"other={tmp_path}/src"])
    names = [file.path for file in found]
    assert names == sorted(names, key=str.encode)
    assert names == ["other/.hidden", "other/Z", "other/a-b", "other/a/x", "other/b/10", "other/b/2", "other/\u00e9"]
    assert [file.size for file in found] == [len(file.path.removeprefix("other/").encode()) for file in found]


def test_a_file_is_a_source_and_folders_without_files_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty/below").mkdir(parents=True)
    (tmp_path / "x.json").write_text("{}")
    assert [file.path for file in walk([f"{tmp_path}/x.json", f"{tmp_path}/empty"])] == ["artifacts/x.json"]
    for sources in ([f"{tmp_path}/empty"], []):
        with pytest.raises(NothingToMirror):
            walk(sources)


def kinds(top: Path) -> dict[str, str]:
    (top / "file").write_text("x")
    (top / "real").mkdir()
    (top / "link").symlink_to("file")
    (top / "folder-link").symlink_to("real")
    (top / "dangling").symlink_to("nowhere")
    os.mkfifo(top / "pipe")
    return {"link": "link", "folder-link": "link", "dangling": "link", "pipe": "pipe"}


@pytest.mark.parametrize("name", ["link", "folder-link", "dangling", "pipe"])
@pytest.mark.parametrize("below", [True, False], ids=["inside a source", "as a source"])
def test_links_and_pipes_are_refused(name: str, below: bool, tmp_path: Path) -> None:
    kind = kinds(tmp_path)[name]
    for other in tmp_path.iterdir():
        if below and other.name not in {name, "file", "real"}:
            other.unlink()
    with pytest.raises(ForbiddenSource) as caught:
        walk([f"other={tmp_path if below else tmp_path / name}"])
    assert caught.value.facts["kind"] == kind
    assert name in str(caught.value)


def test_a_name_that_a_bundle_cannot_carry_is_named(tmp_path: Path) -> None:
    for name in (b"e\xcc\x81", b"a\nb", b"\xff"):
        path = tmp_path / os.fsdecode(name)
        path.touch()
        with pytest.raises(BadPath) as caught:
            walk([f"other={tmp_path}"])
        str(caught.value).encode("ascii")
        path.unlink()


def test_two_sources_with_a_file_of_one_name(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
    with pytest.raises(DuplicatePath) as caught:
        walk([f"other={tmp_path}/one", f"other={tmp_path}/two"])
    assert caught.value.facts["path"] == "other/x"
    assert len(walk([f"other={tmp_path}/one", f"vex={tmp_path}/two"])) == 2


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        walk([f"{tmp_path}/none"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(Unreadable):
        walk([f"{tmp_path}/closed"])
