"""The keys of an issuer, kept through an outage, a rotation and a flood of unknown key ids.

Rules:
- By the age of the last good download the keys are fresh, stale (served, and refreshed once in the background) or
  expired (not served). Age is measured by the boot clock, from before the download began.
- A refresh that fails keeps the keys. One that works replaces the whole set: a key that is absent is gone at once.
- At most one download runs at a time, and who needs it waits for it; how many wait is bounded.
- Unknown ids have an allowance of their own, so a flood of them can neither keep a scheduled refresh back nor weigh on
  the issuer; an id is remembered as absent only when a download that began after the question showed it.
- Refreshes that fail are repeated after a delay that grows and jitters.
- `auth.degraded` and `auth.recovered` are told once for each change between the two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from stella.kernel.errors import StellaError
from stella.kernel.instant import Seconds
from stella.runtime.ports import Clock, Entropy
from stella.tenancy.errors import BadKeySet, TokenKeyUnknown
from stella.tenancy.flood import Absent, TokenBucket
from stella.tenancy.keys import VerifyKey, read_set
from stella.tenancy.model import Found, Meter, Pending, SilentMeter, begin

SOFT: Seconds = 5 * 60  # fresh for so long when the issuer does not say
SOFT_BOUNDS = (60, 60 * 60)  # within which the issuer may say
HARD: Seconds = 24 * 60 * 60  # an outage of a day is survived
BURST, INTERVAL = 5, 10  # downloads for unknown ids: five at once, one every ten seconds
ABSENT, ABSENT_SECONDS = 1024, 30
FIRST_DELAY, LAST_DELAY = 10, 5 * 60  # between refreshes that fail
MAX_WAITING = 64  # threads that wait for a download without which nobody gets in; more are refused at once
FEW_WAITING = 8  # threads that wait because of unknown ids, so that a flood of those cannot occupy all threads
WAIT_SECONDS = 6.0  # a little more than a download may take

AuthEvent = Literal["auth.degraded", "auth.recovered"]
Told = Callable[[AuthEvent, str, str], None]  # event, issuer, problem; called from any thread, must not raise
Start = Callable[[Callable[[], None]], None]


class Answer(NamedTuple):
    """What a key set address answered; `body` is None when the set is the one with the given ETag."""

    body: bytes | None
    etag: str = ""
    max_age: Seconds | None = None


Fetch = Callable[[str], Answer]  # takes the ETag of what is known, or nothing; raises when there is no good answer


class _Set(NamedTuple):
    """The last good download; replaced as a whole, so that readers need no lock."""

    keys: Mapping[str, VerifyKey]
    loaded: Seconds
    soft: Seconds
    etag: str
    epoch: int


class _Flight:
    """A download on its way."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.waiting = 0


def in_a_thread(work: Callable[[], None]) -> None:
    """Run work in a thread of its own that does not keep the process alive."""
    threading.Thread(target=work, name="stella-keys", daemon=True).start()


def tell_nobody(event: AuthEvent, issuer: str, problem: str) -> None:
    """Ignore."""


class KeyCache:
    """A KeySource over the network. Safe from any thread; a known key that is not expired never waits."""

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        clock: Clock,
        entropy: Entropy,
        *,
        told: Told = tell_nobody,
        meter: Meter | None = None,
        hard: Seconds = HARD,
        start: Start = in_a_thread,
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._entropy = entropy
        self._told = told
        self._meter = meter or SilentMeter()
        self._hard = hard
        self._start = start
        self._lock = threading.Lock()
        self._set: _Set | None = None
        self._flight: _Flight | None = None
        self._failures = 0
        self._retry_at: Seconds = 0
        self._bucket = TokenBucket(BURST, INTERVAL)
        self._absent = Absent(ABSENT, ABSENT_SECONDS)
        begin(self._meter, issuer)

    @property
    def epoch(self) -> int:
        return self._set.epoch if self._set else 0

    def age(self) -> Seconds | None:
        """Seconds since the last good download began; None when there was none."""
        return self._now() - self._set.loaded if self._set else None

    def get(self, kid: str, *, wait: bool = True) -> Found:
        known, now = self._set, self._now()
        key = known.keys.get(kid) if known else None
        if known and key and now - known.loaded < self._hard:
            if now - known.loaded < known.soft:
                self._count("hit")
            else:
                self._count("stale")
                self._refresh_behind(now)
            return Found(key, known.epoch, known.loaded + self._hard)
        return self._look_again(kid, now, wait=wait)

    def _look_again(self, kid: str, now: Seconds, *, wait: bool) -> Found:
        """The key after a download, when one is allowed now."""
        alive = self._alive(now)
        may_begin = (lambda: self._bucket.take(now)) if alive else (lambda: now >= self._retry_at)
        with self._lock:
            absent = alive and self._absent.holds(kid, now)
            if self._flight is not None:
                allowed = self._flight.waiting < (FEW_WAITING if alive else MAX_WAITING)
            else:
                allowed = self._bucket.ready(now) if alive else now >= self._retry_at
        self._count("negative" if absent else "miss" if alive or not self._set else "expired")
        if absent or not allowed:
            raise _unknown(alive=alive)
        if not wait:
            raise Pending
        flown = self._refresh(now, may_begin)
        now, known = self._now(), self._set
        key = known.keys.get(kid) if known else None
        if known and key and self._alive(now):
            return Found(key, known.epoch, known.loaded + self._hard)
        if flown:
            with self._lock:
                self._absent.add(kid, now)
        raise _unknown(alive=self._alive(now))

    def _alive(self, now: Seconds) -> bool:
        return self._set is not None and now - self._set.loaded < self._hard

    def _refresh(self, now: Seconds, may_begin: Callable[[], bool]) -> bool:
        """Download, or wait for the download that is on its way; whether a good one began in here."""
        with self._lock:
            flight, mine = self._flight, False
            if flight is not None:
                flight.waiting += 1
            elif may_begin():
                flight, mine = self._take_off(), True
            else:
                return False
        if mine:
            return self._fly(flight, now)
        flight.landed.wait(WAIT_SECONDS)
        return False

    def _refresh_behind(self, now: Seconds) -> None:
        """Begin one download in the background, unless one is on its way or the last failure was just now."""
        if not self._due(now):
            return
        with self._lock:
            if not self._due(now):
                return
            flight = self._take_off()
        try:
            self._start(lambda: self._fly_alone(flight, now))
        except RuntimeError:  # no more threads: the keys are good still, and a later request tries again
            self._land(flight, "failed", "no thread can be started")

    def _due(self, now: Seconds) -> bool:
        return self._flight is None and now >= self._retry_at

    def _take_off(self) -> _Flight:
        self._flight = _Flight()
        return self._flight

    def _fly_alone(self, flight: _Flight, began: Seconds) -> None:
        self._fly(flight, began)

    def _fly(self, flight: _Flight, began: Seconds) -> bool:
        """Download and take over what came; whether it was good."""
        result, problem = "failed", "the download was interrupted"
        try:
            result = "ok" if self._download(began) else "unchanged"
            problem = ""
        except StellaError as error:
            problem = error.message
        except Exception as error:  # noqa: BLE001  # whatever a transport raises, the keys stay and nobody waits for ever
            problem = type(error).__name__
        finally:
            self._land(flight, result, problem)
        return not problem

    def _download(self, began: Seconds) -> bool:
        """Replace the whole set; whether a key came or went."""
        known = self._set
        answer = self._fetch(known.etag if known else "")
        if answer.body is not None:
            keys: Mapping[str, VerifyKey] = read_set(answer.body, self._issuer)
        elif known is not None:
            keys = known.keys
        else:
            raise BadKeySet(issuer=self._issuer, problem="it answers `unchanged` to somebody who knows nothing")
        changed = known is None or _identity(known.keys) != _identity(keys)
        low, high = SOFT_BOUNDS
        soft = SOFT if answer.max_age is None else min(max(answer.max_age, low), high)
        etag = known.etag if known and answer.body is None else answer.etag
        with self._lock:
            self._set = _Set(keys, began, soft, etag, (known.epoch if known else 0) + changed)
        return changed

    def _land(self, flight: _Flight, result: str, problem: str) -> None:
        """End a download, let those who wait go on, and tell what changed."""
        event: AuthEvent | None = None
        jitter = int.from_bytes(self._entropy(4)) if problem else 0
        with self._lock:
            if problem:
                event = None if self._failures else "auth.degraded"
                self._failures += 1
                delay = min(FIRST_DELAY * 2 ** min(self._failures - 1, 10), LAST_DELAY)
                self._retry_at = self._now() + delay - jitter % (delay // 2 + 1)
            else:
                event = "auth.recovered" if self._failures else None
                self._failures = self._retry_at = 0
            self._flight = None
        flight.landed.set()
        self._meter.count("jwks_fetch_total", issuer=self._issuer, result=result)
        self.measure()
        if event:
            self._told(event, self._issuer, problem)

    def measure(self) -> None:
        """Let the meter know how old the keys are by now, and how many."""
        known = self._set
        if known is not None:
            self._meter.gauge("jwks_cache_age_seconds", self._now() - known.loaded, issuer=self._issuer)
            self._meter.gauge("jwks_keys", len(known.keys), issuer=self._issuer)

    def _now(self) -> Seconds:
        return self._clock.read().boot_seconds

    def _count(self, result: str) -> None:
        self._meter.count("jwks_cache_requests_total", issuer=self._issuer, result=result)


def _unknown(*, alive: bool) -> TokenKeyUnknown:
    return TokenKeyUnknown(problem="it is not in the key set" if alive else "the key set cannot be fetched")


def _identity(keys: Mapping[str, VerifyKey]) -> dict[str, str]:
    return {kid: key.thumbprint for kid, key in keys.items()}
