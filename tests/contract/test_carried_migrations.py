"""Migrations that cross the gap: verified and applied at a site, or refused, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import msgspec
import psycopg
import pytest

from stella.bundle.cutting import cut_files, open_channel, write_checked
from stella.bundle.errors import DevelopmentKey, Expired, Stale, WrongChannel
from stella.bundle.model import Entry
from stella.database import bundling, importing, manifest
from stella.database.errors import (
    DatabaseDiffers,
    NeedsPostgres,
    NeedsRelease,
    NotMigrations,
    ReadOnlyPending,
    ResultDiffers,
)
from stella.database.manifest import Manifest, Requires
from stella.database.model import Choice
from stella.kernel.errors import Exit, StellaError
from stella.runtime import batches
from stella.runtime.errors import LockTimeout
from stella.runtime.migrate import Session
from stella.tenancy import gate, snapshot
from stella.tenancy.errors import GateFailed
from tests.carried import PROTECTED, Carried, carried, manifest_of, trial_here
from tests.database import postgres
from tests.migrations import AUTOMATIC, COLUMN, EVERY, INDEX, RELEASE, SEED, STARTUP
from tests.world import DAY, World

__all__ = ["carried", "postgres", "trial_here"]  # fixtures
pytestmark = pytest.mark.network  # the socket of the server

ORDER = ["001_item.sql", "002_index.sql", "003_size.sql", "S001_seed.sql", "DM001_mark.sql", "100_rename.sql"]


# --- the way that is meant --------------------------------------------------------------------------------------------


def test_from_a_bundle_to_a_site(carried: Carried) -> None:
    carried.ship(EVERY)
    made = carried.bundle()
    assert [row.name for row in made.files] == ORDER
    assert (made.fresh, made.generation, made.channel, made.modules) == (True, 1, "migrations", ("box",))
    dry = carried.import_(dry_run=True)
    assert (dry.complete, set(carried.applied(dry).values())) == (False, {"pending"})
    assert carried.history() == []
    done = carried.import_()
    assert done.complete
    assert carried.applied(done) == dict.fromkeys(ORDER, "applied")
    assert [row.name for row in done.files] == ORDER
    assert {row.name: row.gate for row in done.files if row.gate} == {"100_rename.sql": "0 findings"}
    assert [row.digest for row in done.files][-1] == made.schema_digest
    assert carried.execute("SELECT count(*), count(name) FROM box.item") == [(11, 11)]
    again = carried.import_()
    assert (again.complete, again.notes) == (True, ("everything was applied before; nothing was changed",))
    assert carried.history() == sorted(ORDER)


def test_a_release_after_another(carried: Carried) -> None:
    carried.ship({"001_item.sql": STARTUP, "S001_seed.sql": SEED})
    carried.bundle("first.stella")
    carried.ship({"002_index.sql": INDEX, "003_size.sql": COLUMN, "100_rename.sql": RELEASE})
    second = carried.bundle("second.stella", since=1)
    assert [row.name for row in second.files] == ["002_index.sql", "003_size.sql", "100_rename.sql"]
    assert second.steps[0].result == "applied"
    with pytest.raises(DatabaseDiffers, match=r"it lacks box/001_item\.sql, box/S001_seed\.sql, which were applied"):
        carried.import_("second.stella")
    assert carried.import_("first.stella").complete  # by the newer release, which ships the older files too
    assert carried.import_("second.stella").complete
    with pytest.raises(DatabaseDiffers, match=r"it has box/002_index\.sql, .* the bundle does not know"):
        carried.import_("first.stella")
    again = carried.bundle("again.stella", since=1)
    assert (again.generation, again.sha256) == (2, second.sha256)


def test_what_a_start_has_applied_is_the_beginning_of_the_bundle(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    carried.run(Choice.AUTOMATIC)
    done = carried.import_()
    assert [row.name for row in done.files] == ORDER
    assert [bool(row.digest) for row in done.files] == [False] * 4 + [True] * 2


def test_data_that_waits_keeps_the_release_waiting(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    carried.ship(EVERY)
    carried.bundle()
    paused = importing.apply_one

    def apply_one(session: Any, there: Any, file: Any, *rest: Any) -> Any:
        row = paused(session, there, file, *rest)
        if row and file.name.startswith("DM"):
            return msgspec.structs.replace(row, state="paused")
        return row

    monkeypatch.setattr(importing, "apply_one", apply_one)
    done = carried.import_()
    assert (done.complete, carried.applied(done)["DM001_mark.sql"]) == (False, "paused")
    assert "100_rename.sql" not in carried.history()


def cut_off(carried: Carried, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """End an import before a file is entered into the history."""

    def record(session: Session, entry: Any, took: int) -> int:
        if entry.name == name:
            raise KeyboardInterrupt
        return kept(session, entry, took)

    kept = Session.record
    with monkeypatch.context() as patch:
        patch.setattr(Session, "record", record)
        with pytest.raises(KeyboardInterrupt):
            carried.import_()


def test_a_file_outside_of_a_transaction_that_was_cut_off_is_gone_on_with(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried.ship({"001_item.sql": STARTUP, "002_index.sql": INDEX, "003_size.sql": COLUMN})
    carried.bundle()
    cut_off(carried, monkeypatch, "002_index.sql")
    assert carried.history() == ["001_item.sql"]
    assert carried.execute("SELECT to_regclass('box.item_word') IS NOT NULL") == [(True,)]
    assert carried.applied(carried.import_(dry_run=True)) == {
        "001_item.sql": "applied",
        "002_index.sql": "pending",
        "003_size.sql": "pending",
    }
    carried.execute("CREATE TABLE box.stray (id int)")
    with pytest.raises(DatabaseDiffers, match="its schema is"):  # what else differs is no trace of the file
        carried.import_()
    carried.execute("DROP TABLE box.stray; DROP INDEX box.item_word")
    with pytest.raises(psycopg.errors.UniqueViolation):  # leaves one that is not valid, as a kill in the middle does
        carried.execute("CREATE UNIQUE INDEX CONCURRENTLY item_word ON box.item (word)")
    assert carried.import_().complete


def test_a_file_that_drops_an_index_and_was_cut_off_is_gone_on_with(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = "-- stella:no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS item_word;\n"
    again += "CREATE INDEX CONCURRENTLY item_more ON item (word, id);\n"
    carried.ship({"001_item.sql": STARTUP, "002_index.sql": INDEX, "100_again.sql": again, "101_size.sql": COLUMN})
    carried.bundle()
    cut_off(carried, monkeypatch, "100_again.sql")
    carried.execute("DROP INDEX box.item_more")  # only the first of its statements was done
    carried.execute("GRANT SELECT ON box.item TO stella_app")
    with pytest.raises(ResultDiffers, match=r"100_again\.sql"):
        carried.import_()
    carried.execute("REVOKE SELECT ON box.item FROM stella_app")
    assert carried.import_().complete


def test_what_waits_behind_data_that_is_paused_is_not_called_applied(
    carried: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried.ship(EVERY)
    carried.bundle()
    carried.run(Choice.AUTOMATIC)
    run = batches.run
    monkeypatch.setattr(batches, "run", lambda *words: run(*words)._replace(done=False))
    done = carried.import_()
    assert [(row.name, row.state) for row in done.files[-3:]] == [
        ("S001_seed.sql", "applied"),
        ("DM001_mark.sql", "paused"),
        ("100_rename.sql", "pending"),
    ]
    assert not done.complete


# --- bundles that are refused -----------------------------------------------------------------------------------------


def unchanged(carried: Carried) -> bool:
    return carried.history() == [] and carried.execute("SELECT to_regnamespace('box') IS NULL") == [(True,)]


def test_each_flipped_byte_is_found(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    data = (carried.world.top / "B.stella").read_bytes()
    for at in range(0, len(data), len(data) // 40):
        flipped = bytearray(data)
        flipped[at] ^= 1
        (carried.world.top / "flipped.stella").write_bytes(flipped)
        with pytest.raises(StellaError) as caught:
            carried.import_("flipped.stella")
        assert caught.value.exit in {Exit.NEGATIVE, Exit.USAGE}
    assert unchanged(carried)


def test_a_bundle_of_other_keys_is_refused(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    other = World(carried.world.top / "other", seed="other").lay_channel(channel="migrations")
    with pytest.raises(WrongChannel):
        carried.import_(trust=str(other.m / "trust"))
    assert unchanged(carried)


def test_a_root_of_other_keys_for_the_same_channel_is_refused(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    other = World(carried.world.top / "other", seed="other").lay_channel(channel="migrations")
    trust = carried.world.top / "trust"
    trust.mkdir()
    (trust / "channel.json").write_bytes((carried.world.m / "trust" / "channel.json").read_bytes())
    (trust / "root.json").write_bytes((other.m / "trust" / "root.json").read_bytes())
    with pytest.raises(StellaError) as caught:
        carried.import_(trust=str(trust))
    assert caught.value.exit is Exit.NEGATIVE
    assert unchanged(carried)


def test_an_old_bundle_and_a_development_key(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    site = carried.world.site_settings
    carried.world.site_settings = msgspec.structs.replace(site, require_production=True)
    with pytest.raises(DevelopmentKey):
        carried.import_()
    carried.world.site_settings = site
    carried.world.pass_time(60 * DAY)
    with pytest.raises((Stale, Expired)):
        carried.import_()
    assert unchanged(carried)


def signed(carried: Carried, changed: Manifest, texts: dict[str, str] | None = None) -> None:
    """A bundle that the vendor's own keys have signed, whatever its manifest says."""
    ctx = carried.context(site=False)
    store = open_channel(ctx, str(carried.world.m))
    files = [file for module in bundling.shipped_of(ctx, ()).values() for file in module]
    files = [msgspec.structs.replace(file, text=(texts or {}).get(file.name, file.text)) for file in files]
    place = carried.world.top / "laid"
    with store.folder.lock():
        cut = cut_files(ctx, store, bundling.lay(place, changed, files), None)
        assert cut
        write_checked(ctx, store, carried.world.top / "B.stella", cut.record, cut.blobs, cut=cut)


def test_a_signed_file_that_is_not_the_one_of_the_manifest(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    signed(carried, manifest_of(carried), {"003_size.sql": COLUMN + "DROP TABLE item;\n"})
    with pytest.raises(NotMigrations, match=r"box/003_size\.sql is not the file that the manifest describes"):
        carried.import_()
    assert unchanged(carried)


def changed(found: Manifest, name: str) -> Manifest:
    steps, replace = found.files, msgspec.structs.replace
    cases = {
        "a file less": {"files": steps[:-1]},
        "another order": {"files": (steps[1], steps[0], *steps[2:])},
        "a file twice": {"files": (*steps, steps[-1])},
        "another category": {"files": (replace(steps[0], category="release"), *steps[1:])},
        "another end": {"schema_digest": "0" * 64},
        "no file of its module": {"modules": ("crate",)},
    }
    return replace(found, **cases[name])


@pytest.mark.parametrize(
    "name",
    ["a file less", "another order", "a file twice", "another category", "another end", "no file of its module"],
)
def test_a_signed_manifest_that_contradicts_itself(carried: Carried, name: str) -> None:
    carried.ship(EVERY)
    carried.bundle()
    signed(carried, changed(manifest_of(carried), name))
    with pytest.raises(NotMigrations):
        carried.import_()
    assert unchanged(carried)


def test_a_bundle_of_migrations_needs_a_manifest(carried: Carried) -> None:
    carried.world.create({"migrations/box/001_item.sql": STARTUP.encode()})
    with pytest.raises(NotMigrations, match="it has no manifest"):
        carried.import_("1.stella")
    rows = [Entry("migrations", "0" * 64, "application/sql", "migrations/manifest.json", manifest.MAX_DOCUMENT + 1)]
    with pytest.raises(NotMigrations, match="too large"):
        manifest.check_entries(rows)


def test_a_thin_bundle_is_refused(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    carried.world.lay_site().import_("B.stella")
    receipt = carried.world.receipt()
    carried.world.create({"migrations/box/001_item.sql": STARTUP.encode()}, name="thin.stella", receipt=receipt)
    with pytest.raises(NotMigrations, match="thin against generation 1"):
        carried.import_("thin.stella")


# --- releases that do not fit -----------------------------------------------------------------------------------------


def test_a_bundle_for_a_newer_release_says_which(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    carried.ship(EVERY)
    monkeypatch.setattr("stella.database.trial.__version__", "0.10.0")
    carried.bundle()
    with pytest.raises(
        NeedsRelease, match=r"release 0\.1\.0 ships, which is older; the bundle needs release 0\.10\.0"
    ) as caught:
        carried.import_()
    assert "install release 0.10.0" in caught.value.advice
    assert unchanged(carried)


def test_files_that_the_installed_release_does_not_ship(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    (carried.site_files / "003_size.sql").write_text(COLUMN.replace("size", "sizes"))
    with pytest.raises(
        NeedsRelease, match=r"box/003_size\.sql is not .*, \w{12} in the bundle and \w{12} here; .* 0\.1\.0"
    ):
        carried.import_()
    (carried.site_files / "003_size.sql").unlink()
    with pytest.raises(NeedsRelease, match="which does not have it"):
        carried.import_()
    assert unchanged(carried)


def test_a_module_that_the_installed_release_does_not_have(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED})
    carried.bundle()
    carried.guarded = False
    with pytest.raises(NeedsRelease, match="which has no module `tenancy`"):
        carried.import_()
    assert unchanged(carried)


def test_a_server_that_is_too_old(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    found = manifest_of(carried)
    newer = msgspec.structs.replace(found.files[0], requires=Requires(99, "0.1.0"))
    signed(carried, msgspec.structs.replace(found, files=(newer, *found.files[1:])))
    with pytest.raises(NeedsPostgres, match="needs PostgreSQL 99, this server is 18"):
        carried.import_()
    assert unchanged(carried)


# --- databases that do not fit ----------------------------------------------------------------------------------------

OTHERS = {
    "a table": ("CREATE TABLE box.stray (id int)", "its schema is"),
    "a column": ("ALTER TABLE box.item ADD COLUMN stray int", "its schema is"),
    "an index": ("DROP INDEX box.item_word", "its schema is"),
    "a function": ("CREATE FUNCTION box.stray() RETURNS int LANGUAGE sql AS 'SELECT 1'", "its schema is"),
    "a type": ("CREATE TYPE box.stray AS (id int)", "its schema is"),
    "a grant": ("GRANT SELECT ON box.item TO stella_app", "its schema is"),
    "a policy": ("CREATE POLICY stray ON box.item USING (true)", "its policies differ"),
    "history, edited": (
        "UPDATE box.schema_migrations SET checksum = repeat('0', 64) WHERE migration_name ~ '^001'",
        "other content",
    ),
    "history, more": (
        "INSERT INTO box.schema_migrations VALUES ('009_x.sql', 'startup', repeat('0', 64), now(), 'x', 0)",
        "which the bundle does not know",
    ),
    "history, a hole": ("DELETE FROM box.schema_migrations WHERE migration_name ~ '^002'", "before it is not"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_database_is_refused(carried: Carried, name: str) -> None:
    statement, words = OTHERS[name]
    carried.ship(EVERY)
    carried.bundle()
    carried.run(Choice.AUTOMATIC)
    carried.execute(statement)
    with pytest.raises(DatabaseDiffers, match=words) as caught:
        carried.import_()
    assert (caught.value.exit, caught.value.reason) == (Exit.NEGATIVE, "database_differs")
    with pytest.raises(DatabaseDiffers):
        carried.import_(dry_run=True)
    assert "100_rename.sql" not in carried.history()


def test_a_policy_that_differs_is_named(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED})
    carried.bundle()
    carried.run(Choice.ALL)
    assert carried.import_().complete
    carried.execute("ALTER POLICY tenant_isolation ON box.note USING (true)")
    with pytest.raises(DatabaseDiffers, match=r"`tenant_isolation` of box\.note"):
        carried.import_()


def test_another_schema_is_nobodys_business(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    carried.execute("CREATE SCHEMA other; CREATE TABLE other.x (id int)")
    assert carried.import_().complete


def test_a_seed_that_has_changed_since_is_no_other_history(carried: Carried) -> None:
    carried.ship({"001_item.sql": STARTUP, "S001_seed.sql": SEED})
    carried.bundle("first.stella")
    carried.import_("first.stella")
    carried.ship({"S001_seed.sql": SEED.replace("'seed'", "'sown'"), "003_size.sql": COLUMN})
    carried.bundle("second.stella", since=1)
    assert carried.import_("second.stella").complete


def test_a_read_only_database(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    ((name,),) = carried.execute("SELECT current_database()")
    read_only = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    carried.execute(read_only + "on")
    with pytest.raises(ReadOnlyPending, match=r"lacks migrations: box/001_item\.sql"):
        carried.import_()
    assert not carried.import_(dry_run=True).complete
    with carried.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(read_only + "off")  # type: ignore[call-overload]  # a name of ours
    carried.import_()
    carried.execute(read_only + "on")
    assert carried.import_().complete


# --- what a file leads to is compared before it counts ----------------------------------------------------------------


def elsewhere(carried: Carried, name: str, **changes: str) -> None:
    """Sign a manifest that says of a file that it leads elsewhere."""
    found = manifest_of(carried)
    steps = tuple(msgspec.structs.replace(step, **changes) if step.name == name else step for step in found.files)
    last = steps[-1]
    ends = {"schema_digest": last.schema_digest}
    signed(carried, msgspec.structs.replace(found, files=steps, **ends))


@pytest.mark.parametrize("what", ["schema_digest", "policies_digest"])
def test_a_file_that_leads_elsewhere_is_undone(carried: Carried, what: str) -> None:
    carried.ship(
        {
            "001_item.sql": STARTUP,
            "003_size.sql": COLUMN,
            "100_rename.sql": RELEASE,
            "101_z.sql": "CREATE TABLE z ();\n",
        }
    )
    carried.bundle()
    elsewhere(carried, "100_rename.sql", **{what: "0" * 64})
    with pytest.raises(ResultDiffers, match=r"box/100_rename\.sql .* the 2 files before it stay applied") as caught:
        carried.import_()
    assert (caught.value.exit, caught.value.reason) == (Exit.NEGATIVE, "result_differs")
    assert carried.history() == ["001_item.sql", "003_size.sql"]
    assert carried.execute("SELECT word FROM box.item LIMIT 1") == [("w",)]


def test_the_gate_undoes_a_release_file_at_the_site(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED, "100_more.sql": "ALTER TABLE note ADD COLUMN more text;\n"})
    carried.bundle()
    carried.run(Choice.AUTOMATIC)
    carried.execute(
        "CREATE SCHEMA other; CREATE TABLE other.open (tenant_id text)"
    )  # of no module, so only the gate sees it
    with pytest.raises(GateFailed, match=r"other\.open"):
        carried.import_()
    assert carried.history() == ["001_note.sql"]
    carried.execute("DROP TABLE other.open")
    assert carried.import_().complete


def test_the_gate_undoes_the_last_file_whatever_it_is(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED})
    carried.bundle()
    carried.execute("CREATE SCHEMA other; CREATE TABLE other.open (tenant_id text)")
    with pytest.raises(GateFailed, match=r"other\.open"):
        carried.import_()
    assert carried.history() == []
    assert carried.execute("SELECT to_regclass('box.note') IS NULL") == [(True,)]


def test_the_gate_reads_the_same_whatever_a_file_searches(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED})
    carried.run(Choice.ALL)
    with carried.connect() as connection:
        before = snapshot.take(connection, ["box", "tenancy"])
        connection.execute("SET search_path TO tenancy, box")
        assert gate.findings(connection) == []
        assert snapshot.take(connection, ["box", "tenancy"]) == before
        assert connection.execute("SHOW search_path").fetchone() == ("tenancy, box",)


# --- many at once --------------------------------------------------------------------------------


def test_two_imports_at_once_apply_each_file_once(carried: Carried) -> None:
    carried.ship(EVERY)
    carried.bundle()
    results: list[Any] = []

    def act() -> None:
        try:
            results.append(carried.import_())
        except StellaError as error:  # pragma: no cover  # it is shown
            results.append(error)

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [getattr(result, "complete", result) for result in results] == [True] * 4
    applied = [sum(bool(row.digest) for row in result.files) for result in results]
    assert sorted(applied) == [0, 0, 0, len(ORDER)]
    assert carried.execute("SELECT count(*) FROM box.item WHERE name LIKE '%!!'") == [(0,)]


def test_an_import_beside_a_start(carried: Carried) -> None:
    carried.ship(AUTOMATIC)
    carried.bundle()
    thread = threading.Thread(target=carried.run, args=[Choice.AUTOMATIC])
    thread.start()
    with contextlib.suppress(DatabaseDiffers, LockTimeout):  # it may meet the other one between two files
        carried.import_()
    thread.join(60)
    assert carried.import_().complete
    assert carried.history() == sorted(AUTOMATIC)
