"""Keys of the objects of tenants: `tenants/<tenant>/<kind>/sha256/<aa>/<digest>`.

Rules:
- A key is built from parts that were parsed, never from text that was cleaned.
- A key has one spelling, and reading it back gives the same parts.
- A key of another tenant is told from one that is no key at all: the first is an attempt to be audited as such.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from stella.kernel.digest import is_digest
from stella.kernel.errors import BadBlobKey, ForeignBlob
from stella.kernel.tenant import is_tenant, parse_tenant

KIND = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
TOP, HASH = "tenants", "sha256"
SHOWN = 200  # characters of a bad key that a message or an audit event repeats


class BlobName(NamedTuple):
    """An object of a tenant: what kind of thing it is, and the SHA-256 of its bytes."""

    kind: str
    digest: str

    @property
    def folder(self) -> tuple[str, str, str]:
        """The parts between tenant and digest."""
        return self.kind, HASH, self.digest[:2]

    @property
    def path(self) -> str:
        """The key below its tenant."""
        return "/".join((*self.folder, self.digest))


def show_key(key: str) -> str:
    """A key of whatever characters as a message may repeat it: printable ASCII, not longer than a line or two."""
    return ascii(key[:SHOWN])[1:-1]


def prefix_of(tenant: str) -> str:
    """What all keys of a tenant begin with, without the last `/`; raises BadTenant."""
    return f"{TOP}/{parse_tenant(tenant)}"


def parse_kind(kind: str) -> str:
    """The kind; raises BadBlobKey."""
    if not KIND.match(kind):
        raise BadBlobKey(key=show_key(kind), problem="its kind is not made of a-z, 0-9 and `-`")
    return kind


def parse_name(kind: str, digest: str) -> BlobName:
    """The name of an object; raises BadBlobKey."""
    parse_kind(kind)
    if not is_digest(digest):
        raise BadBlobKey(key=show_key(f"{kind}/{digest}"), problem="its digest is not 64 lower-case hex digits")
    return BlobName(kind, digest)


def parse_key(tenant: str, key: str) -> BlobName:
    """The name in a whole key; raises BadBlobKey, or ForeignBlob when the key is another tenant's."""
    top, _, rest = key.partition("/")
    owner, _, path = rest.partition("/")
    if top == TOP and owner != tenant and is_tenant(owner):
        raise ForeignBlob(key=show_key(key), tenant=tenant)
    kind, _, end = path.partition("/")
    name = BlobName(kind, end.rpartition("/")[2])
    if not KIND.match(kind) or not is_digest(name.digest) or key != f"{prefix_of(tenant)}/{name.path}":
        raise BadBlobKey(key=show_key(key), problem=f"it is not {TOP}/{tenant}/KIND/{HASH}/AA/DIGEST")
    return name
