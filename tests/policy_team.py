"""Policies for tests: texts, who works with them, and evidence that a gate takes.

Rules:
- Ada writes, Ben approves, and both are people with all scopes of policies.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.operations import EVERY_SCOPE, Context, Principal
from stella.policy import evidence, exceptions, inputs, lifecycle, promotion, records, rules, versions
from stella.policy.model import (
    BumpPolicy,
    CreatePolicy,
    DecidePolicy,
    PolicyPromoted,
    PromotePolicy,
    PublishPolicy,
    ShowPolicy,
    SubmitPolicy,
)
from stella.policy.rules import GOOD, KINDS, Evidence
from stella.policy.run_model import FreezeInputs
from stella.runtime import roles
from stella.runtime.postgres_server import Postgres
from stella.runtime.settings import Settings, StoreSettings
from stella.tenancy import guard
from tests.database import connected
from tests.identity import SCHEMAS, World
from tests.tenants import SEAL, Guarded

_numbers = itertools.count()
WHY = {"reason": "a test", "ticket": "T-1"}
D = {kind: sha256(kind.encode()) for kind in (*KINDS, "other")}


def text(status: str = "blocked", *, shadow: bool = True, more: str = "") -> str:
    """A policy that gives that status to what is exploited."""
    return f"""policy "kev" syntax "stella-dsl@1" {{
  settings {{ shadow = {str(shadow).lower()} default_status = "affected" }}
  rule exploited priority 10 {{
    when kev
    then status := "{status}"
    because "It is exploited."
  }}
  {more}
}}
"""


@pytest.fixture(scope="session")
def laid(postgres: Postgres) -> str:
    """A database with all tables, which others begin as copies of."""
    name = "policies_laid"
    with connected(postgres) as connection:
        roles.make_database(connection, name)
    made = Guarded(postgres, name)
    with made.connect() as connection:
        roles.harden(connection)
    for schema in ("tenancy", *SCHEMAS):
        made.migrate(schema)
    with made.connect(roles.OWNER) as connection:
        guard.install(connection, SEAL)
    return name


@pytest.fixture
def world(postgres: Postgres, laid: str) -> Iterator[World]:
    """An installation with the tenant `acme` beside the default one."""
    name = f"policies_{next(_numbers)}"
    with connected(postgres) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {laid} OWNER {roles.OWNER}")  # type: ignore[call-overload]  # names of ours
        roles.make_database(connection, name)
    guarded = Guarded(postgres, name)
    made = World(guarded)
    made.tenant("acme")
    try:
        yield made
    finally:
        made.close()
        guarded.tenants.close()
        guarded.raw.close()
        with connected(postgres) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]  # as above


def rows_here(world: World) -> dict[str, str]:
    """A digest of each table of policies and of the audit log, as the superuser sees them."""
    names = world.guarded.execute(
        "SELECT target::text FROM tenancy.protected WHERE target::text ~ '^(policy|audit)[.]' ORDER BY 1"
    ).fetchall()
    found = {}
    for (name,) in names:
        rows = world.guarded.execute(f"SELECT md5(string_agg(t::text, '/' ORDER BY t::text)) FROM {name} t").fetchone()
        found[str(name)] = str(rows)
    return found


class Team:
    """Who works with the policies of a tenant."""

    def __init__(self, world: World, top: Path, tenant: str = "acme") -> None:
        self.world, self.top, self.tenant = world, top, tenant
        self.ada, self.ben = self.person("ada"), self.person("ben")

    def person(self, name: str, **more: int | None) -> Context:
        """Somebody of the tenant who has just logged in."""
        ctx = self.world.context(self.tenant)
        since = {"authenticated": ctx.clock.read().wall} | more
        who = Principal(f"{self.tenant}.{name}", frozenset({EVERY_SCOPE}), self.tenant, **since)
        settings = Settings(store=StoreSettings(objects=str(self.top / "objects")))
        return dataclasses.replace(ctx, principal=who, actor=who.name, settings=settings)

    def later(self, seconds: int) -> None:
        """Let time pass; both log in again."""
        self.world.clock.pass_time(seconds)
        self.ada, self.ben = self.person("ada"), self.person("ben")

    def file(self, source: str) -> str:
        path = self.top / f"{sha256(source.encode())[:8]}.stella"
        path.write_text(source)
        return str(path)

    def create(self, policy: str = "P-7", source: str | None = None) -> None:
        versions.create(self.ada, CreatePolicy(policy, file=self.file(source or text())))

    def bump(self, source: str, policy: str = "P-7") -> int:
        return versions.bump(self.ada, BumpPolicy(policy, self.file(source))).version

    def state(self, number: int = 1, policy: str = "P-7") -> str:
        return versions.show(self.ada, ShowPolicy(policy, number)).state.value

    def record(self, kind: str, number: int = 1, policy: str = "P-7", **changes: object) -> None:
        """Record evidence of a kind about a version, good unless `changes` say otherwise."""
        with self.ada.tenant() as t:
            found = records.version(t, policy, number)
            decides = records.placements(t, policy).get("prod")
            today = (
                "" if decides is None or decides.version is None else records.version(t, policy, decides.version).digest
            )
        if kind == "simulation" and "digest" not in changes:
            matrix = dump(promotion.Simulated(today, found.digest, {}, self.excepted(policy)))
            changes["digest"] = self.ada.blobs().put(promotion.KIND, matrix)
        about = self.frozen() if kind == "simulation" and "inputs" not in changes else ""
        given: dict[str, object] = {
            "kind": kind,
            "inputs": about,
            "digest": D.get(kind, D["other"]),
            "verdict": GOOD,
            "made": self.ada.clock.read().wall,
            "determinism": D["other"] if kind == "determinism" else "",
        }
        one = Evidence(**given | changes)  # type: ignore[arg-type]  # as a test says
        evidence.record(self.ada, found.name, found.digest, one)

    def excepted(self, policy: str = "P-7") -> str:
        """What names the exceptions that are in force."""
        with self.ada.tenant() as t:
            return exceptions.named(exceptions.in_force(t, policy, records.now_of(self.ada)))

    def again(self, number: int = 1) -> None:
        """Record anew what says nothing of another day."""
        for kind in sorted({*rules.OF_A_DAY, "signature"}):
            self.record(kind, number)

    def submit(self, number: int = 1, policy: str = "P-7") -> None:
        for kind in lifecycle.TO_SUBMIT:
            self.record(kind, number, policy)
        lifecycle.submit(self.ada, SubmitPolicy(policy, number))

    def approved(self, number: int = 1, policy: str = "P-7") -> None:
        self.submit(number, policy)
        lifecycle.approve(self.ben, DecidePolicy(policy, number, **WHY))

    def published(self, number: int = 1, policy: str = "P-7") -> None:
        """Approved and published, with all evidence that a promotion needs."""
        self.approved(number, policy)
        for kind in KINDS:
            self.record(kind, number, policy)
        lifecycle.publish(self.ben, PublishPolicy(policy, number, **WHY))

    def promote(self, number: int = 1, env: str = "prod", canary: int = 100, policy: str = "P-7") -> PolicyPromoted:
        return promotion.promote(self.ben, PromotePolicy(policy, number, env, **WHY, canary=canary))

    def simulated(self, before: int, after: int, assets: dict[str, dict[str, int]]) -> None:
        """Record a simulation from one version to another, by asset."""
        with self.ada.tenant() as t:
            one, other = (records.version(t, "P-7", number) for number in (before, after))
        result = promotion.Simulated(one.digest, other.digest, assets, self.excepted())
        promotion.keep_simulation(self.ada, other.name, result, self.frozen(), GOOD)

    def frozen(self, **parts: str) -> str:
        return inputs.freeze(self.ada, FreezeInputs(**parts or {"inventory": D["other"]})).digest
