"""Other issuers that are believed, read from the setting `identity.issuers`."""

from __future__ import annotations

from typing import NamedTuple

from stella.identity.errors import BadIssuerSetting
from stella.kernel.tenant import is_tenant

MAX_ISSUERS = 16


class Believed(NamedTuple):
    """An issuer: its exact name, whom its tokens are for, and for which tenants it speaks; None is all."""

    name: str
    audience: str
    tenants: frozenset[str] | None


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
