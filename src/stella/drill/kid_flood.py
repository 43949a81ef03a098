"""kid-flood: a million tokens with key ids that nobody has, while keys rotate and then while no key set can be fetched.

Rules:
- The flood may cause as many downloads as its bucket has, whatever it presents; tokens with known keys notice nothing.
- An id that comes again is answered from memory.
- A key that is used in the same second in which it is published is accepted within one interval of the bucket, flood
  or not, since each download brings the whole set.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec

from stella.drill.model import Outcome
from stella.drill.rules import BURST, INTERVAL, measured
from stella.drill.stage import MAX_AGE, OK, Plan, Scene, Stage, outcome, resigned, staged
from stella.kernel.instant import Seconds
from stella.tenancy.compact import encode
from stella.tenancy.errors import Refusal
from stella.tenancy.mint import SigningKey
from stella.tenancy.model import Presented

ATTACKERS = 2
FLOOD: Seconds = 50  # of the drill: the bucket gives ten downloads in it
ROTATED: Seconds = 25  # when the issuer signs with a key that it publishes only then
CUT: Seconds = 35  # when the issuer can no longer be reached
SIGNATURE = encode(b"\x01" * 64)
LOOK = 256  # tokens between two questions whether the drill goes on; a second's share may take a minute


class Attacker:
    """Presents tokens with random key ids; what each was refused for."""

    def __init__(self, stage: Stage, number: int, kids: int, seconds: float) -> None:
        self._stage = stage
        self._random = random.Random(f"{stage.plan.seed}/flood/{number}")  # noqa: S311  # not to be secret
        self._payload = stage.token(stage.sources[0], "tenant-01").split(".")[1]
        self._each, self._seconds = max(kids // FLOOD, 1), seconds / FLOOD
        self._same = f"{number:032x}"  # the first of each second, which is known to be absent from the second one on
        self.attacking = False
        self.sent = self.other = 0

    def __call__(self) -> None:
        """A second's share of the flood; what does not fit into its time is left out."""
        if not self.attacking:
            return
        end = time.monotonic() + self._seconds
        verify, going_on = self._stage.verifier.verify, self._stage.plan.progress.advance
        for number in range(self._each):
            if number % LOOK == 0:
                going_on(0)
            kid = f"{self._random.getrandbits(128):032x}" if number else self._same
            header = encode(msgspec.json.encode({"typ": "at+jwt", "alg": "EdDSA", "kid": kid}))
            self.sent += 1
            try:
                verify(Presented(f"{header}.{self._payload}.{SIGNATURE}"))
                self.other += 1
            except Refusal as refused:
                self.other += refused.reason != "token.unknown_key"
            if time.monotonic() > end:
                return


class Probe:
    """Presents tokens of a key from the second in which the issuer begins to sign with it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._key: SigningKey | None = None
        self._since = 0
        self.accepted: Seconds | None = None
        self.lost = 0  # requests that were refused after one was served

    def begin(self, key: SigningKey) -> None:
        """Sign with that key from now on."""
        self._since, self._key = self._stage.clock.passed, key

    def __call__(self) -> None:
        """One request."""
        stage = self._stage
        if self._key is None:
            return
        token = resigned(self._key, stage.token(stage.sources[0], "tenant-new"), {})
        if stage.handle(Presented(token)).status == OK:
            self.accepted = stage.clock.passed - self._since if self.accepted is None else self.accepted
        else:
            self.lost += self.accepted is not None


def drill(plan: Plan, kids: int, seconds: float) -> Outcome:
    """The flood; `seconds` is what the machine may spend on presenting it."""
    attackers: list[Attacker] = []
    probes: list[Probe] = []

    def more(stage: Stage) -> list[Callable[[], None]]:
        attackers.extend(Attacker(stage, number, kids // ATTACKERS, seconds) for number in range(ATTACKERS))
        probes.append(Probe(stage))
        return [*attackers, *probes]

    with staged(plan, cut=plan.hang, more=more) as scene:
        return _flooded(scene, attackers, probes[0], kids)


def _flooded(scene: Scene, attackers: list[Attacker], probe: Probe, kids: int) -> Outcome:
    stage, source = scene.stage, scene.stage.sources[0]
    scene.run(MAX_AGE - 1)
    asked, began = source.endpoint.asked, stage.clock.passed
    for attacker in attackers:
        attacker.attacking = True
    stage.happened("flood.began")
    scene.run(ROTATED)
    fresh = stage.new_key()
    source.endpoint.publish(source.key, fresh)
    probe.begin(fresh)
    stage.happened("key.rotated", "not published ahead")
    scene.run(CUT - ROTATED)
    with stage.failing():
        scene.run(FLOOD - CUT)
    for attacker in attackers:
        attacker.attacking = False
    stage.happened("flood.ended")
    elapsed = stage.clock.passed - began
    downloads = source.endpoint.asked - asked
    sent, other = (sum(getattr(one, name) for one in attackers) for name in ("sent", "other"))
    measures = [
        *scene.common(),
        measured("tokens with an unknown key id", sent, ">", 0),
        measured("of them not refused as token.unknown_key", other, "=", 0),
        measured("downloads during the flood", downloads, "<=", BURST + elapsed // INTERVAL + 1),
        measured("answers from the memory of absent key ids", _from_memory(stage), ">", 0),
        measured("failed requests of tenants", scene.failed(), "=", 0),
        measured("seconds until a key that was not published ahead is accepted", _until(probe), "<=", INTERVAL, "s"),
        measured("its tokens refused after the first was accepted", probe.lost, "=", 0),
        measured(f"alert {stage.watch.name} fired", stage.watch.fired, "=", 0),
    ]
    left = kids - sent
    return outcome(scene, measures, *([f"{left} of {kids} tokens were left out for lack of time"] if left > 0 else []))


def _from_memory(stage: Stage) -> float:
    return stage.counts.total("jwks_cache_requests_total", result="negative")


def _until(probe: Probe) -> Seconds:
    return FLOOD if probe.accepted is None else probe.accepted
