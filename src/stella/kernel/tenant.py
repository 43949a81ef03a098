"""Names of tenants.

Rules:
- A name is what a path, an object key, a host name and a log line can hold without being quoted: lower-case ASCII
  letters, digits and hyphens, 1 to 63 of them, the first no hyphen.
"""

from __future__ import annotations

import re

from stella.kernel.errors import BadTenant

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
DEFAULT_TENANT = "default"  # of an installation that nobody has divided
SHOWN = 80  # characters of a bad name that are told


def parse_tenant(text: object) -> str:
    """The name of a tenant; raises BadTenant for anything else."""
    if not isinstance(text, str) or not TENANT.match(text):
        raise BadTenant(name=ascii(text)[:SHOWN])
    return text
