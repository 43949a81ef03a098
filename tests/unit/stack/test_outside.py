"""Servers that somebody else runs: their secrets, and what is said when they do not let us in."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from stella.runtime.errors import SecretMissing, SecretUnreadable
from stella.runtime.settings import StackSettings
from stella.stack import outside
from stella.stack.model import Plan


def plan(password: str = "", token: str = "") -> Plan:
    return Plan("core", "host=/none", "nats://bus", 0, 0, password, token)


@pytest.mark.parametrize("reference", [StackSettings().postgres_password, StackSettings().nats_token])
def test_a_default_that_is_unset_is_no_secret(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(reference.removeprefix("env:"), raising=False)
    assert outside.secret_of(reference) == ""
    monkeypatch.setenv(reference.removeprefix("env:"), "x")
    assert outside.secret_of(reference) == "x"


def test_a_secret_that_is_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x\n")
    outside.require_secrets(plan(f"file:{tmp_path}/secret"))
    with pytest.raises(SecretUnreadable):
        outside.require_secrets(plan(f"file:{tmp_path}/none"))
    with pytest.raises(SecretMissing):
        outside.require_secrets(plan("", "env:NO_SUCH_SECRET"))


def test_only_what_the_plan_names_is_asked() -> None:
    assert outside.problems(Plan("core", "", "", 0, 0)) == {}


@pytest.mark.network
def test_each_problem_is_told_apart() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))  # nobody listens
        url = f"nats://127.0.0.1:{line.getsockname()[1]}"
        found = outside.problems(Plan("core", "host=/none", url, 0, 0, "file:/none"))
    assert "/none" in found["postgres"]
    assert "Connect call failed" in found["nats"]
    assert "stack.postgres_dsn" in outside.problems(Plan("core", "no such form", "", 0, 0))["postgres"]
    assert outside.problems(Plan("core", "", "nats://127.0.0.1:port", 0, 0))["nats"]
