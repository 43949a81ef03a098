"""A sealed site does its whole work with every way off the machine denied, and in a namespace that has no network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stella.runtime.files import TEMPORARY
from tests.e2e.material import build, stella

SEALED = {"STELLA_SEALED": "1"}
WAYS = {"alone": ("unshare", "-n"), "unprivileged": ("unshare", "-rn")}


@cache
def way_out() -> tuple[str, ...]:
    """The command that leaves the network behind; empty where none is permitted."""
    for words in WAYS.values():
        if shutil.which(words[0]) and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            return words
    return ()


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("sealed") / "made")


@pytest.fixture
def site(material: Path, tmp_path: Path) -> Iterator[Path]:
    """A machine that has the medium and nothing else."""
    top = tmp_path / "machine"
    top.mkdir()
    shutil.copytree(material / "M/trust", top / "trust")
    for name in ("1.stella", "2.stella", "flipped.stella"):
        shutil.copy(material / name, top)
    yield top
    assert not list(top.rglob(f"*{TEMPORARY}"))


@pytest.fixture
def channel(material: Path, tmp_path: Path) -> Path:
    """The vendor's folder."""
    top = tmp_path / "vendor"
    shutil.copytree(material / "M", top / "M")
    shutil.copytree(material / "src2", top / "src2")
    return top


def ran(folder: Path, prefix: tuple[str, ...], *words: str, code: int = 0) -> dict[str, Any]:
    done = stella(*words, "--json", folder=folder, prefix=prefix, env=SEALED)
    assert (done.returncode, done.stderr) == (code, ""), done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def whole_job(folder: Path, prefix: tuple[str, ...]) -> None:
    """Everything that a site does between two receipts."""
    ran(folder, prefix, "site", "init", "--dir", "D", "--trust", "trust", "--name", "plant-7")
    assert not ran(folder, prefix, "site", "import", "1.stella", "--dir", "D")["thin"]
    assert ran(folder, prefix, "mirror", "verify", "2.stella", "--trust", "trust")["verdict"] == "verified"
    thin = ran(folder, prefix, "site", "import", "2.stella", "--dir", "D")
    assert (thin["thin"], thin["base"], thin["generation"]) == (True, 1, 2)
    refused = ran(folder, prefix, "site", "import", "flipped.stella", "--dir", "D", code=6)
    assert refused["reason"] == "digest_mismatch"
    assert len(ran(folder, prefix, "site", "quarantine", "--dir", "D")["cases"]) == 1
    assert ran(folder, prefix, "site", "show", "--dir", "D", "--out", "files")["written"] == 2
    assert (folder / "files/artifacts/notes.txt").read_text() == "notes 2\n"
    assert ran(folder, prefix, "site", "rollback", "--dir", "D")["active"] == 1
    assert len(ran(folder, prefix, "site", "list", "--dir", "D")["generations"]) == 2
    assert ran(folder, prefix, "site", "receipt", "--dir", "D", "--out", "receipt.json")["generation"] == 1
    assert ran(folder, prefix, "site", "status", "--dir", "D")["active"] == 1


def test_with_every_way_out_denied(site: Path) -> None:
    whole_job(site, ())


def test_in_an_empty_network_namespace(site: Path) -> None:
    prefix = way_out()
    if not prefix:
        pytest.skip("this machine permits no network namespace, neither to root nor to its user")
    links = subprocess.run([*prefix, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert {line.partition(":")[0].strip() for line in links.splitlines()[2:]} <= {"lo"} | TUNNELS
    whole_job(site, prefix)


TUNNELS = {
    "tunl0",
    "gre0",
    "gretap0",
    "erspan0",
    "ip_vti0",
    "ip6_vti0",
    "sit0",
    "ip6tnl0",
    "ip6gre0",
}  # of the kernel, all down


@pytest.mark.parametrize("address", ["https://tsa.example.org/ts", "https://192.0.2.1/ts", "http://localhost:9/ts"])
def test_a_command_that_needs_a_network_is_refused_and_changes_nothing(channel: Path, address: str) -> None:
    before = files(channel / "M")
    words = ("mirror", "create", "--dir", "M", "--source", "src2", "--renew", "--out", "new.stella", "--json")
    done = stella(*words, folder=channel, env=SEALED | {"STELLA_MIRROR_TSA_URL": address})
    assert (done.returncode, done.stderr) == (5, "")
    problem = json.loads(done.stdout)
    assert (problem["reason"], problem["code"]) == ("egress_blocked", "AIRGAP_EGRESS_BLOCKED")
    after = files(channel / "M")
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == set()
    assert sorted(path.name for path in channel.iterdir()) == ["M", "src2"]


def files(top: Path) -> dict[str, bytes]:
    """Every file but the lock; what a generation would be made of is kept already, since it is the same content."""
    found = (path for path in top.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in found}


def test_the_guard_is_not_for_those_who_are_not_sealed(channel: Path) -> None:
    """The same command without the seal fails for another reason: nobody listens there."""
    words = ("mirror", "create", "--dir", "M", "--source", "src2", "--renew", "--out", "new.stella", "--json")
    done = stella(*words, folder=channel, env={"STELLA_MIRROR_TSA_URL": "http://127.0.0.1:9/ts"})
    assert done.returncode == 10
    assert json.loads(done.stdout)["code"] == "TIME-002"


PROBE = """
import sys
from stella.runtime import egress
from stella.kernel.errors import StellaError
egress.seal()
import socket
for attempt in (
    lambda: socket.getaddrinfo("example.org", 443),
    lambda: socket.gethostbyname("example.org"),
    lambda: socket.create_connection(("192.0.2.1", 9)),
    lambda: socket.create_server(("", 0)),
    lambda: __import__("urllib.request").request.urlopen("http://example.org/"),
):
    try:
        attempt()
    except StellaError as refused:
        assert refused.exit == 5, refused
    else:
        sys.exit("it went through")
print(egress.denied() >= 5)
"""


def test_every_door_is_closed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
