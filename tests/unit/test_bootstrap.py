"""Wiring: nouns to operations, and what a context of this machine is."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from stella import bootstrap
from stella.runtime.clock import SystemClock
from stella.runtime.config import Loaded
from stella.runtime.errors import SecretMissing
from stella.runtime.settings import KeySettings, Settings
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
    assert len({operation.schema for operation in found}) == len(found)


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
