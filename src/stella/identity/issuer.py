"""The issuer of access tokens: what it answers to each kind of request, over no transport in particular.

Rules:
- A token is for one tenant, one audience and some minutes; nothing here makes one that lives longer, or refreshes one.
- What a token may do is at most what was asked for, what its client or principal has, and what is asked for by name.
- A token is bound to a key when its request came with a proof, or to a certificate when the client proved itself by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from stella.identity import device
from stella.identity.asked import Asked
from stella.identity.device import Devices, Waiting
from stella.identity.keyring import Keyring
from stella.identity.proving import Known, Open, Proving, client_named
from stella.identity.reach import PACKAGE
from stella.identity.refusals import INVALID_CLIENT, Refused, away, bad_client, bad_proof, bad_request, bad_scope
from stella.identity.rules import read_subject
from stella.identity.standing import Standing
from stella.kernel.instant import Instant, Reading, Seconds
from stella.runtime.ports import Clock, Entropy
from stella.runtime.transaction import Transaction
from stella.tenancy import binding
from stella.tenancy.binding import ProvedKey, Replays
from stella.tenancy.errors import Refusal, TokenBinding
from stella.tenancy.mint import Grant, mint
from stella.tenancy.model import ALGORITHMS, SKEW, Confirmation, Presented, Verified
from stella.tenancy.revocation import Revocation
from stella.tenancy.tokens import Verifier

MAX_SCOPES = 256
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


class Told(Protocol):
    """Hears what was issued or refused, for which tenant, and facts; in the open transaction of a change, if any."""

    def __call__(self, action: str, tenant: str, facts: Mapping[str, str], t: Transaction | None = None, /) -> None: ...


class Parts(NamedTuple):
    """What an issuer is made of."""

    name: str
    audience: str
    life: Seconds
    clock: Clock
    entropy: Entropy
    keyring: Keyring
    standing: Standing
    verifier: Verifier
    proving: Proving
    devices: Devices
    replays: Replays
    opened: Open
    scopes: Callable[[], frozenset[str]]
    told: Told


class Issuer:
    """The embedded issuer. Every method may block, and raises Refused."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def name(self) -> str:
        return self._parts.name

    def metadata(self) -> dict[str, Any]:
        """What discovery says (OpenID Connect Discovery 1.0 section 3, RFC 8414)."""
        base, algorithms = self._parts.name.rstrip("/"), sorted(ALGORITHMS)
        return {
            "issuer": self._parts.name,
            "jwks_uri": f"{base}/jwks",
            "token_endpoint": f"{base}/token",
            "device_authorization_endpoint": f"{base}/device_authorization",
            "revocation_endpoint": f"{base}/revoke",
            "grant_types_supported": ["client_credentials", device.GRANT],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": sorted(self._parts.scopes()),
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "dpop_signing_alg_values_supported": algorithms,
        }

    def key_set(self) -> bytes:
        """The public keys (RFC 7517)."""
        return self._parts.keyring.published

    def token(self, asked: Asked) -> dict[str, Any]:
        """The answer of the token endpoint."""
        match asked.form.get("grant_type"):
            case "client_credentials":
                return self._client_credentials(asked)
            case device.GRANT:
                return self._device_code(asked)
            case None:
                raise bad_request("`grant_type` is missing")
        raise Refused("unsupported_grant_type", "the grants are client_credentials and device_code")

    def _client_credentials(self, asked: Asked) -> dict[str, Any]:
        now = self._now()
        who = self._client(asked, now)
        wanted = self._wanted(asked)
        if not wanted <= who.scopes:
            raise bad_scope("the client does not have all of these scopes")
        bound = Confirmation(jkt=self._used(self._key(asked, now), who.tenant, now), x5t=who.certificate)
        return self._issue(who, who.subject, wanted or who.scopes, bound, now.wall)

    def _device_code(self, asked: Asked) -> dict[str, Any]:
        self._require_cli(asked)
        now = self._now()
        code = asked.form.get("device_code")
        if code is None:
            raise bad_request("`device_code` is missing")
        proved = self._key(asked, now)
        found = self._parts.devices.take_up(code, _thumbprint(proved), now.wall)
        bound = Confirmation(jkt=self._used(proved, found.who.tenant, now))
        return self._issue(found.who, device.CLIENT, found.scopes, bound, now.wall, authenticated=found.at)

    def authorize_device(self, asked: Asked) -> dict[str, Any]:
        """The answer of the device authorization endpoint (RFC 8628 section 3.2)."""
        self._require_cli(asked)
        now = self._now()
        wanted = self._wanted(asked)
        self._parts.proving.guess(asked.address, now)
        jkt = _thumbprint(self._key(asked, now))
        code, user_code = self._parts.devices.begin(asked, tuple(sorted(wanted)), jkt, now.wall)
        page = f"{self._parts.name.rstrip('/')}/device"
        return {
            "device_code": code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": device.LIFE,
            "interval": device.INTERVAL,
        }

    def waiting(self, typed: str, address: str) -> Waiting | None:
        """What a person is asked to approve."""
        return self._parts.devices.waiting(typed, address, self._now())

    def approve(self, typed: str, subject: str, secret: str, address: str) -> Known | None:
        """Let a login be a principal's; None when code, name or secret is wrong."""
        who = self._parts.devices.approve(typed, subject, secret, address, self._now())
        self._tell("device.approve" if who else "device.refuse", subject, address)
        return who

    def _tell(self, action: str, subject: str, address: str) -> None:
        """Write down what somebody did or tried who calls himself so."""
        found = read_subject(subject)
        self._parts.told(action, found[0] if found else "", {"address": address, "subject": subject[:200]})

    def _client(self, asked: Asked, now: Reading) -> Known:
        """The client that asks; one that did not prove itself is written down. Raises Refused."""
        try:
            return self._parts.proving.client(asked, now)
        except Refused as refused:
            if refused.error == INVALID_CLIENT:
                self._tell("client.refuse", client_named(asked), asked.address)
            raise

    def revoke(self, asked: Asked) -> None:
        """Revoke a token of whoever asks (RFC 7009); silent about one that is no token any more."""
        cli = asked.form.get("client_id") == device.CLIENT
        who = device.CLIENT if cli else self._client(asked, self._now()).subject
        text = asked.form.get("token")
        if text is None:
            raise bad_request("`token` is missing")
        found = self._believed(text)
        if found is None:
            return
        if found.client != who:
            raise Refused("unauthorized_client", "the token was issued to another client")
        entry = Revocation("token", found.id, found.issued, found.expires + SKEW)
        with self._parts.opened(found.tenant) as t:
            t.run(PACKAGE, "revoke", kind=entry.kind, id=entry.id, before=entry.before, until=entry.until)
            self._parts.told("token.revoke", found.tenant, {"subject": found.subject, "token": found.id}, t)
        self._parts.standing.revoke(entry)

    def _believed(self, text: str) -> Verified | None:
        """A token of ours that is still good; whether its holder presents it does not matter to revoke it."""
        try:
            found = self._parts.verifier.verify(Presented(text), bound=False)
        except Refusal:
            return None
        return found if found.issuer == self._parts.name else None

    def _issue(  # what a token says
        self,
        who: Known,
        client: str,
        scopes: frozenset[str],
        bound: Confirmation,
        now: Instant,
        authenticated: Instant = 0,
    ) -> dict[str, Any]:
        """The answer with a token from `now` on: before `who` was looked up, so what revokes since then hits it."""
        key = self._parts.keyring.signer(now)
        if key is None:
            raise away()
        issued = min(max(now, who.revoked + 1), now + SKEW)  # after what was revoked in this very second
        grant = Grant(
            issuer=self._parts.name,
            subject=who.subject,
            audience=self._parts.audience,
            tenant=who.tenant,
            client=client,
            scopes=scopes,
            ttl=self._parts.life,
            authenticated=authenticated,
            confirmation=bound if bound.jkt or bound.x5t else None,
        )
        token = mint(key, grant, issued, self._parts.entropy)
        scope = " ".join(sorted(scopes))
        self._parts.told("token.issue", who.tenant, {"subject": who.subject, "client": client, "scopes": scope})
        return {
            "access_token": token,
            "token_type": "DPoP" if bound.jkt else "Bearer",
            "expires_in": self._parts.life,
            "scope": scope,
        }

    def _wanted(self, asked: Asked) -> frozenset[str]:
        """The scopes that are asked for; none means all that there are to have."""
        found = frozenset(asked.form.get("scope", "").split(" ")) - {""}
        if len(found) > MAX_SCOPES or not found <= self._parts.scopes():
            raise bad_scope("there is no such scope")
        return found

    def _require_cli(self, asked: Asked) -> None:
        if asked.form.get("client_id") != device.CLIENT or asked.authorization:
            raise bad_client()

    def _key(self, asked: Asked, now: Reading) -> ProvedKey | None:
        """The key that the token is to be bound to; None without a proof. Whoever has one may be anybody."""
        if not asked.proofs:
            return None
        request = Presented("", "DPoP", method="POST", url=asked.url, proofs=asked.proofs)
        try:
            return binding.proved_key(request, now)
        except TokenBinding:
            raise bad_proof() from None

    def _used(self, proved: ProvedKey | None, tenant: str, now: Reading) -> str:
        """The thumbprint of a key by whose proof somebody of the tenant gets a token, once; empty without one."""
        if proved is not None:
            try:
                binding.use(proved, tenant, now, self._parts.replays)
            except TokenBinding:
                raise bad_proof() from None
        return _thumbprint(proved)

    def _now(self) -> Reading:
        return self._parts.clock.read()


def _thumbprint(proved: ProvedKey | None) -> str:
    return "" if proved is None else proved.thumbprint
