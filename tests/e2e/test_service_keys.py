"""Keys of a service: it signs what it is sent, its private keys stay with it, and what it does is in its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stella.cli.main import run
from stella.runtime.postgres_server import Postgres
from tests.database import postgres
from tests.e2e.material import as_process
from tests.service import Running, running

__all__ = ["postgres"]  # a fixture
pytestmark = pytest.mark.network

KIND = "https://example.com/attestation/scan/v1"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("keys"), postgres, STELLA_KEY_PASSPHRASE="correct horse") as made:
        yield made


def test_a_service_signs_with_its_keys_and_anyone_verifies(
    service: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(code: int, *words: str, at: tuple[str, ...] = ("--server", service.url)) -> dict[str, Any]:
        capsys.readouterr()
        assert run([*words, "--json", *at]) == code
        captured = capsys.readouterr()
        found: dict[str, Any] = json.loads(captured.out or captured.err)
        return found

    (tmp_path / "app.tar").write_bytes(b"content")
    with as_process(tmp_path, STELLA_TOKEN=service.token):
        made = asked(0, "key", "create", "--dir", "K", "--algorithm", "ed25519")
        keyid = made["key"]["keyid"]
        assert (service.work / "K" / "store.json").is_file()
        assert not (tmp_path / "K").exists()
        attest = ("key", "attest", "app.tar", "--dir", "K", "--predicate-type", KIND, "--out", "a.sigstore")
        assert asked(0, *attest)["signer"]["keyid"] == keyid
        assert asked(2, *attest, "--keyless")["code"] == "KEY-021"
        for name in ("keys.json", "trusted_root.json"):
            (tmp_path / "T").mkdir(exist_ok=True)
            (tmp_path / "T" / name).write_bytes((service.work / "K" / "trust" / name).read_bytes())
        verify = ("attest", "verify", "a.sigstore", "--predicate", KIND, "--artifact", "app.tar")
        here = asked(0, *verify, "--trust", "T", at=())
        there = asked(0, *verify, "--trust", "K/trust")
        assert (here["keys"], here["verdict"]) == (there["keys"], there["verdict"]) == ([keyid], "passed")
        assert asked(0, "key", "show", keyid[:8], "--dir", "K")["pem"] == made["pem"]
        why = ("--reason", "yearly", "--ticket", "OPS-7")
        asked(0, "key", "rotate", "--dir", "K", "--overlap", "1h", *why)
        asked(0, "key", "revoke", keyid, "--dir", "K", *why)
        states = {key["keyid"]: key["state"] for key in asked(0, "key", "list", "--dir", "K")["keys"]}
        assert (len(states), states[keyid]) == (2, "revoked")
        events = service.call("GET", "/v1/audit/events").json["rows"]
        assert {"key.create", "key.attest", "key.rotate", "key.revoke"} <= {event["action"] for event in events}


def test_no_request_reaches_a_private_key(service: Running) -> None:
    outside = {"dir": "K", "private": "/etc/shadow"}
    assert service.call("POST", "/v1/keys", outside).status == 422
    assert service.call("POST", "/v1/keys", {"dir": "../../other"}).status == 422
    assert service.call("GET", "/v1/keys/ffffffffffff?dir=nowhere").status == 404
