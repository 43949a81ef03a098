"""Wiring: nouns to operations, and what a context of this machine is."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stella import bootstrap
from stella.runtime import processes, run_file
from stella.runtime.clock import SystemClock
from stella.runtime.config import Loaded
from stella.runtime.errors import SecretMissing
from stella.runtime.processes import Process
from stella.runtime.run_file import Run, StackState
from stella.runtime.settings import DatabaseSettings, KeySettings, Settings
from stella.testing import SilentProgress

LOADED = Loaded(Settings(), {"mirror.workers": "flag"})


@pytest.mark.parametrize("noun", ["mirror", "site", "migrate", "config", "explain", "version"])
def test_a_noun_has_its_operations(noun: str) -> None:
    found = bootstrap.load(noun)
    assert found
    assert {operation.noun for operation in found} == {noun}


def test_every_operation_is_under_a_noun_and_has_a_route_of_its_own() -> None:
    found = bootstrap.load_all()
    assert len({operation.name for operation in found}) == len(found)
    assert len({(operation.method, operation.path) for operation in found}) == len(found)
    assert len({operation.schema for operation in found}) == len({operation.result for operation in found})


def test_a_context_of_this_machine() -> None:
    context = bootstrap.make_context(LOADED, SilentProgress(), {})
    assert isinstance(context.clock, SystemClock)
    assert len(context.entropy(8)) == 8
    assert context.settings is LOADED.settings
    assert context.origins == {"mirror.workers": "flag"}
    assert context.sealed is False


def test_the_actor_is_who_the_operating_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert bootstrap.actor() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert bootstrap.actor() == "uid-4000000"


def test_the_passphrase_is_asked_for_once_and_only_when_it_is_set_nowhere() -> None:
    asked: list[str] = []

    def prompt(question: str) -> str:
        asked.append(question)
        return "typed"

    passphrase = LOADED.settings.keys.passphrase
    context = bootstrap.make_context(LOADED, SilentProgress(), {"STELLA_KEY_PASSPHRASE": "set"}, prompt)
    assert (context.secret(passphrase), asked) == (b"set", [])
    context = bootstrap.make_context(LOADED, SilentProgress(), {}, prompt)
    assert context.secret(passphrase) == context.secret(passphrase) == b"typed"
    assert asked == ["Passphrase of the keys: "]
    with pytest.raises(SecretMissing):
        context.secret(LOADED.settings.mirror.sign_key)
    assert len(asked) == 1


def test_an_empty_answer_is_no_passphrase() -> None:
    context = bootstrap.make_context(LOADED, SilentProgress(), {}, lambda _: "")
    with pytest.raises(SecretMissing):
        context.secret(LOADED.settings.keys.passphrase)


def test_a_changed_reference_is_asked_for_too() -> None:
    loaded = Loaded(Settings(keys=KeySettings(passphrase="env:OTHER")), {})
    context = bootstrap.make_context(loaded, SilentProgress(), {"OTHER": ""}, lambda _: "typed")
    assert context.secret("env:OTHER") == b"typed"


def test_a_removed_folder_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert bootstrap.configure("config.show", {}).settings == Settings()


# --- the database of the stack that runs here ------------------------------------------------------------------------


def report(folder: Path, **changes: Any) -> None:
    """What a stack of this process would say of itself."""
    run = Run(
        state=StackState.READY,
        boot=SystemClock().read().boot_id,
        supervisor=processes.identify(os.getpid()),
        digest="",
        plan={},
        started="",
        sockets="",
        children=(),
        endpoints={"postgres": "host=/s user=app", "postgres-owner": "host=/s user=owner"},
        secrets={"postgres": "file:/s/app", "postgres-owner": "file:/s/owner"},
    )
    (folder / ".stella").mkdir(exist_ok=True)
    run_file.write(folder / ".stella", msgspec.structs.replace(run, **changes))


def here(folder: Path, monkeypatch: pytest.MonkeyPatch, **env: str) -> Loaded:
    monkeypatch.chdir(folder)
    return bootstrap.configure("migrate.status", {"HOME": str(folder), **env})


def test_the_database_of_a_stack_that_runs_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(tmp_path)
    found = here(tmp_path, monkeypatch)
    assert found.settings.database == DatabaseSettings(
        "host=/s user=app", "file:/s/app", "host=/s user=owner", "file:/s/owner"
    )
    assert set(found.origins.values()) == {f"the stack that runs in {tmp_path}/.stella"}
    assert sorted(found.origins) == [f"database.{key}" for key in ("dsn", "owner_dsn", "owner_password", "password")]
    (tmp_path / "below").mkdir()
    assert here(tmp_path / "below", monkeypatch).settings.database == DatabaseSettings()
    found = here(tmp_path / "below", monkeypatch, STELLA_STACK_DATA="../.stella")
    assert found.settings.database.dsn == "host=/s user=app"


@pytest.mark.parametrize("variable", ["STELLA_DATABASE_DSN", "STELLA_DATABASE_OWNER_DSN"])
def test_a_configured_database_is_the_only_one(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(tmp_path)
    found = here(tmp_path, monkeypatch, **{variable: "host=/other"}).settings.database
    assert {found.dsn, found.owner_dsn} == {"host=/other", ""}


def test_a_server_that_a_stack_only_uses_keeps_the_password_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(tmp_path, secrets={})
    found = here(tmp_path, monkeypatch, STELLA_DATABASE_PASSWORD="env:MINE").settings.database
    assert (found.dsn, found.password, found.owner_password) == ("host=/s user=app", "env:MINE", "env:PGPASSWORD")


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": "another"},
        {"supervisor": None},
        {"supervisor": Process(os.getpid(), 0)},
        {"endpoints": {}, "state": StackState.STOPPED},
        {"endpoints": {"nats": "nats://127.0.0.1:1"}},
    ],
)
def test_a_stack_that_does_not_run_has_no_database(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(tmp_path, **changes)
    assert here(tmp_path, monkeypatch) == Loaded(Settings(), {})


def test_the_report_of_another_account_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert here(tmp_path, monkeypatch) == Loaded(Settings(), {})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema":"stella.run@9"}', "x" * (run_file.MAX_RUN + 9)])
def test_a_report_that_is_none_leads_nowhere(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".stella").mkdir()
    (tmp_path / ".stella" / "run.json").write_text(text)
    assert here(tmp_path, monkeypatch) == Loaded(Settings(), {})
