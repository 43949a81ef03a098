"""Issuers that are believed, read from the settings: the own one, and those of `identity.issuers`."""

from __future__ import annotations

from typing import NamedTuple

from stella.identity.errors import BadIdentitySetting, BadIssuerSetting
from stella.kernel.instant import Seconds, parse_duration
from stella.kernel.tenant import is_tenant
from stella.runtime.settings import IdentitySettings
from stella.tenancy.errors import UnusableKeyAddress
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.mint import TTL

MAX_ISSUERS = 16


class Believed(NamedTuple):
    """An issuer: its exact name, whom its tokens are for, and for which tenants it speaks; None is all."""

    name: str
    audience: str
    tenants: frozenset[str] | None


class Own(NamedTuple):
    """The own issuer: its exact name, whom its tokens are for, and how long they live."""

    name: str
    audience: str
    life: Seconds


def own(settings: IdentitySettings, address: str) -> Own:
    """The issuer of a service that listens at `address`; raises BadIdentitySetting."""
    if settings.issuer:  # where it listens is another question
        try:
            KeyAddress(settings.issuer)
        except UnusableKeyAddress as error:
            raise BadIdentitySetting(setting="issuer", problem=error.facts["problem"]) from None
    if "?" in settings.issuer or "#" in settings.issuer:
        raise BadIdentitySetting(setting="issuer", problem="it has a query or a fragment")
    if not settings.audience or not settings.audience.isprintable():
        raise BadIdentitySetting(setting="audience", problem="it is empty or not printable")
    life = parse_duration(settings.token_life)
    if life not in TTL:
        problem = f"{settings.token_life} is not within {TTL.start} to {TTL.stop - 1} seconds"
        raise BadIdentitySetting(setting="token_life", problem=problem)
    return Own(settings.issuer or address, settings.audience, life)


def others(settings: IdentitySettings, name: str) -> list[Believed]:
    """The issuers beside the one with that name; raises BadIssuerSetting."""
    found = read(settings.issuers)
    if any(one.name == name for one in found):
        raise BadIssuerSetting(problem=f"`{name}` is this service itself")
    return found


def read(text: str) -> list[Believed]:
    """The issuers of a setting; raises BadIssuerSetting."""
    found = [_entry(part.split()) for part in text.split(";") if part.strip()]
    if len({one.name for one in found}) != len(found):
        raise BadIssuerSetting(problem="one issuer is there twice")
    if len(found) > MAX_ISSUERS:
        raise BadIssuerSetting(problem=f"{len(found)} issuers, the limit is {MAX_ISSUERS}")
    return found


def _entry(words: list[str]) -> Believed:
    name, *rest = words
    values: dict[str, str] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if key not in {"audience", "tenants"} or not equals or not value or key in values:
            raise BadIssuerSetting(problem=f"`{word}` is neither `audience=NAME` nor `tenants=A,B`")
        values[key] = value
    if "audience" not in values:
        raise BadIssuerSetting(problem=f"`{name}` has no audience")
    tenants = frozenset(values["tenants"].split(",")) if "tenants" in values else None
    for tenant in sorted(tenants or ()):
        if not is_tenant(tenant):
            raise BadIssuerSetting(problem=f"{tenant!a} is no tenant id")
    return Believed(name, values["audience"], tenants)
