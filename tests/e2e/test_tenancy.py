"""`stella tenancy` and `stella attest` as a person runs them: exit codes, words, and an interrupt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stella.cli.main import run
from stella.signing.keys import PrivateKey
from stella.testing import counted_entropy
from tests.e2e.material import PASSPHRASE, as_process, environment

pytestmark = [pytest.mark.network]
KEY = PrivateKey.generate(counted_entropy("person"))
PATIENCE = 60.0  # seconds
DATABASES = 5  # three of the server's own, and those of one tenant and of both


def test_the_roles_are_a_text_for_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with as_process(tmp_path):
        assert run(["tenancy", "roles", "--database", "a b"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("-- Roles and database of Stella.")
    assert 'CREATE DATABASE "a b" OWNER "stella_owner";' in out
    assert '\\connect "a b"' in out


def test_no_database_to_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with as_process(tmp_path):
        assert run(["tenancy", "gate"]) == 2
    assert "DB-007" in capsys.readouterr().err


def test_a_live_database_that_is_away_ends_the_proof_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with as_process(tmp_path):
        assert run(["tenancy", "prove", "--dsn", f"host={tmp_path} dbname=x user=stella_app"]) == 10
        assert run(["tenancy", "prove", "--dsn", "host=x password=secret"]) == 2
        assert run(["tenancy", "prove", "--queries", "1"]) == 2
        assert run(["tenancy", "prove", "--key", "none.pem"]) == 4
    assert "secret" not in capsys.readouterr().err


def test_a_key_without_its_passphrase(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pem").write_bytes(KEY.to_pem(b"another"))
    with as_process(tmp_path):
        assert run(["tenancy", "prove", "--key", "key.pem"]) != 0
    assert "KEY-" in capsys.readouterr().err


@pytest.mark.nightly
def test_from_the_proof_to_its_verification(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pem").write_bytes(KEY.to_pem(PASSPHRASE.encode()))
    public = KEY.public.to_base64()
    with as_process(tmp_path):
        assert run(["tenancy", "prove", "--queries", "200", "--key", "key.pem", "--out", "p.json", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["schema"], found["verdict"], found["signed_by"]) == ("stella.tenancy.prove@1", "passed", public)
        assert found["proof"]["live"] is None
        assert run(["attest", "verify", "p.json", "--key", public]) == 0
        assert "passed" in capsys.readouterr().out
        other = PrivateKey.generate(counted_entropy("other")).public.to_base64()
        assert run(["attest", "verify", "p.json", "--key", other, "--json"]) == 6
        assert json.loads(capsys.readouterr().out)["reason"] == "key_unknown"
        assert run(["attest", "verify", "p.json"]) == 2
        assert run(["attest", "verify", "p.json", "--key", "no base64"]) != 0


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "t"
    place.mkdir()
    command = [sys.executable, "-m", "stella", "tenancy", "prove", "--queries", "10000000", "--out", "p.json"]
    env = environment(tmp_path, TMPDIR=str(place))
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + PATIENCE
        while len(list(place.glob("*/data/base/*/PG_VERSION"))) < DATABASES and time.monotonic() < end:
            time.sleep(0.05)
        pids = [int(path.read_text().split()[0]) for path in place.glob("*/data/postmaster.pid")]
        assert len(pids) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    finally:
        process.kill()
        process.communicate()
    assert list(place.iterdir()) == []
    assert not (tmp_path / "p.json").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert os.getpid() not in pids
