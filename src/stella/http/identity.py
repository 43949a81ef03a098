"""Who asks, and who issues: the identity of a running service.

Rules:
- Tokens of the own issuer are verified with the keys of the database, those of others with keys that are fetched, or
  that came with the trust of a sealed site.
- One thread reads states, revocations and keys again every few seconds, and tends the signing keys. Another lets the
  accounts of tenants follow and erases tenants whose time has come: that may take long, and nobody waits for it. What
  they could not do they do the next time; what was known before stays in force.
- Without a passphrase for signing keys there is no issuer, and everything else works.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stella.audit.model import Marked, Outcome
from stella.http.auth import Presented
from stella.http.issuer import Endpoints
from stella.http.jobs import trace_of
from stella.http.routes import Route
from stella.identity import believed, erasure, events, rules, signing
from stella.identity.accounts import Follower
from stella.identity.carried import Carried
from stella.identity.device import Devices
from stella.identity.erasure import Elsewhere
from stella.identity.errors import TenantNotActive
from stella.identity.issuer import Issuer, Parts
from stella.identity.keyring import Keyring
from stella.identity.proving import Proving
from stella.identity.standing import Standing
from stella.kernel.errors import StellaError
from stella.kernel.instant import parse_duration
from stella.operations import Context, Principal
from stella.runtime.errors import NoDatabase, SecretMissing
from stella.runtime.roles import ISSUER
from stella.runtime.transaction import Transaction
from stella.tenancy import jwks
from stella.tenancy.binding import Replays
from stella.tenancy.discovery import Discovered
from stella.tenancy.errors import Refusal
from stella.tenancy.flood import TokenBucket
from stella.tenancy.model import Issuer as Source
from stella.tenancy.model import Meter, Pending, SilentMeter, Verified
from stella.tenancy.model import Presented as PresentedToken
from stella.tenancy.revocation import Revocations
from stella.tenancy.tokens import Verifier

EVERY = 2.0  # seconds between two looks: so long may a token count that a command elsewhere has revoked
BURST, INTERVAL = 5, 1  # looks for tenants that are not known yet: five at once, one every second
PERSONAL = frozenset({"subject", "address"})  # facts that say which person it was, or from where
SWEEP = 60.0  # seconds between two looks for what is to be erased

Told = Callable[[str, Mapping[str, object]], None]


class Identity:
    """The identity of a service at `address`.

    `denied` hears why somebody was refused, and some facts; `turned` that the keys of an issuer cannot be fetched any
    more, and that they can again.

    Raises BadIdentitySetting, BadIssuerSetting, UnusableKeyAddress, WeakPassphrase, as `Carried`, or as the database.
    """

    def __init__(
        self,
        ctx: Context,
        address: str,
        denied: Told,
        elsewhere: Sequence[Elsewhere] = (),
        meter: Meter | None = None,
        turned: jwks.Told = jwks.tell_nobody,
    ) -> None:
        self._ctx, self._denied, self._elsewhere = ctx, denied, elsewhere
        self._own = believed.own(ctx.settings.identity, address)
        self._name = self._own.name
        self._duty = ctx.duty(ISSUER)
        self._revocations = Revocations()
        self._standing = Standing(self._name, self._revocations)
        self._passphrase = _passphrase(ctx)
        self._meter, self._turned = meter or SilentMeter(), turned
        self._keyring = Keyring(ctx.clock, self._passphrase, self._name, meter) if self._passphrase else None
        self._caches: list[jwks.KeyCache] = []
        self._replays = Replays()
        self._carried = self._from_trust()
        self._verifier = self._made()
        self.endpoints = self._endpoints(self._keyring) if self._keyring else None
        self._accounts = Follower(ctx)
        self._asking = threading.Lock()
        self._unknown = TokenBucket(BURST, INTERVAL)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._look_on, "identity"), (self._tend, "lives"))
        ]
        self._look()
        if self._carried:
            self._carried.look()

    @property
    def routes(self) -> list[Route]:
        """Those of the issuer, if there is one."""
        return self.endpoints.routes() if self.endpoints else []

    def measure(self) -> None:
        """Let the meter know how old the keys of each issuer are by now."""
        for keys in self._caches:
            keys.measure()
        if self._keyring:
            self._keyring.measure()

    def verify(self, given: Presented) -> Principal:
        """Whom a token stands for; raises Refusal, TenantNotActive or Pending."""
        try:
            found = given.verified = given.verified or self._verifier.verify(self._presented(given), wait=given.wait)
            if not self._standing.knows(found.tenant):
                self._ask_again(wait=given.wait)
            if self._standing.has_log(found.tenant):
                given.known = _principal(found)  # for the log of its tenant, should it be refused
            self._standing.require_active(found.tenant)
        except StellaError as error:
            given.refused = isinstance(error, Refusal | TenantNotActive)
            whose = error.whose if isinstance(error, Refusal) else None
            if whose is not None and self._standing.has_log(whose.tenant):
                given.known = Principal(whose.subject, frozenset(), whose.tenant)  # for the log of its tenant
            self._denied(error.reason, {"code": error.code, "operation": f"{given.method} {given.path}"})
            raise
        return _principal(found)

    def _presented(self, given: Presented) -> PresentedToken:
        """A request as the verifier takes it, at the address that clients know, whatever the Host header says."""
        scheme, _, token = given.authorization.decode("latin-1").partition(" ")
        return PresentedToken(
            token=token.strip(),
            scheme="DPoP" if scheme.lower() == "dpop" else "Bearer",
            method=given.method,
            url=self._name.rstrip("/") + given.path,
            proofs=tuple(proof.decode("latin-1") for proof in given.proofs),
            certificate=given.certificate,
        )

    def stopped(self, tenant: str) -> str:
        """What a tenant is instead of active, as far as is known; empty for one that works."""
        return self._standing.stopped(tenant)

    def heed(self) -> None:
        """Look now, since a request has changed who may act. What cannot be read now is read with the next look."""
        self._safely(lambda: self._standing.refresh(self._duty, self._ctx.clock.read().wall))

    def start(self) -> None:
        """Begin to look again and again."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self.endpoints:
            self.endpoints.close()

    def join(self, patience: float) -> None:
        """Wait for the end, for so many seconds at most."""
        end = time.monotonic() + patience
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(end - time.monotonic(), 0))

    def _ask_again(self, *, wait: bool) -> None:
        """Look now for a tenant that is new; raises Pending, or as the database. Not more often than the allowance."""
        with self._asking:
            if not self._unknown.ready(self._ctx.clock.read().boot_seconds):
                return
            if not wait:
                raise Pending
            self._unknown.take(self._ctx.clock.read().boot_seconds)
        self._standing.refresh(self._duty, self._ctx.clock.read().wall)

    def _from_trust(self) -> Carried | None:
        settings = self._ctx.settings.identity
        if not settings.trust:
            return None
        taken = {self._name, *(one.name for one in believed.others(settings, self._name))}
        return Carried(Path(settings.trust), self._ctx.clock, self._revocations, taken, self._meter)

    def _made(self) -> Verifier:
        own = [Source(self._name, self._keyring)] if self._keyring else []
        ctx = self._ctx
        listed = believed.others(ctx.settings.identity, self._name)
        self._caches = [
            jwks.KeyCache(
                one.name, Discovered(one.name), ctx.clock, ctx.entropy, told=self._auth_event, meter=self._meter
            )
            for one in listed
        ]
        others = [
            Source(one.name, keys, tenants=one.tenants, audience=one.audience)
            for one, keys in zip(listed, self._caches, strict=True)
        ]
        return Verifier(
            [*own, *others, *(self._carried.issuers if self._carried else ())],
            self._own.audience,
            ctx.clock,
            revocations=self._revocations,
            replays=self._replays,
            meter=self._meter,
        )

    def _auth_event(self, event: jwks.AuthEvent, issuer: str, problem: str) -> None:
        self._denied(event, {"issuer": issuer, "problem": problem})
        self._turned(event, issuer, problem)

    def _endpoints(self, keyring: Keyring) -> Endpoints:
        ctx = self._ctx
        if ctx.database is None:
            raise NoDatabase
        opened = ctx.database().transaction
        base, replays = self._name.rstrip("/"), Replays()
        proving = Proving(opened, frozenset({self._name, f"{base}/token"}), replays)
        parts = Parts(
            name=self._name,
            audience=self._own.audience,
            life=self._own.life,
            clock=ctx.clock,
            entropy=ctx.entropy,
            keyring=keyring,
            standing=self._standing,
            verifier=self._verifier,
            proving=proving,
            devices=Devices(self._duty, proving, ctx.entropy),
            replays=replays,
            opened=opened,
            scopes=ctx.scopes,
            told=self._told,
        )
        return Endpoints(Issuer(parts), ctx, self._denied)

    def _told(self, action: str, tenant: str, facts: Mapping[str, str], t: Transaction | None = None, /) -> None:
        """Write down what was issued or refused, in the log of the tenant; a refusal only where there is one."""
        refused = action.endswith("refuse")
        if refused and not self._standing.has_log(tenant):
            self._denied(action, dict(facts))
            return
        who = Principal(facts.get("subject", "issuer"), frozenset(), tenant)
        ctx = dataclasses.replace(self._ctx, principal=who)
        with contextlib.nullcontext(t) if t else ctx.tenant() as within:
            outcome: Outcome = "denied" if refused else "success"
            if who.name == facts.get("client"):  # no person
                events.tell(ctx, within, action, who.name, outcome=outcome, after=facts)
                return
            told = {name: Marked(text) if name in PERSONAL else text for name, text in facts.items()}
            events.tell(ctx, within, action, Marked(who.name), outcome=outcome, after=told)

    def _look(self) -> None:
        try:
            self._read()
        except StellaError:
            if self._keyring:
                self._keyring.missed()
            raise

    def _read(self) -> None:
        ctx, now = self._ctx, self._ctx.clock.read().wall
        self._standing.refresh(self._duty, now)
        if self._keyring and self._passphrase:
            every = parse_duration(ctx.settings.identity.rotate_every)
            self._keyring.take(signing.tend(self._duty, self._passphrase, ctx.entropy, now, every))

    def _look_on(self) -> None:
        while not self._stopping.wait(EVERY):
            self._safely(self._look)
            if self._carried:
                self._safely(self._carried.look)

    def _tend(self) -> None:
        left = 0.0
        while not self._stopping.wait(EVERY):
            left -= EVERY
            if left <= 0 or self._accounts.lags:  # a store that has just come up should not keep anybody waiting
                self._safely(self._accounts.follow)
            if left <= 0:
                left = SWEEP
                self._safely(lambda: erasure.sweep(self._ctx, self._elsewhere))

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StellaError as error:
            self._denied("identity.away", {"code": error.code, "problem": error.message})
        except Exception as error:  # noqa: BLE001  # the thread goes on, whatever one look met
            self._denied("identity.failed", {"traceback": trace_of(error)})


def _principal(found: Verified) -> Principal:
    scopes = rules.counting(found.scopes, found.tenant, found.subject)
    # a client that asks in its own name proves who it is with each token; of anybody else the token says when that was
    since = found.issued if found.subject == found.client and not found.acting else found.authenticated
    return Principal(found.subject, scopes, found.tenant, since)


def _passphrase(ctx: Context) -> bytes:
    """The passphrase of the signing keys; empty where there is none."""
    try:
        return signing.passphrase(ctx)
    except SecretMissing:
        return b""
