"""clock-skew: clocks of issuer and service differ, and the service's own clock is stepped.

Rules:
- A difference of 30 seconds either way is play; one more second is none.
- Keys age by the boot clock: a step of the wall clock makes none of them older, which is tried while no key set can be
  fetched. What was kept of a good answer does not outlive the end of its token on the clock as it is set now.
"""

from __future__ import annotations

from typing import NamedTuple

from stella.drill.model import Measure, Outcome
from stella.drill.rules import PLAY, measured
from stella.drill.stage import LIFE, OK, Plan, Scene, outcome, staged
from stella.kernel.instant import Seconds
from stella.tenancy.jwks import HARD
from stella.tenancy.model import Presented

DAY: Seconds = 24 * 60 * 60
STEPS: tuple[Seconds, ...] = (3600, -3600, HARD + 3600, -(HARD + 3600), 400 * DAY, -400 * DAY)
AFTER_STEP: Seconds = 10


class Probe(NamedTuple):
    """Tokens whose times differ from the verifier's clock: from when, until when, and what they must be answered."""

    name: str
    begins: Seconds
    ends: Seconds
    reason: str = ""


PROBES = (
    Probe(f"issuer {PLAY} s ahead", PLAY, PLAY + LIFE),
    Probe(f"issuer {PLAY + 1} s ahead", PLAY + 1, PLAY + 1 + LIFE, "token.not_yet"),
    Probe(f"issuer {PLAY} s behind", -PLAY, LIFE - PLAY),
    Probe(f"ended {PLAY - 1} s ago", -LIFE, 1 - PLAY),
    Probe(f"ended {PLAY + 1} s ago", -LIFE, -PLAY - 1, "token.expired"),
    Probe("issuer an hour ahead", 3600, 3600 + LIFE, "token.not_yet"),
    Probe("issuer an hour behind", -3600, LIFE - 3600, "token.expired"),
)


def drill(plan: Plan) -> Outcome:
    """First the play of both clocks, then steps of one without any key set to fetch."""
    with staged(plan) as scene:
        scene.run(10)
        measures = [_probe(scene, probe) for probe in PROBES]
        with scene.stage.failing():
            measures += _stepped(scene)
        return outcome(
            scene, [*scene.common(), *measures, measured("failed requests of tenants", scene.failed(), "=", 0)]
        )


def _probe(scene: Scene, probe: Probe) -> Measure:
    """A token for each tenant, and how many were answered as they must be."""
    stage, right = scene.stage, 0
    for tenant in scene.tenants:
        begins, ends = stage.clock.now + probe.begins, stage.clock.now + probe.ends
        token = stage.token(tenant.source, tenant.name, iat=begins, nbf=begins, exp=ends)
        right += stage.handle(Presented(token)).reason == probe.reason
    return measured(f"{probe.name}: {probe.reason or 'served'}", right, "=", len(scene.tenants))


def _stepped(scene: Scene) -> list[Measure]:
    """Steps of the wall clock while the issuer is away."""
    stage, cache = scene.stage, scene.stage.sources[0].cache
    begin, age, outlived, asked = stage.clock.passed, cache.age() or 0, 0, stage.sources[0].endpoint.asked
    for step in STEPS:
        token = stage.token(stage.sources[0], "tenant-01")
        first = stage.handle(Presented(token)).status
        stage.clock.step(step)
        stage.happened("clock.stepped", f"{step:+} s")
        outlived += first != OK or stage.handle(Presented(token)).status == OK
        scene.run(AFTER_STEP)
    grown = (cache.age() or 0) - age - (stage.clock.passed - begin)
    expired = stage.counts.total("jwks_cache_requests_total", result="expired")
    return [
        measured("seconds that keys grew older by steps of the clock", grown, "=", 0, "s"),
        measured("keys expired by steps of the clock", expired, "=", 0),
        measured("tokens served on a clock on which they have ended or not begun", outlived, "=", 0),
        measured("downloads that steps of the clock began", stage.sources[0].endpoint.asked - asked, "<=", 12),
        measured(f"alert {stage.watch.name} fired", stage.watch.fired, "=", 0),
    ]
