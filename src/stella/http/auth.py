"""Who may ask: bearer tokens (RFC 6750) and the scope of each operation.

Rules:
- Tokens are compared in constant time; none is ever in a log or an answer.
- A token file of which others may read is refused at the start.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

from stella.http.errors import NotAuthenticated, ScopeMissing, TokenExposed
from stella.operations import EVERY_SCOPE, Principal
from stella.runtime.config import read_secret
from stella.runtime.files import DiskFolder, reading
from stella.runtime.ports import Entropy

ADMIN = Principal("admin", frozenset({EVERY_SCOPE}))
TOKEN_BYTES = 32
IN_DATA = "file:<data>/"
NEEDED = "a bearer token is needed"
REALM = b'Bearer realm="stella"'


class Tokens:
    """The principals by their tokens: today the administrator alone."""

    def __init__(self, admin: bytes) -> None:
        self._admin = hashlib.sha256(admin).digest()
        self._header = b"Bearer " + admin

    def principal(self, header: bytes) -> Principal:
        """Whom an Authorization header stands for; raises NotAuthenticated."""
        if hmac.compare_digest(header, self._header):
            return ADMIN
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            raise NotAuthenticated(problem=NEEDED)
        found = hashlib.sha256(token.strip()).digest()
        if not hmac.compare_digest(found, self._admin):
            raise NotAuthenticated(problem="the bearer token is not valid")
        return ADMIN


def allow(principal: Principal, scope: str) -> None:
    """Raise ScopeMissing unless the principal has the scope."""
    if not principal.may(scope):
        raise ScopeMissing(principal=principal.name, scope=scope)


def challenge(error: NotAuthenticated | ScopeMissing) -> bytes:
    """The WWW-Authenticate header of a refusal (RFC 6750, section 3)."""
    if isinstance(error, ScopeMissing):
        return REALM + f', error="insufficient_scope", scope="{error.facts["scope"]}"'.encode()
    return REALM if error.facts["problem"] == NEEDED else REALM + b', error="invalid_token"'


def admin_token(reference: str, data: Path, entropy: Entropy) -> bytes:
    """The administrator's token behind a reference; one in the data folder is made when it is not there.

    Raises TokenExposed, SecretMissing, SecretUnreadable or ObjectMissing.
    """
    if reference.startswith(IN_DATA):
        key = reference.removeprefix(IN_DATA)
        if not (data / key).exists():
            DiskFolder(data).write(key, entropy(TOKEN_BYTES).hex().encode() + b"\n", private=True)
        reference = f"file:{data / key}"
    _private(reference)
    return read_secret(reference, os.environ)


def _private(reference: str) -> None:
    """Raise TokenExposed when others may read the file behind a reference."""
    if reference.startswith("file:"):
        path = Path(reference.removeprefix("file:"))
        with reading(path):
            mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise TokenExposed(path=path, mode=f"{mode:04o}")
