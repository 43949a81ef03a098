"""jwks-outage: no key set can be fetched for five minutes, in every way in which that can be.

Rules:
- In the first act each issuer fails in a way of its own, and the keys outlive it: nobody may notice but the operator.
- In the second act the keys are allowed to live for less than the outage: the alert must fire then, and only then,
  and everybody must get in again without help once the issuer is back.
"""

from __future__ import annotations

import msgspec

from stella.drill.endpoint import FAULTS
from stella.drill.faults import LOSSES, Kind
from stella.drill.model import Event, Outcome
from stella.drill.rules import PAUSE, measured, share
from stella.drill.stage import Plan, Scene, outcome, staged
from stella.kernel.instant import Seconds

BEFORE: Seconds = 30
RECOVERY: Seconds = PAUSE + 60  # the longest pause between two downloads, and a little for the one
ERRORS = 1.0  # per cent; what is promised for a time without keys
DOWNLOADS = 8  # until the pauses between two are at their longest; by chance they are halved at most


def drill(plan: Plan, outage: Seconds, kind: Kind) -> Outcome:
    """Both acts."""
    ways: tuple[str, ...] = FAULTS if kind == "endpoint" else LOSSES
    left = ways[plan.tenants :]  # an issuer without a tenant is never asked for its keys
    with staged(plan, sources=len(ways) - len(left)) as scene:
        first = _outlived(scene, outage)
    if left:
        note = f"not tried, for lack of tenants: {', '.join(left)}"
        first = msgspec.structs.replace(first, notes=(*first.notes, note))
    with staged(plan, hard=outage * 4 // 5) as scene:
        second = _expired(scene, outage, outage * 4 // 5)
    return _both(first, second)


def _outlived(scene: Scene, outage: Seconds) -> Outcome:
    stage, sources = scene.stage, scene.stage.sources
    scene.run(BEFORE)
    with stage.failing():
        scene.run(outage)
    tried = [stage.counts.total("jwks_fetch_total", issuer=source.name, result="failed") for source in sources]
    recovered = scene.run(RECOVERY, lambda: all(source.events["auth.recovered"] for source in sources))
    requests, errors = stage.requests()
    transitions = [source.events[event] for source in sources for event in ("auth.degraded", "auth.recovered")]
    measures = [
        *scene.common(),
        measured("failed requests while kept keys are valid", scene.failed(), "=", 0),
        measured("errors of all requests", share(errors, requests), "<", ERRORS, "%"),
        measured("answers from stale keys", stage.counts.total("jwks_cache_requests_total", result="stale"), ">", 0),
        measured("events auth.degraded and auth.recovered per issuer, fewest", min(transitions), "=", 1),
        measured("events auth.degraded and auth.recovered per issuer, most", max(transitions), "=", 1),
        measured("issuers in use again", sum(source.events["auth.recovered"] for source in sources), "=", len(sources)),
        measured("seconds until the last issuer is in use again", _since_end(stage.events), "<=", RECOVERY, "s"),
        measured("downloads that failed at one issuer, fewest", min(tried), ">", 0),
        measured("downloads that failed at one issuer, most", max(tried), "<=", DOWNLOADS + outage // PAUSE * 2),
        measured("redirects followed", sum(source.endpoint.followed for source in sources), "=", 0),
        measured(f"alert {stage.watch.name} fired", stage.watch.fired, "=", 0),
    ]
    notes = () if recovered else ("not every issuer was in use again when the drill ended",)
    return outcome(scene, measures, *notes)


def _expired(scene: Scene, outage: Seconds, hard: Seconds) -> Outcome:
    stage = scene.stage
    scene.run(BEFORE)
    with stage.failing():
        scene.run(outage)
    failed = [at for tenant in scene.tenants for at, _ in tenant.failed]
    reasons = {reason for tenant in scene.tenants for _, reason in tenant.failed}
    loaded = min(failed, default=0)
    scene.run(RECOVERY, lambda: stage.sources[0].events["auth.recovered"] > 0)
    back = stage.clock.passed
    scene.run(10)
    events = stage.sources[0].events
    fired = [event.at for event in stage.events if event.name == "alert.fired"]
    measures = [
        measured("with keys that expire: seconds until the first refusal", loaded, ">=", hard, "s"),
        measured("with keys that expire: refused for another reason", len(reasons - {"token.unknown_key"}), "=", 0),
        measured(f"with keys that expire: alert {stage.watch.name} fired", stage.watch.fired, "=", 1),
        measured("with keys that expire: seconds from refusal to alert", fired[0] - loaded if fired else -1, "=", 0),
        measured("with keys that expire: failed requests after recovery", scene.failed(since=back + 1), "=", 0),
        measured("with keys that expire: events auth.degraded", events["auth.degraded"], "=", 1),
        measured("with keys that expire: events auth.recovered", events["auth.recovered"], "=", 1),
    ]
    note = f"{scene.failed():,} requests were refused in the second act, whose keys expire as they must"
    return outcome(scene, measures, note)


def _since_end(events: list[Event]) -> Seconds:
    """Seconds from the end of the outage to the last recovery; more than any limit when there was none."""
    ended = max((event.at for event in events if event.name == "outage.ended"), default=0)
    back = [event.at for event in events if event.name == "auth.recovered"]
    return max(max(back) - ended, 0) if back else RECOVERY + 1


def _both(first: Outcome, second: Outcome) -> Outcome:
    """One after the other on one clock."""
    later = tuple(Event(event.at + first.seconds, event.name, event.detail) for event in second.events)
    return Outcome(
        measures=(*first.measures, *second.measures),
        events=(*first.events, *later),
        requests=first.requests + second.requests,
        errors=first.errors + second.errors,
        seconds=first.seconds + second.seconds,
        notes=(*first.notes, *second.notes),
    )
