"""The sealer on a real PostgreSQL: no gap, nothing missed, nothing twice, whatever happens in between."""

from __future__ import annotations

import base64
import io
import os
import random
import signal
import threading
from typing import Any

import psycopg
import pytest

from stella.audit import export, sealer, write
from stella.audit.errors import BadAuditKey, ChainDamaged, ChainHeld
from stella.audit.sealer import Sealer
from stella.audit.verify import Proven, verify
from stella.operations import Principal
from stella.runtime.errors import DatabaseUnavailable
from stella.runtime.settings import AuditSettings
from stella.testing import ManualClock
from tests.audit_log import KEY, KIM, NOW, OTHER_KEY, TENANT, Base, file_of, happened, lay, make_vault
from tests.migrations import ended, in_child
from tests.unit.audit import second

VAULT = make_vault()
CLOCK = ManualClock(NOW)


@pytest.fixture
def base(database: str) -> Base:
    return lay(database)


def put(base: Base, count: int, start: int = 0, tenant: str = TENANT) -> None:
    principal = Principal("kim", frozenset(), tenant)
    with base.of(tenant) as t:
        for number in range(start, start + count):
            write.insert(t, principal, happened(number, VAULT.entropy, principal), VAULT)


def make_sealer(base: Base) -> Sealer:
    return Sealer(base, KEY, CLOCK)


def exported(base: Base, tenant: str = TENANT) -> bytes:
    now = export.standing(lambda: base.of(tenant), tenant)
    return file_of(export.lines(lambda: base.of(tenant), tenant, now, lambda _: None))


def proven(base: Base, tenant: str = TENANT) -> Proven:
    """What is sealed holds, says the one verifier and the other."""
    data = exported(base, tenant)
    assert second.holds(data, KEY.public.raw)
    return verify(io.BytesIO(data), "log", [KEY.public])


def whole(base: Base) -> int:
    """How many events there are; each has a place, none waits."""
    (events, links, last, waiting), *_ = base.rows(
        "SELECT (SELECT count(*) FROM audit.events), (SELECT count(*) FROM audit.chain), "
        "(SELECT max(seq) FROM audit.chain), (SELECT count(*) FROM audit.waiting)"
    )
    assert (links, last, waiting) == (events, events, 0)
    return int(events)


def test_what_waits_is_sealed_and_holds(base: Base) -> None:
    put(base, 5)
    assert make_sealer(base).seal() == ({TENANT: 5}, {}, 0)
    put(base, 3, 5)
    assert make_sealer(base).seal().sealed == {TENANT: 3}
    found = proven(base)
    assert (found.events, found.checkpoints) == (8, 2)
    assert whole(base) == 8


def test_with_nothing_new_nothing_is_signed(base: Base) -> None:
    put(base, 1)
    make_sealer(base).seal()
    assert make_sealer(base).seal() == ({}, {}, 0)
    assert base.rows("SELECT count(*) FROM audit.checkpoints") == [(1,)]


def test_more_than_a_batch_is_sealed_in_one_pass(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "BATCH", 4)
    monkeypatch.setattr(export, "PAGE", 3)
    put(base, 14)
    assert make_sealer(base).seal().sealed == {TENANT: 14}
    found = proven(base)
    assert (found.events, found.checkpoints) == (14, 4)


def test_a_tenant_with_much_to_seal_keeps_no_other_waiting(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "BATCH", 2)
    put(base, 7)
    put(base, 1, tenant="beta")
    assert make_sealer(base).seal().sealed == {TENANT: 7, "beta": 1}
    order = base.rows("SELECT tenant_id FROM audit.checkpoints ORDER BY xmin::text::bigint")
    assert order == [(TENANT,), ("beta",), (TENANT,), (TENANT,), (TENANT,)]


def test_a_chain_that_somebody_holds_for_long_is_told(base: Base) -> None:
    put(base, 1)
    put(base, 1, tenant="beta")
    working = make_sealer(base)
    with base.connect("stella_app") as holder:
        holder.execute("SELECT pg_advisory_lock(hashtextextended('audit.seal/acme', 0))")
        found = [working.seal() for _ in range(2 * sealer.HELD)]
    assert found[0].sealed == {"beta": 1}
    assert [sorted(one.failed) for one in found] == [[], [], [], [], [TENANT]] * 2
    assert isinstance(found[-1].failed[TENANT], ChainHeld)
    assert found[-1].failed[TENANT].facts["passes"] == 2 * sealer.HELD
    assert working.seal().sealed == {TENANT: 1}


def test_each_tenant_has_a_chain_of_its_own(base: Base) -> None:
    for tenant in ("acme", "beta", "gamma"):
        put(base, 3, tenant=tenant)
    assert make_sealer(base).seal().sealed == {"acme": 3, "beta": 3, "gamma": 3}
    for tenant in ("acme", "beta", "gamma"):
        assert proven(base, tenant).tenant == tenant


def test_an_event_that_is_committed_late_is_not_missed(base: Base) -> None:
    with base.of(TENANT) as late:
        write.insert(late, KIM, happened(0, VAULT.entropy, actor_type="system"), VAULT)
        with base.of(TENANT) as early:
            write.insert(early, KIM, happened(9, VAULT.entropy, actor_type="system"), VAULT)
        assert make_sealer(base).seal().sealed == {TENANT: 1}
    assert make_sealer(base).seal().sealed == {TENANT: 1}
    assert proven(base).events == 2
    order = base.rows("SELECT c.event_id > lag(c.event_id) OVER (ORDER BY seq) FROM audit.chain c ORDER BY seq")
    assert order == [(None,), (False,)]  # the later place is that of the earlier id


def test_an_event_that_is_rolled_back_is_nowhere(base: Base) -> None:
    with base.of(TENANT) as t:
        write.insert(t, KIM, happened(0, VAULT.entropy), VAULT)
        t.connection.execute("SELECT 1")
        raise psycopg.Rollback
    assert make_sealer(base).seal() == ({}, {}, 0)
    assert base.rows("SELECT count(*) FROM audit.events") == [(0,)]


def test_two_sealers_at_once_do_not_disturb_each_other(base: Base) -> None:
    reached, go_on = threading.Event(), threading.Event()
    put(base, 3)

    def hold(name: str) -> None:
        if name == "put_checkpoint":
            reached.set()
            assert go_on.wait(30)

    base.before_each = hold
    first = threading.Thread(target=make_sealer(base).seal)
    first.start()
    assert reached.wait(30)
    base.before_each = lambda _name: None
    assert make_sealer(base).seal() == ({}, {}, 0)  # somebody is there
    put(base, 2, 3)
    go_on.set()
    first.join()
    make_sealer(base).seal()
    assert whole(base) == 5
    assert proven(base).events == 5


def test_many_writers_and_sealers_leave_one_whole_chain(base: Base) -> None:
    failures: list[BaseException] = []
    over = threading.Event()

    def write_some(which: int) -> None:
        for number in range(10):
            put(base, 2, which * 1000 + number * 2)

    def seal() -> None:
        while not over.is_set():
            assert not make_sealer(base).seal().failed

    def safely(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion
            failures.append(error)

    writers = [threading.Thread(target=safely, args=(write_some, which)) for which in range(3)]
    sealers = [threading.Thread(target=safely, args=(seal,)) for _ in range(3)]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in sealers:
        thread.join()
    assert failures == []
    make_sealer(base).seal()
    assert whole(base) == 60
    assert proven(base).events == 60


def test_a_kill_before_any_statement_leaves_all_of_a_batch_or_nothing(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "BATCH", 2)
    put(base, 5)

    def seal_until(fatal: int) -> None:
        seen = iter(range(10**6))

        def die(_name: str) -> None:
            if next(seen) == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        base.before_each = die
        make_sealer(base).seal()

    for fatal in range(40):
        before = base.rows("SELECT count(*) FROM audit.events")[0][0]
        code = ended(in_child(lambda fatal=fatal: seal_until(fatal)))  # type: ignore[misc]  # the number of now
        (links, size, signed), *_ = base.rows(
            "SELECT (SELECT count(*) FROM audit.chain), coalesce((SELECT max(seq) FROM audit.chain), 0), "
            "coalesce((SELECT max(size) FROM audit.checkpoints), 0)"
        )
        assert links == size == signed
        assert code in {0, -signal.SIGKILL}
        make_sealer(base).seal()
        assert whole(base) == before
        if code == 0:
            break
        put(base, 5, 10 * (fatal + 1))
    else:
        pytest.fail("the end was never reached")
    assert fatal > 12
    assert proven(base).events == before


def test_a_sealer_whose_connection_breaks_begins_again(base: Base) -> None:
    put(base, 4)
    chance = random.Random(7)

    def cut(_name: str) -> None:
        if chance.random() < 0.3:
            base.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'stella_sealer'")
            with base.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    base.before_each = cut
    tries = 0
    while base.rows("SELECT count(*) FROM audit.waiting") != [(0,)]:
        tries += 1
        assert tries < 100
        try:
            make_sealer(base).seal()
        except psycopg.OperationalError:
            continue
    base.before_each = lambda _name: None
    assert tries > 1
    assert whole(base) == 4
    assert proven(base).events == 4


def test_a_row_that_the_application_would_not_write_takes_its_place_and_stops_nobody(base: Base) -> None:
    put(base, 1)
    bodies = [b"no json", b"{}", b"\xff" * 100, b"[" * 5000]
    with base.connect("stella_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        for number, body in enumerate(bodies):
            connection.execute(
                "INSERT INTO audit.events VALUES ('acme', %s, 'x', 'x', 'success', %s)",
                [f"ffffffff-ffff-7fff-bfff-{number:012}", body],
            )
    put(base, 1, 1)
    assert make_sealer(base).seal().sealed == {TENANT: 6}
    assert proven(base).events == 6
    assert exported(base).count(b"audit.malformed") == 2 * len(bodies)


def test_an_event_that_has_its_place_and_waits_again_is_left_alone(base: Base) -> None:
    put(base, 2)
    make_sealer(base).seal()
    with base.connect("stella_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        connection.execute("INSERT INTO audit.waiting SELECT tenant_id, id FROM audit.events")
    make_sealer(base).seal()
    assert whole(base) == 2
    assert base.rows("SELECT count(*) FROM audit.checkpoints") == [(1,)]


def test_an_event_that_was_forgotten_is_found(base: Base) -> None:
    for tenant in (TENANT, "beta"):
        put(base, 3, tenant=tenant)
    make_sealer(base).seal()
    for tenant in (TENANT, "beta"):
        put(base, 2, 3, tenant=tenant)
    with base.connect() as connection:
        connection.execute("DELETE FROM audit.waiting WHERE tenant_id = 'acme'")
    assert make_sealer(base).seal().sealed == {"beta": 2}
    assert make_sealer(base).find_forgotten() == 2
    assert make_sealer(base).find_forgotten() == 0
    assert make_sealer(base).seal().sealed == {TENANT: 2}
    assert (proven(base).events, proven(base, "beta").events) == (5, 5)


def test_a_sealer_that_starts_finds_what_was_forgotten_once_the_database_is_there(base: Base) -> None:
    stop, told, away = threading.Event(), list[Any](), DatabaseUnavailable(where="x", problem="y")
    put(base, 3)
    with base.connect() as connection:
        connection.execute("DELETE FROM audit.waiting")
    answers = iter([away, None])

    class Late(Base):
        def forgotten(self) -> int:
            if error := next(answers):
                raise error
            return super().forgotten()

    def hear(found: Any) -> None:
        told.append(found)
        if found.sealed:
            stop.set()

    sealer.run(make_sealer(Late(base.dsn)), 0, stop, hear)
    assert told == [({}, {"*": away}, 0), ({TENANT: 3}, {}, 3)]
    assert whole(base) == 3


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit.checkpoints SET head = sha256('x')",
        "UPDATE audit.checkpoints SET frontier = frontier || sha256('x')",
        "UPDATE audit.checkpoints SET frontier = sha256('x') || sha256('y')",
        "UPDATE audit.checkpoints SET envelope = 'x'",
        "UPDATE audit.checkpoints SET size = 2, frontier = substr(frontier, 1, 32)",
    ],
)
def test_a_damaged_chain_is_not_continued_and_keeps_nobody_waiting(base: Base, damage: str) -> None:
    put(base, 3)
    make_sealer(base).seal()
    with base.connect() as connection:
        connection.execute("ALTER TABLE audit.checkpoints DISABLE TRIGGER USER")
        connection.execute(damage)  # type: ignore[call-overload]  # the text of a test
    put(base, 1, 3)
    put(base, 1, tenant="beta")
    found = make_sealer(base).seal()
    assert found.sealed == {"beta": 1}
    assert isinstance(found.failed[TENANT], ChainDamaged)
    assert base.rows("SELECT count(*) FROM audit.chain WHERE tenant_id = 'acme'") == [(3,)]


def test_a_new_key_goes_on_where_the_old_one_is_known(base: Base) -> None:
    put(base, 2)
    make_sealer(base).seal()
    put(base, 2, 2)
    assert isinstance(Sealer(base, OTHER_KEY, CLOCK).seal().failed[TENANT], ChainDamaged)
    assert Sealer(base, OTHER_KEY, CLOCK, [KEY.public]).seal().sealed == {TENANT: 2}
    data = exported(base)
    assert verify(io.BytesIO(data), "log", [KEY.public, OTHER_KEY.public]).keys == (
        KEY.public.to_base64(),
        OTHER_KEY.public.to_base64(),
    )


def test_settings_become_keys_and_times() -> None:
    seed = base64.b64encode(b"s" * 32)
    assert sealer.signing_key(seed + b"\n").sign(b"x") == sealer.signing_key(seed).sign(b"x")
    both = AuditSettings(retired_keys=f" {KEY.public.to_base64()}  {OTHER_KEY.public.to_base64()}", seal_every="2m")
    assert [key.raw for key in sealer.retired_keys(both)] == [KEY.public.raw, OTHER_KEY.public.raw]
    assert sealer.retired_keys(AuditSettings()) == ()
    assert sealer.interval(both) == 120
    with pytest.raises(BadAuditKey):
        sealer.signing_key(b"short")


def test_it_runs_until_it_is_stopped_and_seals_once_more_then(base: Base) -> None:
    stop, told = threading.Event(), list[Any]()
    put(base, 2)
    stop.set()
    sealer.run(make_sealer(base), 0, stop, told.append)
    assert told == [({TENANT: 2}, {}, 0)]


def test_a_database_that_is_away_is_tried_again(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, told = threading.Event(), list[Any]()
    put(base, 2)
    away = DatabaseUnavailable(where="x", problem="y")

    class Away:
        def tenants(self) -> list[str]:
            monkeypatch.setattr(found, "_waiting", base)
            raise away

        transaction = base.transaction
        forgotten = base.forgotten

    def hear(told_of: Any) -> None:
        told.append(told_of)
        stop.set()

    found = Sealer(Away(), KEY, CLOCK)
    sealer.run(found, 0, stop, hear)
    assert told == [({}, {"*": away}, 0), ({TENANT: 2}, {}, 0)]


CHANGES = [
    "UPDATE audit.events SET body = body",
    "DELETE FROM audit.events",
    "TRUNCATE audit.events CASCADE",
    "UPDATE audit.chain SET hash = hash",
    "DELETE FROM audit.chain",
    "TRUNCATE audit.chain CASCADE",
    "UPDATE audit.checkpoints SET envelope = envelope",
    "DELETE FROM audit.checkpoints",
    "TRUNCATE audit.checkpoints",
    "DELETE FROM audit.keys",
    "TRUNCATE audit.keys",
    "UPDATE audit.waiting SET event_id = event_id",
    "TRUNCATE audit.waiting",
]


@pytest.mark.parametrize("role", ["stella_app", "stella_sealer", "stella_owner", ""])
@pytest.mark.parametrize("change", CHANGES)
def test_nobody_changes_what_is_there(base: Base, change: str, role: str) -> None:
    put(base, 2)
    make_sealer(base).seal()
    with base.connect(role) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(change)  # type: ignore[call-overload]  # the text of a test


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit.chain VALUES ('acme', 9, (SELECT id FROM audit.events LIMIT 1), sha256('x'), sha256('x'))",
        "INSERT INTO audit.checkpoints VALUES ('acme', 1, sha256('x'), '', '', '')",
        "SELECT * FROM audit.waiting",
        "SELECT audit.waiting_tenants()",
        "DELETE FROM audit.waiting",
    ],
)
def test_the_application_seals_nothing(base: Base, statement: str) -> None:
    put(base, 1)
    with base.connect("stella_app") as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[call-overload]  # the text of a test


def test_the_sealer_reads_no_key_and_writes_no_event(base: Base) -> None:
    put(base, 1)
    with base.connect("stella_sealer") as connection:
        for statement in ("SELECT * FROM audit.keys", "INSERT INTO audit.events SELECT * FROM audit.events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_tenant_neither_reads_nor_writes_the_events_of_another(base: Base) -> None:
    put(base, 2)
    put(base, 1, tenant="beta")
    make_sealer(base).seal()
    with base.connect("stella_app") as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'beta', false)")
        for table in ("events", "chain", "checkpoints", "keys"):
            rows = connection.execute(f"SELECT DISTINCT tenant_id FROM audit.{table}").fetchall()  # type: ignore[call-overload]  # a table of ours
            assert rows == [("beta",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO audit.events SELECT 'acme', id, 'x', 'x', 'x', body FROM audit.events")
