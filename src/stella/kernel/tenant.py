"""Tenant ids: one spelling, safe as a part of a key, of a path and of a name in SQL."""

from __future__ import annotations

import re

from stella.kernel.errors import BadTenant

DEFAULT_TENANT = "default"  # the tenant of an installation that has one
MAX_TENANT = 63  # characters; a tenant id fits into one label of a host name

_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z", re.ASCII)


def is_tenant(text: object) -> bool:
    """Whether `text` is a tenant id."""
    return isinstance(text, str) and _FORM.match(text) is not None


def parse_tenant(text: str) -> str:
    """The tenant id that `text` is; raises BadTenant. Nothing is trimmed, folded or normalised."""
    if not is_tenant(text):
        raise BadTenant(text=ascii(text)[:MAX_TENANT])
    return text
