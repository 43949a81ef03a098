"""Where a drill happens: issuers on loopback, their key caches, a verifier, tenants, and a handler like a service's.

Rules:
- Everything between a token and its answer is what a service uses: transport, cache, verifier, limits. Only the clock
  and the address are the drill's.
- What happened is read from the metrics and events that a service has, and from what each request was answered.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from stella.drill.alerts import JWKS_CACHE_EXPIRED, Watch
from stella.drill.clock import DrillClock
from stella.drill.endpoint import Endpoint
from stella.drill.faults import Cut, Outage
from stella.drill.model import Event, Measure, Outcome
from stella.drill.rules import measured
from stella.drill.traffic import READS, WRITES, Actor, Traffic
from stella.kernel.instant import Instant, Reading, Seconds
from stella.runtime.counts import Counts
from stella.runtime.ports import Entropy, Progress
from stella.runtime.telemetry import UNKNOWN
from stella.tenancy.compact import decode
from stella.tenancy.errors import Refusal
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.jwks import HARD, AuthEvent, KeyCache
from stella.tenancy.mint import TTL, Grant, SigningKey, mint
from stella.tenancy.model import Issuer, Presented, Verified
from stella.tenancy.tokens import Verifier, require

AUDIENCE = "stella"
SCOPES = frozenset({"drill:read", "drill:write"})
LIFE: Seconds = TTL.stop - 1  # of the tokens of the traffic
RENEW: Seconds = 200  # seconds after its issue a tenant asks for another
MAX_AGE: Seconds = 60  # what the issuers say of their key sets, so that keys become stale soon
TRANSPORT = 1.0  # seconds that a download may take, on the clock of the machine
LANDING = 0.25  # seconds that a step waits for downloads in the background, on the clock of the machine
OK = 200
SERVICE = "drill"


class Plan(NamedTuple):
    """How a drill is run. `cut` makes the outage of an endpoint; `hang` one in which nothing is answered."""

    seed: int
    tenants: int
    speed: int
    begin: Reading
    progress: Progress
    cut: Cut
    hang: Cut

    def entropy(self, name: str) -> Entropy:
        """Random bytes that the same seed gives again. Nothing that is made of them outlives the drill."""
        return random.Random(f"{self.seed}/{name}").randbytes  # noqa: S311  # as it says

    def names(self) -> list[str]:
        """The tenants."""
        return [f"tenant-{number:02}" for number in range(1, self.tenants + 1)]


@dataclass
class Source:
    """One issuer: where its keys are, how the way to them fails, the key it signs with, and its cache."""

    name: str
    endpoint: Endpoint
    outage: Outage
    key: SigningKey
    cache: KeyCache
    events: Counter[AuthEvent] = field(default_factory=Counter)

    def use(self, key: SigningKey, *published: SigningKey) -> None:
        """Sign with a key from now on and publish these."""
        self.key = key
        self.endpoint.publish(*published)


@dataclass
class Answer:
    """What the handler answered: the status, why not, and the rows of a read with the tenant each belongs to."""

    status: int
    reason: str = ""
    rows: Sequence[tuple[str, int]] = ()


class Stage:
    """Everything of one drill. `sources` issuers share the tenants; `hard` is how long keys outlive an outage."""

    def __init__(self, plan: Plan, *, sources: int = 1, cut: Cut | None = None, hard: Seconds = HARD) -> None:
        self.plan = plan
        self.clock = DrillClock(plan.begin)
        self.counts = Counts()
        self.events: list[Event] = []
        self.watch = Watch(JWKS_CACHE_EXPIRED)
        self.crossed = 0  # rows of one tenant that another was shown
        self._entropy = plan.entropy("stage")
        self._lock = threading.Lock()
        self._behind: list[threading.Thread] = []
        self._rows: dict[str, int] = {}
        self.sources: list[Source] = []
        try:
            for number in range(sources):
                self.sources.append(self._source(number, cut or plan.cut, hard))
        except BaseException:
            self.close()
            raise
        issuers = [Issuer(source.name, source.cache) for source in self.sources]
        self.verifier = Verifier(issuers, AUDIENCE, self.clock, meter=self.counts)

    def close(self) -> None:
        """End what listens."""
        for source in self.sources:
            source.endpoint.close()

    def _source(self, number: int, cut: Cut, hard: Seconds) -> Source:
        name, endpoint = f"https://issuer-{number + 1}.example.com", Endpoint(MAX_AGE)
        cache = KeyCache(
            name,
            KeyAddress(endpoint.url, seconds=TRANSPORT),
            self.clock,
            self.plan.entropy(f"jitter/{number}"),
            told=self._told,
            meter=self.counts,
            hard=hard,
            start=self._start,
        )
        key = self.new_key()
        endpoint.publish(key)
        try:
            return Source(name, endpoint, cut(endpoint, number), key, cache)
        except BaseException:
            endpoint.close()
            raise

    def new_key(self) -> SigningKey:
        return SigningKey.generate(self._entropy, "EdDSA")

    def _told(self, event: AuthEvent, issuer: str, problem: str) -> None:
        with self._lock:
            for source in self.sources:
                if source.name == issuer:
                    source.events[event] += 1
            self.events.append(Event(self.clock.passed, event, f"{issuer}: {problem}" if problem else issuer))

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="drill-keys", daemon=True)
        thread.start()
        with self._lock:
            self._behind.append(thread)

    def happened(self, name: str, detail: str = "") -> None:
        """Write down what the drill itself did."""
        self.events.append(Event(self.clock.passed, name, detail))

    def tick(self) -> None:
        """After each second: let downloads land that only need a moment, and look at the alert."""
        with self._lock:
            behind = [thread for thread in self._behind if thread.is_alive()]
            self._behind = behind[:]
        for thread in behind:
            thread.join(LANDING / len(behind))
        fired = self.watch.look(self.clock.passed, self.counts)
        if fired is not None:
            self.happened("alert.fired" if fired else "alert.resolved", JWKS_CACHE_EXPIRED.name)

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Let no key set be fetched for the length of the block."""
        for source in self.sources:
            source.outage.begin()
            self.happened("outage.began", f"{source.name}: {source.outage.kind}")
        try:
            yield
        finally:
            for source in self.sources:
                source.outage.end()
                self.happened("outage.ended", source.name)

    def handle(self, presented: Presented, scope: str = "drill:read") -> Answer:
        """What a service does for a request: verify, require the scope, do it for the tenant, count."""
        tenant, began = UNKNOWN, time.monotonic()
        try:
            verified = self.verifier.verify(presented)
            tenant = verified.tenant
            require(verified, scope)
            answer = Answer(OK, rows=self._do(verified, scope))
        except Refusal as refused:
            answer = Answer(refused.status, refused.reason)
        self.counts.count(
            "tenant_requests_total", tenant=tenant, service=SERVICE, route=f"/{scope}", status=str(answer.status)
        )
        took = time.monotonic() - began
        self.counts.observe("tenant_request_seconds", took, tenant=tenant, service=SERVICE, access=scope[6:])
        return answer

    def _do(self, verified: Verified, scope: str) -> Sequence[tuple[str, int]]:
        tenant = verified.tenant
        if scope == "drill:write":
            self._rows[tenant] = self._rows.get(tenant, 0) + 1
        return [(tenant, self._rows.get(tenant, 0))]

    def token(self, source: Source, tenant: str, **claims: object) -> str:
        """A token that the product's own issuer could have made, with some claims replaced."""
        grant = Grant(
            issuer=source.name,
            subject=f"client-of-{tenant}",
            audience=AUDIENCE,
            tenant=tenant,
            client=f"client-of-{tenant}",
            scopes=SCOPES,
            ttl=LIFE,
        )
        made = mint(source.key, grant, self.clock.now, self._entropy)
        return resigned(source.key, made, claims) if claims else made

    def requests(self) -> tuple[int, int]:
        """How many requests were answered, and how many of them were not served."""
        every = self.counts.total("tenant_requests_total")
        return int(every), int(every - self.counts.total("tenant_requests_total", status=str(OK)))


def resigned(key: SigningKey, token: str, claims: Mapping[str, object], kid: str = "") -> str:
    """A token with other claims, signed by a key."""
    payload = msgspec.json.decode(decode(token.split(".")[1].encode()) or b"{}")
    header: dict[str, object] = {"typ": "at+jwt", "alg": key.alg, "kid": kid or key.kid}
    return key.sign(header, msgspec.json.encode({**payload, **claims}))


class Tenant:
    """One tenant's clients: nine reads a second with a token renewed in time, one write with a token of its own.

    So in each second a token is judged anew, and nine times a kept result is used.
    """

    def __init__(self, stage: Stage, name: str, source: Source) -> None:
        self._stage, self.name, self.source = stage, name, source
        self._token, self._minted, self._key = "", 0, source.key
        self.failed: list[tuple[Seconds, str]] = []
        self.served = 0

    def __call__(self) -> None:
        """Do one second's share."""
        for _ in range(READS):
            self.send(self._renewed(self._stage.clock.now), "drill:read")
        for _ in range(WRITES):
            self.send(self._stage.token(self.source, self.name), "drill:write")

    def send(self, token: str, scope: str) -> None:
        """Send one request."""
        stage = self._stage
        answer = stage.handle(Presented(token, tenant=self.name), scope)
        if answer.status == OK:
            self.served += 1
        else:
            self.failed.append((stage.clock.passed, answer.reason))
        stage.crossed += sum(owner != self.name for owner, _ in answer.rows)

    def _renewed(self, now: Instant) -> str:
        if not self._token or not 0 <= now - self._minted < RENEW or self._key is not self.source.key:
            self._token, self._minted, self._key = self._stage.token(self.source, self.name), now, self.source.key
        return self._token


class Scene:
    """A stage with its tenants at work."""

    def __init__(self, stage: Stage, more: Sequence[Actor] = ()) -> None:
        self.stage = stage
        issuers = stage.sources
        self.tenants = [Tenant(stage, name, issuers[at % len(issuers)]) for at, name in enumerate(stage.plan.names())]
        self._traffic = Traffic([*self.tenants, *more], stage.clock, stage.plan.speed, stage.plan.progress)

    def run(self, seconds: Seconds, until: Callable[[], bool] = lambda: False) -> bool:
        """Let seconds pass under traffic, fewer when `until` says so; whether it did."""

        def after() -> bool:
            self.stage.tick()
            return until()

        return self._traffic.run(seconds, after)

    def failed(self, since: Seconds = 0, until: Seconds = 10**9) -> int:
        """Requests of tenants that were not served, in seconds of the drill."""
        return sum(since <= at < until for tenant in self.tenants for at, _ in tenant.failed)

    @property
    def served(self) -> int:
        return sum(tenant.served for tenant in self.tenants)

    def common(self) -> list[Measure]:
        """What holds in every drill."""
        return [
            measured("requests of tenants that were served", self.served, ">", 0),
            measured("rows of another tenant that were shown", self.stage.crossed, "=", 0),
        ]

    @contextlib.contextmanager
    def going(self) -> Iterator[Scene]:
        """The tenants work for the length of the block."""
        with self._traffic:
            yield self


def outcome(scene: Scene, measures: Sequence[Measure], *notes: str) -> Outcome:
    """What a drill found out on one stage."""
    requests, errors = scene.stage.requests()
    return Outcome(
        measures=tuple(measures),
        events=tuple(scene.stage.events),
        requests=requests,
        errors=errors,
        seconds=scene.stage.clock.passed,
        notes=notes,
    )


@contextlib.contextmanager
def staged(
    plan: Plan,
    *,
    sources: int = 1,
    cut: Cut | None = None,
    hard: Seconds = HARD,
    more: Callable[[Stage], Sequence[Actor]] = lambda _: (),
) -> Iterator[Scene]:
    """A stage with tenants at work, which is ended with the block. `more` makes actors beside the tenants."""
    stage = Stage(plan, sources=sources, cut=cut, hard=hard)
    try:
        with Scene(stage, more(stage)).going() as scene:
            yield scene
    finally:
        stage.close()
