"""What a person does beside a running stack finds its database, without a setting; a real stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.material import PASSPHRASE, environment
from tests.stacks import Stack, folder

pytestmark = [pytest.mark.network, pytest.mark.slow]
SECONDS = 120  # a command that takes longer hangs


@pytest.fixture(scope="module")
def beside() -> Iterator[Stack]:
    """A stack in the folder that every command looks into by itself; tests use it in their order."""
    with folder(".stella") as made:
        made.up()
        yield made


def stella(stack: Stack, *words: str, **env: str) -> tuple[int, dict[str, Any]]:
    """A command in the folder beside the stack's."""
    done = subprocess.run(
        [sys.executable, "-m", "stella", *words, "--json"],
        cwd=stack.top,
        env=environment(stack.top, STELLA_KEY_PASSPHRASE=PASSPHRASE, **env),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_from_migrations_to_the_index_and_to_a_stack_that_is_gone(beside: Stack) -> None:
    code, found = stella(beside, "migrate", "status")
    assert (code, found["ready"]) == (0, True)
    assert {row["state"] for row in found["files"]} == {"applied"}
    assert stella(beside, "migrate", "run")[1]["files"] == []

    _, shown = stella(beside, "config", "show", "--origin")
    origins = {row["key"]: row["origin"] for row in shown["settings"]}
    assert {origins[f"database.{key}"] for key in ("dsn", "password", "owner_dsn", "owner_password")} == {
        f"the stack that runs in {beside.data}"
    }
    secrets = [path.read_text() for path in (beside.data / "secrets").iterdir()]
    assert not [secret for secret in secrets if secret in json.dumps(shown)]

    # A sealed process still reaches what is on its own machine, and nothing else.
    assert stella(beside, "migrate", "verify", STELLA_SEALED="1")[0] == 0

    (beside.top / "src").mkdir()
    (beside.top / "src" / "a.txt").write_text("one")
    assert stella(beside, "mirror", "init", "--dir", "M", "--channel", "stable")[0] == 0
    create = ("mirror", "create", "--dir", "M", "--source", "artifacts=src")
    code, made = stella(beside, *create, "--out", "1.stella")
    assert (code, made["notes"]) == (0, [])
    assert stella(beside, "mirror", "list")[1]["rows"][0]["generation"] == 1

    assert stella(beside, "site", "init", "--dir", "D", "--trust", "M/trust", "--name", "plant-7")[0] == 0
    code, imported = stella(beside, "site", "import", "1.stella", "--dir", "D", STELLA_SEALED="1")
    assert (code, imported["notes"]) == (0, [])
    assert {row["site"] for row in stella(beside, "site", "events")[1]["rows"]} == {"plant-7"}

    os.kill(beside.pid("postgres"), signal.SIGSTOP)  # it hangs, and the generation is published all the same
    try:
        code, made = stella(beside, *create, "--renew", "--out", "hung.stella")
    finally:
        os.kill(beside.pid("postgres"), signal.SIGCONT)
    assert (code, made["generation"]) == (0, 2)
    assert "not in the index yet" in made["notes"][0]

    os.kill(beside.run().supervisor.pid, signal.SIGKILL)  # type: ignore[union-attr]
    beside.until(lambda: not beside.living())
    (beside.top / "src" / "a.txt").write_text("two")
    code, made = stella(beside, *create, "--out", "2.stella")
    assert (code, made["generation"], made["notes"]) == (0, 3, [])
    assert stella(beside, "migrate", "status")[1]["code"] == "DB-007"

    beside.up()
    code, found = stella(beside, "mirror", "index", "M")
    assert (code, found["entered"]) == (0, 2)
    assert beside.call("down").returncode == 0
    code, made = stella(beside, *create, "--out", "2-again.stella")
    assert (code, made["notes"]) == (0, [])
    assert stella(beside, "migrate", "status")[1]["code"] == "DB-007"


def test_the_database_of_a_stack_whose_service_refuses_to_start() -> None:
    """That is when somebody has to look at the migrations."""
    with folder(".stella") as stack:
        stack.up()
        with stack.connect("postgres-owner") as owner:
            owner.execute(
                "INSERT INTO service.schema_migrations"
                " SELECT '099_future.sql', category, checksum, applied_at, applied_by, 1 FROM service.schema_migrations"
            )
        assert stack.call("down").returncode == 0
        assert "099_future.sql" in stack.call("up").stdout
        code, found = stella(stack, "migrate", "status")
        assert (code, found["ready"]) == (0, False)
        assert stella(stack, "migrate", "verify")[1]["code"] == "MIGRATE-006"
