"""Who may ask, and for which tenant: tokens (RFC 6750) and the scope of each operation.

Rules:
- The tenant of a request is that of its token. `X-Stella-Tenant` may repeat it, and no more.
- Tokens are compared in constant time; none is ever in a log or an answer.
- A token file of which others may read is refused at the start.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import ssl
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stella.http.errors import NotAuthenticated, ScopeMissing, TokenExposed
from stella.kernel.errors import StellaError
from stella.kernel.tenant import parse_tenant
from stella.operations import EVERY_SCOPE, Principal
from stella.runtime.config import read_secret
from stella.runtime.files import DiskFolder, reading
from stella.runtime.ports import Entropy
from stella.tenancy.errors import Refusal, TokenTenantMismatch
from stella.tenancy.errors import challenge as token_challenge
from stella.tenancy.model import Meter, SilentMeter, Verified

ADMIN = Principal("admin", frozenset({EVERY_SCOPE}))
TOKEN_BYTES = 32
IN_DATA = "file:<data>/"
TENANT = b"x-stella-tenant"
SCHEMES = frozenset({b"bearer", b"dpop"})
NEEDED = "a bearer token is needed"
REALM = b'Bearer realm="stella"'


class Presented:
    """What a request says of who sends it. `wait` is whether a verifier may wait; else it raises Pending."""

    __slots__ = ("_scope", "authorization", "known", "refused", "verified", "wait")

    def __init__(self, authorization: bytes, scope: Mapping[str, Any], *, wait: bool = False) -> None:
        self.authorization = authorization
        self._scope = scope
        self.wait = wait
        self.verified: Verified | None = None  # what its token proved; a proof of possession is good once
        self.known: Principal | None = None  # whose the token is, when that is known before something is refused
        self.refused = False  # whether there is a token, and a verifier has refused it

    def every(self, name: bytes) -> tuple[bytes, ...]:
        """Each header of that lower-case name."""
        return tuple(value for found, value in self._scope["headers"] if found == name)

    @property
    def proofs(self) -> tuple[bytes, ...]:
        """The DPoP proofs (RFC 9449); of more than one none is good, which is for the verifier to say."""
        return self.every(b"dpop")

    @property
    def method(self) -> str:
        return str(self._scope["method"])

    @property
    def path(self) -> str:
        """The path as its sender wrote it, without the query."""
        path: bytes = self._scope.get("raw_path") or self._scope["path"].encode()
        return path.decode("latin-1")

    @property
    def url(self) -> str:
        """The address as its sender wrote it, without the query."""
        host = next(iter(self.every(b"host")), b"").decode("latin-1")
        return f"{self._scope.get('scheme', 'http')}://{host}{self.path}"

    @property
    def certificate(self) -> bytes | None:
        """The client certificate of the connection, in DER, where the server says it (the TLS extension of ASGI)."""
        chain = self._scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
        return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else None

    @property
    def thumbprint(self) -> str:
        """The SHA-256 thumbprint of that certificate (RFC 8705, section 3.1); empty without one."""
        found = self.certificate
        return "" if found is None else base64.urlsafe_b64encode(hashlib.sha256(found).digest()).decode().rstrip("=")


def presented(headers: Mapping[bytes, bytes], scope: Mapping[str, Any]) -> Presented:
    """What a request says of its sender, whose headers are the last ones of each name in `headers`.

    Raises NotAuthenticated for several Authorization headers: a proxy may have looked at another one than this.
    """
    given = Presented(headers.get(b"authorization", b""), scope)
    if len(headers) != len(scope["headers"]) and len(given.every(b"authorization")) > 1:
        raise NotAuthenticated(problem="there are several Authorization headers")
    return given


class Tokens:
    """The principals by their tokens: the administrator, and whomever `verify` knows; it raises what it refuses.

    `stopped` says what a tenant is that may not go on, such as `suspended`; empty for one that may.
    """

    def __init__(
        self,
        admin: bytes,
        verify: Callable[[Presented], Principal] | None = None,
        stopped: Callable[[str], str] = lambda _: "",
        *,
        meter: Meter | None = None,
    ) -> None:
        self.stopped = stopped
        self._meter = meter or SilentMeter()
        self._admin = hashlib.sha256(admin).digest()
        self._header = b"Bearer " + admin
        self._verify = verify

    def principal(self, given: Presented, *, names: bool = True) -> Principal:
        """Whom a request comes from; raises NotAuthenticated, BadTenant, TokenTenantMismatch, Pending.

        `names` is whether it has a header that names a tenant: few have, and looking for it costs.
        """
        found = given.known = self._known(given)
        for tenant in given.every(TENANT) if names else ():
            if parse_tenant(tenant.decode("latin-1")) != found.tenant:
                self._meter.count("token_verify_failures_total", reason=TokenTenantMismatch.reason)
                raise TokenTenantMismatch(asked="`X-Stella-Tenant` says")
        return found

    def _known(self, given: Presented) -> Principal:
        header = given.authorization
        if hmac.compare_digest(header, self._header):
            return ADMIN
        scheme, _, token = header.partition(b" ")
        if scheme.lower() == b"bearer":
            found = hashlib.sha256(token.strip()).digest()
            if hmac.compare_digest(found, self._admin):
                return ADMIN
        if self._verify is not None and scheme.lower() in SCHEMES:
            return self._verify(given)
        raise NotAuthenticated(problem="the bearer token is not valid" if scheme.lower() == b"bearer" else NEEDED)


def allow(principal: Principal, scope: str) -> None:
    """Raise ScopeMissing unless the principal has the scope."""
    if not principal.may(scope):
        raise ScopeMissing(principal=principal.name, scope=scope)


def challenge(error: StellaError) -> bytes:
    """The WWW-Authenticate header of a refusal (RFC 6750, section 3); empty where a token would change nothing."""
    if isinstance(error, Refusal):
        return token_challenge(error).encode()
    if not isinstance(error, NotAuthenticated | ScopeMissing):
        return b""
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
