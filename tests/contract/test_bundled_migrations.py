"""Bundles of migrations: what the trial finds, what the manifest says, what is refused; on a real PostgreSQL."""

from __future__ import annotations

import pytest

from stella.database.errors import (
    BadMigrationFile,
    ContentChannel,
    LintFailed,
    NothingToBundle,
    NotIdempotent,
    NotMigrations,
    PreviousDiffers,
    RollbackFailed,
)
from stella.database.manifest import Requires
from stella.kernel.errors import Exit
from stella.tenancy.errors import GateFailed
from tests.carried import PROTECTED, Carried, carried, manifest_of, trial_here
from tests.database import postgres
from tests.migrations import COLUMN, EVERY, RELEASE, SEED, STARTUP

__all__ = ["carried", "postgres", "trial_here"]  # fixtures
pytestmark = pytest.mark.network  # the socket of the server

ORDER = ["001_item.sql", "002_index.sql", "003_size.sql", "S001_seed.sql", "DM001_mark.sql", "100_rename.sql"]


def test_every_step_of_the_trial_is_told(carried: Carried) -> None:
    carried.ship(EVERY)
    steps = [(step.step, step.file.removeprefix("box/")) for step in carried.bundle().steps]
    for name in ORDER:
        expected = ["lint", "apply"] + ["gate"] * (name == "100_rename.sql") + ["rollback"] * (name[0] != "D")
        assert [step for step, file in steps if file == name] == expected
    assert steps[-1] == ("idempotency", "6 files")


def test_the_manifest_says_what_each_file_is_and_leads_to(carried: Carried) -> None:
    carried.guarded = True
    carried.ship({"001_note.sql": PROTECTED, "100_more.sql": "ALTER TABLE note ADD COLUMN more text;\n"})
    carried.bundle()
    found = manifest_of(carried)
    assert [step.label for step in found.files] == ["tenancy/001_guard.sql", "box/001_note.sql", "box/100_more.sql"]
    assert found.files[1].requires == Requires(18, "0.1.0")
    assert (found.policies_before, found.tables_protected) == ((), ("box.note",))
    (policy,) = found.policies_after
    assert (policy.table, policy.name, policy.command) == ("box.note", "tenant_isolation", "all")
    assert policy.roles == ("(owner)", "stella_app")
    assert found.files[1].policies_digest == found.files[2].policies_digest != found.files[0].policies_digest
    assert len({step.schema_digest for step in found.files}) == 3
    assert found.files[-1].schema_digest == found.schema_digest
    done = carried.import_()
    assert done.complete
    assert carried.execute("SELECT to_regclass('box.note') IS NOT NULL") == [(True,)]


def test_the_same_files_give_the_same_bytes(carried: Carried) -> None:
    carried.ship(EVERY)
    first = carried.bundle("one.stella")
    second = carried.bundle("two.stella")
    assert (second.fresh, second.sha256, second.root) == (False, first.sha256, first.root)
    assert (carried.world.top / "one.stella").read_bytes() == (carried.world.top / "two.stella").read_bytes()


# --- a trial that goes wrong writes nothing ---------------------------------------------------------------------------

BAD = {
    "lint": ({"002_drop.sql": "DROP TABLE item;\n"}, LintFailed, "lint_failed"),
    "unreadable": ({"002_bad.sql": "CREATE TABEL x ();\n"}, BadMigrationFile, "usage"),
    "seed": (
        {
            "002_word.sql": "CREATE TABLE word (id bigint GENERATED ALWAYS AS IDENTITY, word text);\n",
            "S002_word.sql": "INSERT INTO word (word) VALUES ('x') ON CONFLICT DO NOTHING;\n",
        },
        NotIdempotent,
        "not_idempotent",
    ),
    "rollback": (
        {
            "002_next.sql": "CREATE SEQUENCE next;\n",
            "101_named.sql": "DO $$ BEGIN EXECUTE format('CREATE TABLE t_%s ()', nextval('next')); END $$;\n",
        },
        RollbackFailed,
        "rollback_failed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_trial_that_fails_writes_nothing(carried: Carried, name: str) -> None:
    files, kind, reason = BAD[name]
    carried.ship({"001_item.sql": STARTUP, "S001_seed.sql": SEED, "003_size.sql": COLUMN, "100_rename.sql": RELEASE})
    carried.ship(files)
    with pytest.raises(kind) as caught:
        carried.bundle()
    assert caught.value.reason == reason
    assert caught.value.exit is (Exit.USAGE if name == "unreadable" else Exit.NEGATIVE)
    assert not (carried.world.top / "B.stella").exists()
    assert carried.world.channel.head().generation is None


OPEN = {
    "startup": {"001_open.sql": "CREATE TABLE open (tenant_id text NOT NULL, id int);\n"},
    "release": {
        "001_note.sql": PROTECTED,
        "100_open.sql": "ALTER TABLE note NO FORCE ROW LEVEL SECURITY;\n",
        "101_shut.sql": "ALTER TABLE note FORCE ROW LEVEL SECURITY;\n",
    },
}


@pytest.mark.parametrize("name", OPEN)
def test_the_gate_keeps_a_bundle_from_being_written(carried: Carried, name: str) -> None:
    carried.guarded = True
    carried.ship(OPEN[name])
    with pytest.raises(GateFailed) as caught:
        carried.bundle()
    assert (caught.value.reason, caught.value.exit) == ("gate_failed", Exit.NEGATIVE)
    assert not (carried.world.top / "B.stella").exists()


def test_an_undone_file_that_leaves_something(carried: Carried, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL undoes a schema whole, so the look itself is made to lie."""
    carried.ship({"001_item.sql": STARTUP})
    looks = iter("abcdefgh")
    monkeypatch.setattr("stella.tenancy.snapshot.sha256", lambda _: next(looks) * 64)
    with pytest.raises(RollbackFailed, match="undone, it leaves something behind"):
        carried.bundle()


def test_what_cannot_be_bundled(carried: Carried) -> None:
    with pytest.raises(NothingToBundle, match="no file is shipped"):
        carried.bundle()
    carried.ship({"001_item.sql": STARTUP})
    carried.bundle()
    with pytest.raises(NothingToBundle, match="generation 1 has all of them"):
        carried.bundle(since=1)
    (carried.files / "001_item.sql").write_text(STARTUP + "\n-- edited\n")
    with pytest.raises(PreviousDiffers, match=r"Generation 1 .* box/001_item\.sql, which has other content"):
        carried.bundle(since=1)
    (carried.files / "001_item.sql").unlink()
    with pytest.raises(PreviousDiffers, match="is not shipped"):
        carried.bundle(since=1)


def test_a_channel_of_content_is_refused(carried: Carried) -> None:
    carried.ship({"001_item.sql": STARTUP})
    carried.world.create({"artifacts/a.txt": b"a"})
    with pytest.raises(ContentChannel, match=r"artifacts/a\.txt"):
        carried.bundle()
    with pytest.raises(NotMigrations, match=r"it holds `artifacts/a\.txt` of the category artifacts"):
        carried.import_("1.stella")
