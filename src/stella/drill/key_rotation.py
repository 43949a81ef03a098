"""key-rotation: keys that are published ahead, keys that are not, and one that is withdrawn.

Rules:
- A key that was published as long ahead as the issuer's `max-age` says is known when it is first used, and nobody
  notices; published longer ahead, also when the issuer could not be reached at first. Its predecessor stays published
  while its tokens live.
- A key that is used unannounced is accepted within one interval of the bucket, even when the bucket is empty.
- A key that is taken out of the set is refused as soon as the set is fetched again, whatever was kept.
"""

from __future__ import annotations

import contextlib

from stella.drill.kid_flood import Probe
from stella.drill.model import Measure, Outcome
from stella.drill.rules import BURST, INTERVAL, PLAY, measured
from stella.drill.stage import LIFE, MAX_AGE, OK, Plan, Scene, Stage, outcome, resigned, staged
from stella.kernel.instant import Seconds
from stella.tenancy.model import Presented

MOMENT: Seconds = 10  # a set is fetched when it is stale, and that takes a moment
# How long ahead a key is published, and for how much of that no set can be fetched.
AHEAD: tuple[tuple[Seconds, Seconds], ...] = ((MAX_AGE + MOMENT, 0), (3 * MAX_AGE, MAX_AGE + MOMENT))
RETIRED: Seconds = LIFE + PLAY  # a key stays published for so long after its last token
WITHDRAWN: Seconds = MAX_AGE + MOMENT


def drill(plan: Plan) -> Outcome:
    """Keys published ahead, then one that is not, then one withdrawn."""
    probes: list[Probe] = []

    def more(stage: Stage) -> list[Probe]:
        probes.append(Probe(stage))
        return probes

    with staged(plan, more=more) as scene:
        scene.run(10)
        for lead, lost in AHEAD:
            _ahead(scene, lead, lost)
        failed = scene.failed()
        measures = [
            *scene.common(),
            measured(f"failed requests in {len(AHEAD)} rotations that were published ahead", failed, "=", 0),
            *_unannounced(scene, probes[0]),
            *_withdrawn(scene),
            measured("failed requests of tenants in all", scene.failed(), "=", 0),
        ]
        return outcome(scene, measures)


def _ahead(scene: Scene, lead: Seconds, lost: Seconds) -> None:
    """Publish, use after the lead, and retire the old key when its last token has ended."""
    stage, source = scene.stage, scene.stage.sources[0]
    old, new = source.key, stage.new_key()
    source.use(old, old, new)
    stage.happened("key.published", "ahead")
    with stage.failing() if lost else contextlib.nullcontext():
        scene.run(lost)
    scene.run(lead - lost)
    source.use(new, old, new)
    stage.happened("key.used")
    scene.run(RETIRED)
    source.use(new, new)
    stage.happened("key.retired")


def _unannounced(scene: Scene, probe: Probe) -> list[Measure]:
    """Use a key in the second in which it is published, when the allowance for unknown ids is spent."""
    stage, source = scene.stage, scene.stage.sources[0]
    asked = source.endpoint.asked
    for number in range(2 * BURST):
        stage.handle(Presented(resigned(source.key, stage.token(source, "tenant-01"), {}, f"guessed-{number}")))
    spent = source.endpoint.asked - asked
    fresh = stage.new_key()
    source.use(source.key, source.key, fresh)
    probe.begin(fresh)
    stage.happened("key.used", "not published ahead")
    scene.run(INTERVAL + 5)
    found = INTERVAL + 5 if probe.accepted is None else probe.accepted
    return [
        measured(f"downloads for {2 * BURST} guessed key ids", spent, "<=", BURST),
        measured("seconds until a key that was not published ahead is accepted", found, "<=", INTERVAL, "s"),
        measured("its tokens refused after the first was accepted", probe.lost, "=", 0),
    ]


def _withdrawn(scene: Scene) -> list[Measure]:
    """Take a key out that has signed a token which lives on."""
    stage, source = scene.stage, scene.stage.sources[0]
    stolen, fresh = source.key, stage.new_key()
    source.endpoint.publish(stolen, fresh)
    scene.run(MAX_AGE + MOMENT)
    held = Presented(stage.token(source, "tenant-01"))
    served = [stage.handle(held).status == OK]
    source.use(fresh, fresh)
    stage.happened("key.withdrawn")

    def look() -> bool:
        served.append(stage.handle(held).status == OK)
        return served[-INTERVAL:].count(False) == INTERVAL

    scene.run(WITHDRAWN + INTERVAL, look)
    refused = served.index(False) if False in served else 2 * WITHDRAWN
    return [
        measured("seconds until a withdrawn key is refused", refused, "<=", WITHDRAWN, "s"),
        measured("seconds in which a key that was not withdrawn is served", refused, ">", 0, "s"),
        measured("tokens of a withdrawn key served after that", sum(served[refused:]), "=", 0),
    ]
