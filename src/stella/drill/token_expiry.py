"""token-expiry: tokens end under traffic, also while no key set can be fetched.

Rules:
- A client that renews in time notices nothing. One that does not is served to the end of its token and never after it
  and the play of 30 seconds, whatever is kept of an earlier good answer.
"""

from __future__ import annotations

from stella.drill.model import Measure, Outcome
from stella.drill.rules import LONGEST_LIFE, PLAY, measured
from stella.drill.stage import LIFE, OK, Plan, Scene, Stage, outcome, staged
from stella.kernel.instant import Seconds
from stella.tenancy.model import Presented

LIVES = 3  # of a token; the traffic goes on for so long
STRANGER = "tenant-late"


class Stubborn:
    """A client that never renews its token; when each request was answered, counted from the end of the token."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._token, self._ends = "", 0
        self.answers: list[tuple[Seconds, int, str]] = []

    def __call__(self) -> None:
        """Send one request."""
        stage = self._stage
        if not self._token:
            self._token, self._ends = stage.token(stage.sources[0], STRANGER), stage.clock.now + LIFE
        answer = stage.handle(Presented(self._token))
        self.answers.append((stage.clock.now - self._ends, answer.status, answer.reason))


def drill(plan: Plan) -> Outcome:
    """Three lives of a token; in the second one no key set can be fetched."""
    late: list[Stubborn] = []

    def more(stage: Stage) -> list[Stubborn]:
        late.append(Stubborn(stage))
        return late

    with staged(plan, more=more) as scene:
        scene.run(LIFE)
        with scene.stage.failing():
            scene.run(LIFE)
        scene.run((LIVES - 2) * LIFE)
        return outcome(scene, [*scene.common(), *_of_tenants(scene), *_of_the_late(scene, late[0])])


def _of_tenants(scene: Scene) -> list[Measure]:
    stage, lives = scene.stage, {"over": LONGEST_LIFE + 1, "back": -1}
    odd = {name: _status(stage, iat=stage.clock.now, exp=stage.clock.now + life) for name, life in lives.items()}
    return [
        measured("failed requests of clients that renew in time", scene.failed(), "=", 0),
        measured(f"a life of {LONGEST_LIFE + 1} s is served", odd["over"] == OK, "=", 0),
        measured("an end before the beginning is served", odd["back"] == OK, "=", 0),
    ]


def _of_the_late(scene: Scene, late: Stubborn) -> list[Measure]:
    before = [status for at, status, _ in late.answers if at < 0]
    after = [(status, reason) for at, status, reason in late.answers if at >= PLAY]
    last = max((at for at, status, _ in late.answers if status == OK), default=-LIFE)
    refused = sum(status != OK for _, status, _ in late.answers)
    counted = scene.stage.counts.total("token_verify_failures_total", reason="token.expired")
    return [
        measured("a token is refused before its end", sum(status != OK for status in before), "=", 0),
        measured(f"an ended token is served {PLAY} s after its end or later", _served(after), "=", 0),
        measured("seconds after its end that a token was served last", last, "<", PLAY, "s"),
        measured("requests with an ended token", len(after), ">", 0),
        measured("refused for another reason than token.expired", _others(after), "=", 0),
        measured("refusals that the metric lacks", refused - counted, "=", 0),
    ]


def _served(answers: list[tuple[int, str]]) -> int:
    return sum(status == OK for status, _ in answers)


def _others(answers: list[tuple[int, str]]) -> int:
    return sum(status != OK and reason != "token.expired" for status, reason in answers)


def _status(stage: Stage, **claims: object) -> int:
    return stage.handle(Presented(stage.token(stage.sources[0], STRANGER, **claims))).status
