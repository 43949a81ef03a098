"""A service proves its own database: as a command does, sealed, and with nothing left whatever ends it.

Rules:
- Few queries and few mutations: what a whole proof finds is shown by tests/contract/proof.
"""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stella.cli.main import run
from stella.proof import mutations
from stella.runtime.postgres_server import Postgres
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy
from tests.e2e.material import PASSPHRASE, ROOT, as_process
from tests.service import PATIENCE, Running, running

pytestmark = pytest.mark.network

PROOFS = "/v1/tenancy/proofs"
KEY = PrivateKey.generate(counted_entropy("service"))
FEW = 60  # one mutation of so many
STUB = f"""
from stella.proof import mutations
every = mutations.all_of
mutations.all_of = lambda *given: every(*given)[::{FEW}]
"""
ENDLESS = {"queries": 100_000_000}


class Place:
    """A sealed service with a folder of temporary files of its own."""

    def __init__(self, service: Running, temporary: Path) -> None:
        self.service = service
        self.temporary = temporary

    def server(self) -> int:
        """The process of the server that a proof works in, once it works."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for path in self.temporary.glob("stella-proof-*/data/postmaster.pid"):
                lines = path.read_text().splitlines()
                if len(lines) > 7 and Path(f"/proc/{lines[0]}").exists():
                    return int(lines[0])
            time.sleep(0.02)
        raise AssertionError

    def begun(self) -> tuple[str, int]:
        """A proof in the middle of its queries: the job, and the process of its server."""
        got = self.service.call("POST", PROOFS, ENDLESS)
        assert got.status == 202, got
        job = got.headers["location"]
        assert any(kind == "task" and data["task"] == "stage" for _, kind, data in self.service.events(job))
        return job, self.server()

    def nothing_runs(self, pid: int) -> None:
        end = time.monotonic() + PATIENCE
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Place]:
    top = tmp_path_factory.mktemp("proof")
    (top / "extra").mkdir()
    (top / "extra" / "sitecustomize.py").write_text(STUB)
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        path = f"{top}/extra:{ROOT}/src:{ROOT}"
        with running(top, postgres, PYTHONPATH=path, TMPDIR=temporary, STELLA_SEALED="1") as made:
            (made.work / "keys").mkdir()
            (made.work / "keys" / "release.pem").write_bytes(KEY.to_pem(PASSPHRASE.encode()))
            yield Place(made, Path(temporary))


def test_the_same_proof_here_and_at_a_service(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = mutations.all_of
    monkeypatch.setattr(mutations, "all_of", lambda *given: every(*given)[::FEW])
    service, key = place.service, "keys/release.pem"
    (tmp_path / "keys").mkdir()
    (tmp_path / key).write_bytes((service.work / key).read_bytes())
    ways = {"there.json": ("--server", service.url), "here.json": ()}
    found = []
    with as_process(tmp_path, STELLA_TOKEN=service.token, STELLA_SERVER=service.url, **service.base.settings):
        for out, way in ways.items():  # a service that is configured and not typed is not asked
            capsys.readouterr()
            assert run(["tenancy", "prove", "--queries", "200", "--key", key, "--out", out, "--json", *way]) == 0
            proved = json.loads(capsys.readouterr().out)
            assert (proved["verdict"], proved["out"], proved["signed_by"]) == ("passed", out, KEY.public.to_base64())
            assert proved["proof"]["live"]["login"] == "stella_app"
            found.append(proved["proof"] | {"made": ""})
            assert run(["attest", "verify", out, "--key", KEY.public.to_base64(), "--predicate", "tenancy"]) == 0
    assert found[0] == found[1]
    assert [line["operation"] for line in service.lines() if line["event"] == "job"] == ["tenancy.prove"]
    assert list(place.temporary.iterdir()) == []


def test_a_request_names_no_database(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given in ("host=10.0.0.1 user=x", None):
        got = place.service.call("POST", PROOFS, {"dsn": given})
        assert (got.status, got.json["code"]) == (422, "HTTP-010"), got
    with as_process(tmp_path, STELLA_TOKEN=place.service.token):
        words = ["tenancy", "prove", "--server", place.service.url]
        assert run([*words, "--dsn", "dbname=x"]) == 2
        assert "CLIENT-014" in capsys.readouterr().err
        assert run([*words, "--key", "keys/none.pem"]) == 4
        assert run([*words, "--key", "/etc/hostname"]) == 2
    document = place.service.call("GET", "/openapi.json").json
    assert "dsn" not in document["components"]["schemas"]["Prove"]["properties"]


def test_nothing_is_left_whatever_ends_it(place: Place) -> None:
    service = place.service
    job, first = place.begun()
    service.kill()
    place.nothing_runs(first)
    (left,) = place.temporary.iterdir()

    service.start()  # and does it again
    second = place.server()
    assert second != first
    assert not left.exists()
    assert service.stop(signal.SIGTERM)[0] == 0
    assert not Path(f"/proc/{second}").exists()
    assert list(place.temporary.iterdir()) == []

    service.start()  # and again
    third = place.server()
    assert service.call("DELETE", job).status == 202
    assert service.ended(job)["state"] == "cancelled"
    assert not Path(f"/proc/{third}").exists()
    assert list(place.temporary.iterdir()) == []
