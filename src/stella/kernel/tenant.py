"""The name of a tenant.

Rules:
- One spelling: lower-case ASCII letters, digits and hyphens, so that it is safe in a path, a key, a header and SQL.
- It is parsed once where it enters; behind that it is trusted.
"""

from __future__ import annotations

import re

from stella.kernel.errors import Exit, StellaError

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
SHOWN = 80  # characters of a bad id that a message repeats


class BadTenant(StellaError):
    """{text} is no tenant id.

    A tenant id is 1 to 63 lower-case letters, digits and hyphens, and begins with a letter or a digit. Nothing is
    changed into one: an id that is nearly right may be somebody else's.
    """

    code = "TENANT-001"
    exit = Exit.USAGE
    reason = "bad_tenant"
    hint = "write it with a-z, 0-9 and `-` alone, such as `plant-7`"


def parse_tenant(text: str) -> str:
    """The tenant id; raises BadTenant."""
    if not TENANT.match(text):
        raise BadTenant(text=ascii(text[:SHOWN]))
    return text
