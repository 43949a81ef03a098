"""python-tuf's own client reads what a channel publishes, and both clients agree, also after every rotation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.signing.tuf_client import Trusted, verify_update
from tests.unit.signing.laid import DAY, NOW, Laid


class FromFolder(FetcherInterface):
    """Serves metadata and targets from a folder, as a web server would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self.folder / url.removeprefix("https://vendor.invalid/")
        if not path.is_file():
            raise DownloadHTTPError(url, 404)
        yield path.read_bytes()


def serve(folder: Path, laid: Laid, targets: Mapping[str, bytes]) -> None:
    """Lay the folder of a channel: `metadata/` and `targets/` with the digest before each base name."""
    for old in folder.glob("metadata/*"):
        old.unlink()
    for name, data in laid.state.items():
        path = folder / "metadata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, data in targets.items():
        parent, _, base = name.rpartition("/")
        path = folder / "targets" / parent / f"{sha256(data)}.{base}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def updater(site: Path, vendor: Path, root: bytes, now: int = NOW) -> Updater:
    """python-tuf's client; the reference time is its only private part that we touch."""
    for name in ("metadata", "targets"):
        (site / name).mkdir(parents=True, exist_ok=True)
    made = Updater(
        str(site / "metadata"),
        "https://vendor.invalid/metadata/",
        str(site / "targets"),
        "https://vendor.invalid/targets/",
        fetcher=FromFolder(vendor),
        bootstrap=root,
    )
    made._trusted_set.reference_time = datetime.fromtimestamp(now, UTC)
    return made


TARGETS = {"signers.json": b'{"a":1}', "generations/00000001.json": b"one"}


def test_it_downloads_the_targets(tmp_path: Path) -> None:
    laid = Laid().publish(TARGETS)
    serve(tmp_path / "vendor", laid, TARGETS)
    client = updater(tmp_path / "site", tmp_path / "vendor", laid.state["1.root.json"])
    for name, data in TARGETS.items():
        info = client.get_targetinfo(name)
        assert info is not None
        assert Path(client.download_target(info)).read_bytes() == data
    assert client.get_targetinfo("other.json") is None


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_it_follows_a_rotation(tmp_path: Path, role: str) -> None:
    laid = Laid().publish(TARGETS)
    root = laid.state["1.root.json"]
    serve(tmp_path / "vendor", laid, TARGETS)
    updater(tmp_path / "site", tmp_path / "vendor", root).refresh()
    laid.rotate(role)
    serve(tmp_path / "vendor", laid, TARGETS)
    client = updater(tmp_path / "site", tmp_path / "vendor", root)
    client.refresh()
    assert client._trusted_set.root.version == 2
    info = client.get_targetinfo("generations/00000001.json")
    assert info is not None
    assert info.length == 3


def test_both_clients_agree_on_expiry(tmp_path: Path) -> None:
    laid = Laid()
    root = laid.state["1.root.json"]
    serve(tmp_path / "vendor", laid, {})
    expiry = verify_update(Trusted(root), laid.state).expiry[1]
    assert expiry == NOW + 3 * DAY
    updater(tmp_path / "one", tmp_path / "vendor", root, expiry - 1).refresh()
    with pytest.raises(ExpiredMetadataError):
        updater(tmp_path / "two", tmp_path / "vendor", root, expiry).refresh()


def spoil(laid: Laid, how: str) -> None:
    if how == "wrong key":
        laid.resign("timestamp", laid.keys(1), lambda _: None)
    elif how == "root by new keys only":
        laid.rotate("root")
        laid.resign("root", laid.roots, lambda _: None)
    elif how == "root by old keys only":
        old = list(laid.roots)
        laid.rotate("root")
        laid.resign("root", old, lambda _: None)
    elif how == "mixed snapshot":
        laid.state["2.snapshot.json"] = Laid().publish({"x": b"y"}).state["2.snapshot.json"]
    elif how == "mixed targets":
        laid.state["2.targets.json"] = Laid().publish({"x": b"y"}).state["2.targets.json"]
    elif how == "missing snapshot":
        del laid.state["2.snapshot.json"]


@pytest.mark.parametrize(
    "how",
    [
        "wrong key",
        "root by new keys only",
        "root by old keys only",
        "mixed snapshot",
        "mixed targets",
        "missing snapshot",
    ],
)
def test_both_clients_refuse(tmp_path: Path, how: str) -> None:
    laid = Laid().publish(TARGETS)
    root = laid.state["1.root.json"]
    spoil(laid, how)
    serve(tmp_path / "vendor", laid, TARGETS)
    with pytest.raises(StellaError):
        verify_update(Trusted(root), laid.state)
    with pytest.raises((RepositoryError, DownloadHTTPError)):
        updater(tmp_path / "site", tmp_path / "vendor", root).refresh()
