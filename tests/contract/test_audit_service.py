"""Listing, exporting and verifying on a real PostgreSQL, and what is left of personal texts when a key is erased."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import psycopg
import pytest

from stella.audit import service, write
from stella.audit.errors import BadEvent, BadFilter, BadLogKey, NothingSealed, WrongWrapKey
from stella.audit.model import EventsShown, ExportLog, ListEvents, Marked, VerifyLog
from stella.audit.rules import event_of
from stella.audit.sealer import Sealer
from stella.kernel.cursor import make_cursor
from stella.kernel.errors import BadCursor, BadTime, Exit
from stella.kernel.instant import format_time
from stella.operations import Context, Principal
from stella.runtime.errors import SecretMissing
from stella.runtime.settings import AuditSettings, Settings
from stella.runtime.transaction import TenantDatabase
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.audit_log import KEY, NOW, TENANT, Base, happened, lay, make_vault

VAULT = make_vault()
PUBLIC = KEY.public.to_base64()
READER = Principal("rita", frozenset({"audit:read"}), TENANT)
ALL = Principal("rita", frozenset({"*"}), TENANT)
MEBIBYTE = 1 << 20


@pytest.fixture
def base(database: str) -> Base:
    return lay(database)


def context(base: Base | None, principal: Principal = ALL, wrap_key: bytes | None = VAULT.wrap_key) -> Context:
    def secret(reference: str) -> bytes:
        if wrap_key is None:
            raise SecretMissing(reference=reference, name=reference)
        return base64.b64encode(wrap_key)

    made = Context(
        clock=ManualClock(NOW),
        entropy=counted_entropy("context"),
        progress=SilentProgress(),
        settings=Settings(audit=AuditSettings(wrap_key="env:W")),
        secret=secret,
        actor="rita",
        principal=principal,
    )
    return (
        made
        if base is None
        else dataclasses.replace(made, database=lambda: cast("TenantDatabase", SimpleNamespace(transaction=base.of)))
    )


def put(base: Base, number: int, action: str = "mirror.create", actor: str = "kim", **rest: Any) -> None:
    principal = Principal(actor, frozenset(), TENANT)
    event = event_of(principal, NOW + number, VAULT.entropy(10), action, f"thing/{number}", **rest)
    with base.of(TENANT) as t:
        write.insert(t, principal, event, VAULT)


def seal(base: Base) -> None:
    assert not Sealer(base, KEY, ManualClock(NOW)).seal().failed


def listed(base: Base, principal: Principal = ALL, **filters: Any) -> EventsShown:
    return service.list_events(context(base, principal), ListEvents(**filters))


def numbers(shown: EventsShown) -> list[int]:
    return [int(row.resource.removeprefix("thing/")) for row in shown.rows]


def test_events_are_listed_from_the_newest_down_with_their_place(base: Base) -> None:
    for number in range(3):
        put(base, number)
    seal(base)
    put(base, 3)
    shown = listed(base)
    assert [(row.resource, row.sequence, row.time) for row in shown.rows] == [
        (f"thing/{number}", place, format_time(NOW + number)) for number, place in ((3, None), (2, 3), (1, 2), (0, 1))
    ]
    assert {row.actor for row in shown.rows} == {"kim"}
    assert (shown.tenant, shown.next) == (TENANT, None)


def test_filters(base: Base) -> None:
    put(base, 0, "mirror.create")
    put(base, 1, "mirror.create.thin", actor="lee")
    put(base, 2, "mirrored.create", outcome="denied")
    put(base, 3, "mirror", actor="kim", actor_type="plugin")
    assert numbers(listed(base, action="mirror")) == [3, 1, 0]
    assert numbers(listed(base, action="mirror.create")) == [1, 0]
    assert numbers(listed(base, action="mirror.create.t")) == []
    assert numbers(listed(base, action="%")) == []
    assert numbers(listed(base, actor="kim")) == [3, 2, 0]  # the person by the pseudonym, the plugin by its name
    assert numbers(listed(base, actor="lee")) == [1]
    assert numbers(listed(base, actor="ki")) == []
    assert numbers(listed(base, outcome="denied")) == [2]
    assert numbers(listed(base, since=format_time(NOW + 1))) == [3, 2, 1]
    assert numbers(listed(base, until=format_time(NOW + 1))) == [0]
    assert numbers(listed(base, since=format_time(NOW + 1), until=format_time(NOW + 3), actor="lee")) == [1]
    assert numbers(listed(base, since=format_time(NOW + 3), until=format_time(NOW))) == []


def test_pages_meet_each_event_once_though_new_ones_come(base: Base) -> None:
    for number in range(7):
        put(base, number)
    found, cursor = list[int](), None
    while True:
        shown = listed(base, limit=3, cursor=cursor, until=format_time(NOW + 7))
        found += numbers(shown)
        cursor = shown.next
        put(base, 100 + len(found))
        if cursor is None:
            break
    assert found == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("want", "kind"),
    [
        ({"cursor": "x"}, BadCursor),
        ({"cursor": make_cursor(("other",), ("x",))}, BadCursor),
        ({"cursor": make_cursor(("audit.list", TENANT, None, None, None, None, None), ("no id",))}, BadCursor),
        ({"since": "yesterday"}, BadTime),
        ({"until": "2026-01-01"}, BadTime),
        ({"actor": "\udcff"}, BadFilter),
        ({"action": "a\0b"}, BadFilter),
    ],
)
def test_a_question_that_is_none_is_refused(base: Base, want: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        listed(base, **want)


def test_what_is_closed_is_shown_to_those_who_may(base: Base) -> None:
    put(base, 0, reason="kim is ill", after={"mail": Marked("kim@x"), "pin": Marked("1234", "sensitive"), "n": 1})

    def seen(principal: Principal, wrap_key: bytes | None = VAULT.wrap_key) -> tuple[Any, ...]:
        (row,) = service.list_events(context(base, principal, wrap_key), ListEvents()).rows
        return row.actor, row.reason, row.after["mail"], row.after["pin"], row.after["n"]

    def may(*scopes: str) -> Principal:
        return Principal("rita", frozenset({"audit:read", *scopes}), TENANT)

    personal, sensitive = "(personal)", "(sensitive)"
    assert seen(may()) == (personal, personal, personal, sensitive, 1)
    assert seen(may("audit:personal")) == ("kim", "kim is ill", "kim@x", sensitive, 1)
    assert seen(may("audit:sensitive")) == (personal, personal, personal, "1234", 1)
    assert seen(ALL) == ("kim", "kim is ill", "kim@x", "1234", 1)
    assert seen(ALL, None) == (personal, personal, personal, sensitive, 1)
    with pytest.raises(WrongWrapKey):
        seen(ALL, b"x" * 32)


def test_no_personal_text_is_in_the_database_or_in_an_export(base: Base, tmp_path: Path) -> None:
    put(base, 0, reason="secret-reason", actor="secret-name", after={"mail": Marked("secret-mail")})
    seal(base)
    service.export_log(context(base), ExportLog(out=str(tmp_path / "log")))
    (everything,) = base.rows("SELECT string_agg(e::text || convert_from(body, 'UTF8'), '') FROM audit.events e")[0]
    for text in (everything, (tmp_path / "log").read_text()):
        assert "mirror.create" in text
        assert "secret-" not in text


def test_erasing_the_key_erases_the_texts_and_keeps_the_proof(base: Base, tmp_path: Path) -> None:
    put(base, 0, reason="kim is ill")
    put(base, 1, actor_type="system", actor="sealer")
    seal(base)
    out = [str(tmp_path / name) for name in ("before", "after", "later")]
    service.export_log(context(base), ExportLog(out=out[0]))
    with base.of(TENANT) as t:
        assert write.erase_keys(t) == 1
    service.export_log(context(base), ExportLog(out=out[1]))
    assert Path(out[0]).read_bytes() == Path(out[1]).read_bytes()
    assert service.verify_log(context(None), VerifyLog(file=out[1], key=(PUBLIC,))).events == 2
    assert [(row.actor, row.reason) for row in listed(base).rows] == [("sealer", ""), ("(erased)", "(erased)")]
    assert numbers(listed(base, actor="kim")) == []
    put(base, 2, reason="again")  # a new key; the chain goes on
    seal(base)
    assert [row.reason for row in listed(base, actor="kim").rows] == ["again"]
    service.export_log(context(base), ExportLog(out=out[2]))
    assert service.verify_log(context(None), VerifyLog(file=out[2], key=(PUBLIC,))).events == 3
    assert base.rows("SELECT number, wrapped IS NULL FROM audit.keys ORDER BY number") == [(1, True), (2, False)]
    for live in (1, 0):
        with base.of(TENANT) as t:
            assert write.erase_keys(t) == live


def test_a_key_that_was_erased_stays_erased(base: Base) -> None:
    put(base, 0)
    with base.of(TENANT) as t:
        write.erase_keys(t)
    with base.connect() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("UPDATE audit.keys SET wrapped = 'x', erased = NULL")


def test_a_tenant_has_one_key_though_many_write_first(base: Base) -> None:
    import threading

    failures: list[BaseException] = []

    def work(which: int) -> None:
        try:
            put(base, which)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert base.rows("SELECT count(*) FROM audit.keys") == [(1,)]
    assert {row.actor for row in listed(base).rows} == {"kim"}


def test_an_event_of_another_tenant_is_not_written(base: Base) -> None:
    with base.of(TENANT) as t, pytest.raises(BadEvent):
        write.insert(t, Principal("kim", frozenset(), "beta"), happened(0, VAULT.entropy), VAULT)


def test_an_export_is_the_same_bytes_each_time_and_ends_at_the_last_checkpoint(base: Base, tmp_path: Path) -> None:
    with pytest.raises(NothingSealed):
        service.export_log(context(base), ExportLog(out=str(tmp_path / "none")))
    assert not list(tmp_path.iterdir())
    put(base, 0)
    seal(base)
    put(base, 1)
    made = [service.export_log(context(base), ExportLog(out=str(tmp_path / name))) for name in ("a", "b")]
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    assert (made[0].events, made[0].bytes, made[0].keys) == (1, len(data), (PUBLIC,))
    assert made[0].sha256 == hashlib.sha256(data).hexdigest()
    assert made[0].head == service.verify_log(context(None), VerifyLog(file=str(tmp_path / "a"), key=(PUBLIC,))).head


@pytest.mark.parametrize("key", ["", "x", PUBLIC[:-1], PUBLIC + "=", base64.b64encode(bytes(32)).decode()])
def test_a_key_that_is_none_is_refused(key: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"")
    with pytest.raises(BadLogKey) as caught:
        service.verify_log(context(None), VerifyLog(file=str(tmp_path / "log"), key=(key,)))
    assert caught.value.exit is Exit.USAGE  # 6 would be a verdict about the file


FILL = """
INSERT INTO audit.events (tenant_id, id, action, actor, outcome, body)
SELECT 'acme', id::uuid, 'mirror.create', 'robot', 'success', convert_to(replace(%(body)s, %(id)s, id), 'UTF8')
FROM (SELECT '01a0c450-6c00-7000-8000-' || lpad(to_hex(n), 12, '0') AS id FROM generate_series(1, %(count)s) n)
"""


def fill(base: Base, count: int) -> None:
    """Many events at once, as the application would write them."""
    put(base, 0, actor_type="plugin", actor="robot")
    ((event, body),) = base.rows("SELECT id::text, convert_from(body, 'UTF8') FROM audit.events")
    with base.connect("stella_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        connection.execute(FILL, {"id": event, "body": body, "count": count - 1})


def memory(name: str) -> int:
    """Bytes of this process as the kernel names them in `status`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.slow
@pytest.mark.parametrize("count", [30_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_many_events_are_sealed_exported_and_verified_in_flat_memory(base: Base, tmp_path: Path, count: int) -> None:
    fill(base, count)
    put(base, 1)
    seal(base)
    out, few = str(tmp_path / "log"), str(tmp_path / "few")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: an earlier test may have been higher
    before = memory("VmRSS")
    made = service.export_log(context(base), ExportLog(out=out))
    assert made.events == count + 1
    assert made.bytes > count * 1024
    assert service.verify_log(context(None), VerifyLog(file=out, key=(PUBLIC,))).events == count + 1
    assert memory("VmHWM") - before < 24 * MEBIBYTE
    lines = Path(out).read_bytes().splitlines(keepends=True)
    Path(few).write_bytes(b"".join([*lines[: count // 2], *lines[count // 2 + 1 :]]))
    with pytest.raises(Exception, match="is missing"):
        service.verify_log(context(None), VerifyLog(file=few, key=(PUBLIC,)))


def test_the_command_verifies_without_a_service_and_a_database(base: Base, tmp_path: Path) -> None:
    put(base, 0)
    put(base, 1)
    seal(base)
    log = tmp_path / "log"
    service.export_log(context(base), ExportLog(out=str(log)))

    def run(*arguments: str) -> tuple[int, Any]:
        command = [sys.executable, "-m", "stella", "audit", "verify", *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False, env=dict(os.environ))
        return done.returncode, msgspec.json.decode(done.stdout or done.stderr)

    code, result = run(str(log), "--key", PUBLIC)
    assert (code, result["verdict"], result["events"]) == (0, "verified", 2)
    log.write_bytes(log.read_bytes().replace(b"thing/1", b"thing/2", 1))
    code, result = run(str(log), "--key", PUBLIC)
    assert (code, result["code"], result["reason"], result["facts"]["seq"]) == (6, "AUDIT-011", "edited", 2)
    assert run(str(log))[0] == 2
    assert run(str(tmp_path / "none"), "--key", PUBLIC)[0] == 4
