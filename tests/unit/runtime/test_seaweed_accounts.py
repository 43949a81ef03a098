"""Accounts of the embedded store: what is written for its server to read."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stella.runtime import seaweed_accounts, seaweed_peers
from stella.runtime.seaweed_accounts import Accounts
from stella.testing import counted_entropy


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    for name in ("access", "secret"):
        (tmp_path / name).write_text(f"own-{name}\n")
    return Accounts(tmp_path / "s3.json", tmp_path / "access", tmp_path / "secret")


def written(accounts: Accounts) -> dict[str, Any]:
    found = json.loads(accounts.config.read_text())["identities"]
    return {one["name"]: one for one in found}


def test_a_tenant_may_read_write_and_list_below_its_prefix_and_nothing_else(accounts: Accounts) -> None:
    seaweed_accounts.open_account(accounts, "a", counted_entropy("x"))
    account = written(accounts)["tenant-a"]
    assert account["actions"] == [f"{verb}:stella/tenants/a/*" for verb in ("Read", "Write", "List")]
    ((access, secret),) = [one.values() for one in account["credentials"]]
    assert (len(access), len(secret)) == (20, 64)
    assert "disabled" not in account


def test_stella_has_its_own_account(accounts: Accounts) -> None:
    seaweed_accounts.write_config(accounts)
    (own,) = written(accounts).values()
    assert own["credentials"] == [{"accessKey": "own-access", "secretKey": "own-secret"}]
    assert "Admin" in own["actions"]


def test_opening_again_keeps_the_keys(accounts: Accounts) -> None:
    for seed in ("x", "y"):
        seaweed_accounts.open_account(accounts, "a", counted_entropy(seed))
        if seed == "x":
            before = written(accounts)
    assert written(accounts) == before


def test_a_closed_account_stays_without_keys_or_rights(accounts: Accounts) -> None:
    """Were it missing, the running server would go on to know it."""
    seaweed_accounts.open_account(accounts, "a")
    before = written(accounts)
    seaweed_accounts.close_account(accounts, "a")
    assert written(accounts)["tenant-a"] == {"name": "tenant-a", "credentials": [], "actions": [], "disabled": True}
    seaweed_accounts.open_account(accounts, "a")
    assert written(accounts) == before
    seaweed_accounts.close_account(accounts, "a", forget=True)
    assert not (accounts.folder / "a" / "secret-key").exists()
    seaweed_accounts.open_account(accounts, "a")
    assert written(accounts)["tenant-a"]["credentials"] != before["tenant-a"]["credentials"]


def test_half_an_account_opens_nothing(accounts: Accounts) -> None:
    """What a kill between the two keys leaves behind; the same command again finishes."""
    seaweed_accounts.open_account(accounts, "a")
    (accounts.folder / "a" / "secret-key").unlink()
    seaweed_accounts.write_config(accounts)
    assert written(accounts)["tenant-a"]["disabled"]
    seaweed_accounts.open_account(accounts, "a")
    assert written(accounts)["tenant-a"]["credentials"]


def test_accounts_made_at_once_are_all_there(accounts: Accounts) -> None:
    gate = threading.Barrier(8)

    def open_one(number: int) -> None:
        gate.wait(10)
        seaweed_accounts.open_account(accounts, f"t{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_one, range(8)))
    assert len(written(accounts)) == 9


def test_secrets_are_for_the_owner_alone(accounts: Accounts) -> None:
    before = os.umask(0)
    try:
        seaweed_accounts.open_account(accounts, "a")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in accounts.folder.rglob("*")}
    assert modes == {".lock": 0o600, "a": 0o700, "access-key": 0o600, "secret-key": 0o600}
    assert stat.S_IMODE(accounts.config.stat().st_mode) == 0o600


def test_settings_lead_each_tenant_to_its_own_keys(accounts: Accounts) -> None:
    want = accounts.settings("http://127.0.0.1:1")
    assert want.access_key == f"file:{accounts.folder}/{{tenant}}/access-key"
    assert want.secret_key == f"file:{accounts.folder}/{{tenant}}/secret-key"


def test_a_server_that_is_gone_needs_no_signal(accounts: Accounts) -> None:
    del accounts
    with os.fdopen(os.open("/dev/null", os.O_RDONLY)):
        child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    seaweed_accounts.reload(child)  # says nothing


# ---- the other doors


def test_every_part_asks_for_a_certificate_and_every_kind_of_token_has_its_key(tmp_path: Path) -> None:
    seaweed_peers.write(tmp_path, counted_entropy("x"))
    found = tomllib.loads((tmp_path / "security.toml").read_text())
    grpc = found["grpc"]
    assert grpc.pop("ca") == "peer.crt"
    assert {"master", "volume", "filer", "s3", "admin", "client"} <= grpc.keys()
    assert all(part == {"cert": "peer.crt", "key": "peer.key"} for part in grpc.values())
    jwt = found["jwt"]
    keys = [jwt["signing"]["key"], jwt["signing"]["read"]["key"]]
    keys += [jwt["filer_signing"]["key"], jwt["filer_signing"]["read"]["key"]]
    assert len(set(keys)) == 4
    assert all(len(key) == 64 for key in keys)


def test_the_certificate_is_good_at_any_time_and_drawn_anew(tmp_path: Path) -> None:
    seen = set()
    for seed in ("x", "y"):
        seaweed_peers.write(tmp_path, counted_entropy(seed))
        certificate = x509.load_pem_x509_certificate((tmp_path / "peer.crt").read_bytes())
        key = load_pem_private_key((tmp_path / "peer.key").read_bytes(), None)
        assert certificate.public_key() == key.public_key()
        assert certificate.not_valid_before_utc < dt.datetime(1971, 1, 1, tzinfo=dt.UTC)
        assert certificate.not_valid_after_utc > dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
        seen.add(certificate.serial_number)
    assert len(seen) == 2
    for name in ("peer.key", "security.toml"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
