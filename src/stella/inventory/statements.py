"""VEX statements of either form, flattened: one vulnerability, one product, at most one component inside of it.

Rules:
- A statement about a package URL without a version is about every version; qualifiers that it names must be there.
- A statement that names a component inside of a product is about that component in that product alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from packageurl import PackageURL

from stella.inventory.packages import ECOSYSTEMS, parse, plain
from stella.language.names import JUSTIFICATION, VEX_STATUS

Status = Literal["not_affected", "affected", "fixed", "under_investigation"]
STATUSES = frozenset(VEX_STATUS.words)
JUSTIFICATIONS = frozenset(JUSTIFICATION.words)


class Statement(NamedTuple):
    """What a vendor says; `at` is in seconds. The order of statements is that of these fields."""

    vulnerabilities: tuple[str, ...]
    product: str
    component: str
    status: str
    justification: str
    vendor: str
    at: int


NEVER = -(2**62)  # when a statement does not say when it was made


def is_about(named: str, purl: str) -> bool:
    """Whether what a statement names is the thing that has this package URL."""
    if named == purl:
        return True
    one, other = _identity(named), _identity(purl)
    if one is None or other is None or one[:2] != other[:2]:
        return False
    return one[2] in {"", other[2]} and one[3] <= other[3]


@lru_cache(1 << 16)
def _identity(purl: str) -> tuple[str, str, str, frozenset[tuple[str, Any]]] | None:
    """Type, name, version and qualifiers as they are compared; None for what is no package URL."""
    try:
        found: PackageURL = parse(purl)
    except ValueError:
        return None
    name = f"{found.namespace}/{found.name}" if found.namespace else found.name
    ecosystem = ECOSYSTEMS.get(found.type, "")
    version = found.version or ""
    return (
        found.type,
        plain(ecosystem, name),
        version.removeprefix("v") if ecosystem == "Go" else version,
        frozenset(found.qualifiers.items()),
    )
