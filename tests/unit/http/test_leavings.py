"""The files of a tenant that is erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from stella.http import leavings
from stella.identity.erasure import Gone
from stella.kernel.errors import BadTenant


def test_only_its_own_folders_go(tmp_path: Path) -> None:
    work, parts = tmp_path / "work", tmp_path / "parts"
    for tenant in ("acme", "acme-2"):
        (work / tenant / "a/b").mkdir(parents=True)
        (work / tenant / "a/b/c").write_text("x")
        (parts / tenant).mkdir(parents=True)
        (parts / tenant / "1").write_text("x")
    (work / "acme" / "link").symlink_to(work / "acme-2")
    assert leavings.remove((work, parts), "acme") == [Gone("files", 2)]
    assert sorted(path.name for path in work.iterdir()) == ["acme-2"]
    assert (work / "acme-2/a/b/c").read_text() == "x"
    assert leavings.remove((work, parts), "acme") == [Gone("files", 0)]


def test_a_link_in_place_of_a_folder_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    (tmp_path / "acme").symlink_to(tmp_path / "other")
    assert leavings.remove((tmp_path,), "acme") == [Gone("files", 0)]
    assert (tmp_path / "other/file").exists()


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "/", "\0"])
def test_a_bad_id_removes_nothing(tmp_path: Path, tenant: str) -> None:
    with pytest.raises(BadTenant):
        leavings.remove((tmp_path,), tenant)
