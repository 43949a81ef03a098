"""Decisions about tenants, names and scopes; pure.

Rules:
- A subject is `TENANT.NAME`; a tenant id has no dot, so it is read in one way.
- A scope is granted only when it is known, and only with those that it may be with.
- Who runs the installation is in the tenant `default`: its scopes are granted nowhere else.
- What could not be granted does not count in a token either, whoever signed it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

from stella.identity.errors import BadName, ScopeNotTogether, TenantStops, UnknownScope
from stella.identity.model import State
from stella.kernel.errors import IllegalMove
from stella.kernel.machine import Machine
from stella.kernel.nearest import did_you_mean
from stella.kernel.tenant import DEFAULT_TENANT, is_tenant

MAX_SHOWN = 80  # characters of a wrong name that a message repeats

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z", re.ASCII)

# Scopes of whoever runs the installation. They reach over tenants, or change what all of them share.
INSTALLATION = frozenset(
    {"tenant:read", "tenant:write", "tenant:delete", "issuer:read", "issuer:rotate", "database:read"}
    | {"database:migrate", "migrate:bundle", "migrate:import", "service:watch", "service:run"}
    | {"stack:read", "stack:admin", "tenancy:read", "tenancy:prove"}
)
# A scope, and those that it needs beside it.
NEEDS = {"advisory:read": "aoc:verify", "vex:read": "aoc:verify"}
# A scope, and the areas that it is never together with: what brings data in must not decide on it.
NEVER_WITH = {"effective:write": frozenset({"ingest"})}
# Scopes that are gone, and those that took their place.
GONE = {
    "policy:write": "policy:author",
    "policy:edit": "policy:author",
    "policy:submit": "policy:author",
}
# A scope, and the one name that may have it.
ONLY_FOR = {"effective:write": "policy-engine"}
_SPECIAL = INSTALLATION.union(NEEDS, NEVER_WITH, ONLY_FOR)  # there is nothing to decide about the others


class Event(StrEnum):
    """What can be done to a tenant."""

    SUSPEND = "suspend"
    RESUME = "resume"
    DELETE = "delete"
    ERASE = "erase"


LIFE = Machine(
    "tenant",
    State.ACTIVE,
    {
        (State.ACTIVE, Event.SUSPEND): State.SUSPENDED,
        (State.SUSPENDED, Event.RESUME): State.ACTIVE,
        (State.DELETING, Event.RESUME): State.ACTIVE,
        (State.ACTIVE, Event.DELETE): State.DELETING,
        (State.SUSPENDED, Event.DELETE): State.DELETING,
        (State.DELETING, Event.ERASE): State.ERASED,
    },
)


def moved(tenant: str, state: State, event: Event) -> State:
    """The next state of a tenant; raises TenantStops."""
    if tenant == DEFAULT_TENANT:
        raise TenantStops(tenant=tenant, state="what an installation begins with", verb=event)
    try:
        return LIFE.move(state, event)
    except IllegalMove:
        raise TenantStops(tenant=tenant, state=state, verb=event) from None


def parse_name(text: str) -> str:
    """The name that `text` is; raises BadName."""
    if not _NAME.match(text):
        raise BadName(text=ascii(text)[:MAX_SHOWN])
    return text


def subject_of(tenant: str, name: str) -> str:
    """What tokens and logs call a principal or a client."""
    return f"{tenant}.{name}"


def read_subject(text: str) -> tuple[str, str] | None:
    """Tenant and name of a subject; None when it is none."""
    tenant, dot, name = text.partition(".")
    return (tenant, name) if dot and is_tenant(tenant) and _NAME.match(name) else None


def check_scopes(asked: Iterable[str], known: Collection[str], tenant: str, name: str) -> tuple[str, ...]:
    """The scopes in order, once each; raises UnknownScope or ScopeNotTogether."""
    found = frozenset(asked)
    for scope in sorted(found):
        if scope not in known:
            gone = f"it is gone: ask for `{GONE[scope]}`" if scope in GONE else ""
            nearest = gone or did_you_mean(scope, known, "see docs/reference/operations.md")
            raise UnknownScope(scope=ascii(scope)[1:-1][:MAX_SHOWN], nearest=nearest)
        problem = _problem(scope, found, tenant, name)
        if problem:
            raise ScopeNotTogether(scope=scope, problem=problem)
    return tuple(sorted(found))


def counting(scopes: frozenset[str], tenant: str, subject: str) -> frozenset[str]:
    """Those scopes of a token that could be granted in that tenant; called for each request."""
    if scopes.isdisjoint(_SPECIAL):
        return scopes
    who = read_subject(subject)
    name = who[1] if who else subject
    return frozenset(scope for scope in scopes if not _problem(scope, scopes, tenant, name))


def _problem(scope: str, found: frozenset[str], tenant: str, name: str) -> str:
    if scope in INSTALLATION and tenant != DEFAULT_TENANT:
        return f"it is for the tenant `{DEFAULT_TENANT}` alone"
    if scope in NEEDS and NEEDS[scope] not in found:
        return f"it needs `{NEEDS[scope]}` beside it"
    if scope in ONLY_FOR and name != ONLY_FOR[scope]:
        return f"it is for `{ONLY_FOR[scope]}` alone"
    areas = {other.partition(":")[0] for other in found} & NEVER_WITH.get(scope, frozenset())
    return f"it is never together with `{min(areas)}:...`" if areas else ""
