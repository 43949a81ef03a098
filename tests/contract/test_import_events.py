"""What the audit log has of imports of migrations, on a real PostgreSQL: applied ones and refused ones.

Rules:
- The log is in a database beside the one that is migrated, which is empty at first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from stella.database import importing
from stella.database.errors import DatabaseDiffers
from stella.database.model import ImportMigrations, MigrationsImported
from stella.kernel.errors import StellaError
from stella.operations import Context
from stella.runtime.errors import ObjectMissing
from stella.runtime.settings import Settings
from tests.carried import Carried, carried, trial_here
from tests.database import postgres
from tests.identity import KEY
from tests.migrations import INDEX, STARTUP
from tests.tenants import Guarded, guarded

__all__ = ["carried", "guarded", "postgres", "trial_here"]  # fixtures
pytestmark = pytest.mark.network  # the socket of the server


class Site:
    """A site with a log."""

    def __init__(self, carried: Carried, guarded: Guarded) -> None:
        self.carried, self.guarded = carried, guarded
        self.said: list[str] = []
        carried.world.secrets[Settings().audit.wrap_key] = KEY

    def context(self) -> Context:
        made = self.carried.context(site=True)
        return dataclasses.replace(made, database=lambda: self.guarded.tenants, say=self.said.append)

    def import_(self, name: str = "B.stella", **more: Any) -> MigrationsImported:
        world = self.carried.world
        want = ImportMigrations(bundle=str(world.top / name), trust=str(world.m / "trust"), **more)
        return importing.import_(self.context(), want)

    def events(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Action, resource, outcome and facts of each event, without what is encrypted."""
        rows = self.guarded.execute("SELECT body FROM audit.events ORDER BY ctid").fetchall()
        bodies = [json.loads(bytes(body)) for (body,) in rows]
        assert all(isinstance(body["after"].pop("account"), dict) for body in bodies)  # encrypted
        return [(body["action"], body["resource"], body["outcome"], body["after"]) for body in bodies]

    def sha256(self, name: str = "B.stella") -> str:
        return hashlib.sha256((self.carried.world.top / name).read_bytes()).hexdigest()


@pytest.fixture
def site(carried: Carried, guarded: Guarded) -> Site:
    guarded.migrate("audit")
    carried.ship({"001_item.sql": STARTUP, "002_index.sql": INDEX})
    carried.bundle()
    return Site(carried, guarded)


def test_an_import_says_which_bundle_and_which_migrations(site: Site) -> None:
    site.import_(dry_run=True)
    assert site.events() == []  # nothing was changed
    done = site.import_()
    ((action, resource, outcome, facts),) = site.events()
    assert (action, resource, outcome) == ("schema.import", site.sha256(), "success")
    assert (facts["root"], facts["generation"], facts["channel"]) == (done.root, 1, "migrations")
    assert (facts["files"], facts["before"], facts["applied"]) == (2, 0, "box/001_item.sql, box/002_index.sql")
    assert facts["bundle"].endswith("B.stella")
    site.import_()
    *_, (_, _, _, again) = site.events()
    assert (again["before"], again["applied"]) == (2, "")
    assert site.said == []


def test_a_bundle_that_is_refused_is_an_event(site: Site) -> None:
    forged = site.carried.world.top / "forged.stella"
    data = bytearray((site.carried.world.top / "B.stella").read_bytes())
    at = data.rindex(b'"sig":"') + 10
    data[at] ^= 1
    forged.write_bytes(data)
    with pytest.raises(StellaError) as raised:
        site.import_("forged.stella")
    with pytest.raises(StellaError):
        site.import_("forged.stella", dry_run=True)
    first, second = site.events()
    assert first[:3] == ("schema.import", site.sha256("forged.stella"), "denied")
    assert (first[3]["code"], first[3]["reason"]) == (raised.value.code, raised.value.reason)
    assert "applied" not in first[3]
    assert second[3]["dry-run"] is True
    assert site.carried.history() == []


def test_what_the_gate_refuses_says_what_stays_applied(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = importing.compare
    monkeypatch.setattr(importing, "compare", lambda m, n, found: "made up" if n == 2 else compared(m, n, found))
    with pytest.raises(StellaError) as raised:
        site.import_()
    ((_, resource, outcome, facts),) = site.events()
    assert (resource, outcome, facts["code"]) == (site.sha256(), "denied", raised.value.code)
    assert (facts["applied"], facts["before"]) == ("box/001_item.sql", 0)
    assert site.carried.history() == ["001_item.sql"]


def test_what_somebody_interrupts_says_how_far_it_came(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = importing.apply_one

    def interrupted(session: Any, there: Any, file: Any, *rest: Any) -> Any:
        if file.name.startswith("002"):
            raise KeyboardInterrupt
        return apply(session, there, file, *rest)

    monkeypatch.setattr(importing, "apply_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        site.import_()
    ((_, _, outcome, facts),) = site.events()
    assert (outcome, facts["code"], facts["applied"]) == ("failure", "KeyboardInterrupt", "box/001_item.sql")


def test_no_file_is_no_event_of_a_bundle(site: Site) -> None:
    with pytest.raises(ObjectMissing):
        site.import_("none.stella")
    assert site.events() == []


def test_where_there_is_no_log_yet_it_is_said_and_undoes_nothing(site: Site) -> None:
    site.guarded.execute("DROP SCHEMA audit CASCADE")
    done = site.import_()
    assert done.complete
    assert [note.partition(":")[0] for note in done.notes] == ["not in the audit log"]
    assert site.said == list(done.notes)
    site.carried.execute(
        "UPDATE box.schema_migrations SET migration_name = '003_x.sql' WHERE migration_name = '002_index.sql'"
    )
    with pytest.raises(DatabaseDiffers):
        site.import_()
    assert len(site.said) == 2
