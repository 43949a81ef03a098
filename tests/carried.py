"""A vendor that bundles migrations and a sealed site that imports them, over a real PostgreSQL.

Rules:
- The trial of a bundle takes a database of the tests' own server instead of starting one; one test starts one.
- The site's database has the roles of Stella and belongs to the owner, as `stella up` lays it, and nothing is in it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from stella.database import bundling, importing
from stella.database.apply import apply_pending, judge_all
from stella.database.files import Source, load
from stella.database.manifest import Manifest
from stella.database.model import BundleMigrations, Choice, ImportMigrations, MigrationsBundled, MigrationsImported
from stella.operations import Context
from stella.runtime import roles, throwaway
from stella.runtime.migrate import Session
from stella.runtime.postgres import Connection, Login
from stella.runtime.postgres_server import Postgres
from stella.runtime.settings import DatabaseSettings
from tests.database import PASSWORD, connected
from tests.migrations import lay
from tests.world import World

SECRET = "env:PASSWORD_OF_THE_SITE"
_numbers = itertools.count()

PROTECTED = """\
CREATE TABLE note (tenant_id text NOT NULL, id bigint NOT NULL, word text, PRIMARY KEY (tenant_id, id));
SELECT tenancy.protect('box.note');
"""


@contextlib.contextmanager
def database_of(postgres: Postgres) -> Iterator[Login]:
    """The owner's way into an empty database, which goes away with the block."""
    name = f"carried_{next(_numbers)}"
    with connected(postgres) as connection:
        roles.make_database(connection, name)
    with connected(postgres, name) as connection:
        roles.harden(connection)
    try:
        yield Login(postgres.dsn(name, roles.OWNER), PASSWORD)
    finally:
        with connected(postgres) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]  # a name of ours


@dataclasses.dataclass
class Carried:
    """Both sides. `files` are what the vendor's release ships, `site_files` what the site's does."""

    world: World
    login: Login
    guarded: bool = False

    @property
    def files(self) -> Path:
        return self.world.top / "vendor" / "box"

    @property
    def site_files(self) -> Path:
        return self.world.top / "site" / "box"

    def ship(self, files: Mapping[str, str | bytes]) -> None:
        """Both releases ship these files too."""
        lay(self.files, files)
        lay(self.site_files, files)

    def context(self, *, site: bool) -> Context:
        schemas: dict[str, Source] = {"tenancy": "stella.tenancy"} if self.guarded else {}
        schemas["box"] = self.site_files if site else self.files
        made = self.world.context(site=site)
        settings = msgspec.structs.replace(
            made.settings, database=DatabaseSettings(owner_dsn=self.login.dsn, owner_password=SECRET)
        )
        self.world.secrets[SECRET] = self.login.password.encode()
        return dataclasses.replace(made, settings=settings, schemas=schemas)  # type: ignore[arg-type]  # folders too

    def bundle(self, name: str = "B.stella", **more: Any) -> MigrationsBundled:
        want = BundleMigrations(dir=str(self.world.m), out=str(self.world.top / name), **more)
        return bundling.bundle(self.context(site=False), want)

    def import_(self, name: str = "B.stella", **more: Any) -> MigrationsImported:
        trust = str(self.world.m / "trust")
        want = ImportMigrations(bundle=str(self.world.top / name), **{"trust": trust} | more)
        return importing.import_(self.context(site=True), want)

    def run(self, choice: Choice) -> None:
        """What `stella migrate run` of the site does."""
        ctx = self.context(site=True)
        with Session(self.login, "by hand", ctx.clock) as session:
            shipped = load(ctx.schemas)
            apply_pending(session, shipped, judge_all(session, shipped), choice)

    def connect(self) -> Connection:
        return psycopg.connect(self.login.conninfo, autocommit=True)

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        """Send a statement to the site's database as the owner."""
        with self.connect() as connection:
            cursor = connection.execute(text)  # type: ignore[call-overload]  # the text of a test
            return cursor.fetchall() if cursor.description else []

    def history(self) -> list[str]:
        with Session(self.login, "a look", self.context(site=True).clock) as session:
            return sorted(row.name for row in session.history("box"))

    def applied(self, done: MigrationsImported) -> dict[str, str]:
        """Files of an import by their state."""
        return {row.name: row.state for row in done.files if row.module == "box"}


@pytest.fixture
def trial_here(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trials use a database of the tests' server."""
    monkeypatch.setattr(throwaway, "database", lambda _name, _secret: database_of(postgres))


@pytest.fixture
def carried(postgres: Postgres, tmp_path: Path, trial_here: None) -> Iterator[Carried]:  # noqa: ARG001  # a fixture
    """A vendor with a channel for migrations, and a site with an empty database."""
    with database_of(postgres) as login:
        made = Carried(World(tmp_path).lay_channel(channel="migrations"), login)
        made.ship({})
        yield made


def manifest_of(carried: Carried, generation: int = 1) -> Manifest:
    store = carried.world.channel
    return bundling._manifest(store, store.record(generation))
