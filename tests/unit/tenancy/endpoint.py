"""A key cache with everything around it in a test's hands."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from stella.tenancy.errors import KeySetUnreachable, TokenKeyUnknown
from stella.tenancy.jwks import Answer, KeyCache
from stella.tenancy.mint import SigningKey
from stella.testing import ManualClock, counted_entropy
from tests.unit.tenancy.issued import ES, ISSUER


class Endpoint:
    """The address of a key set, which does as a test wants."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys or (ES,))
        self.downloads = 0
        self.etags: list[str] = []
        self.fault: BaseException | None = None
        self.body: bytes | None = None
        self.etag = ""
        self.max_age: int | None = None
        self.hold: threading.Event | None = None
        self.entered = threading.Event()

    def __call__(self, etag: str) -> Answer:
        self.downloads += 1
        self.etags.append(etag)
        self.entered.set()
        if self.hold:
            self.hold.wait(10)
        if self.fault:
            raise self.fault
        if etag and etag == self.etag:
            return Answer(None, etag, self.max_age)
        body = self.body if self.body is not None else json.dumps({"keys": [key.jwk() for key in self.keys]}).encode()
        return Answer(body, self.etag, self.max_age)

    def fail(self) -> None:
        self.fault = KeySetUnreachable(url="https://issuer.example/jwks", problem="status 503")


class World:
    """A cache with everything around it in the test's hands; work in the background runs when it is told to."""

    def __init__(self, *keys: SigningKey, **more: Any) -> None:
        self.clock = ManualClock()
        self.endpoint = Endpoint(*keys)
        self.events: list[tuple[str, str]] = []
        self.counted: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        self.behind: list[Callable[[], None]] = []
        settings: dict[str, Any] = {"start": self.behind.append} | more
        self.cache = KeyCache(
            ISSUER,
            self.endpoint,
            self.clock,
            counted_entropy("jitter"),
            told=self.tell,
            meter=self,
            **settings,
        )

    def tell(self, event: str, issuer: str, problem: str) -> None:
        assert issuer == ISSUER
        self.events.append((event, problem))

    def count(self, name: str, **labels: str) -> None:
        self.counted[f"{name} {labels['result']}"] += 1

    def zero(self, name: str, **labels: str) -> None:
        self.counted[f"{name} {labels['result']}"] += 0

    def gauge(self, name: str, value: float, **labels: str) -> None:
        assert labels == {"issuer": ISSUER}
        self.gauges[name] = value

    def run_behind(self) -> None:
        while self.behind:
            self.behind.pop()()

    def unknown(self, kid: str) -> None:
        with pytest.raises(TokenKeyUnknown):
            self.cache.get(kid)


def in_threads(count: int, work: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads
