"""The rows of the operation table about drills."""

from __future__ import annotations

from stella.drill import views
from stella.drill.model import (
    Drilled,
    DrillExpiry,
    DrillFlood,
    DrillOutage,
    DrillPool,
    DrillRotation,
    DrillSkew,
)
from stella.kernel.errors import Exit
from stella.operations import Context, operation


def _verdict(result: Drilled) -> Exit:
    return Exit.OK if result.passed else Exit.NEGATIVE


@operation(
    "drill.jwks-outage",
    "POST /v1/drills/jwks-outage",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill jwks-outage\nstella drill jwks-outage --netns --report junit=out/outage.xml",
)
def jwks_outage(ctx: Context, want: DrillOutage) -> Drilled:
    """Let no issuer's key set be fetched for five minutes, under traffic of many tenants.

    Each issuer fails in a way of its own: it refuses, hangs, drips, answers with an error, with garbage, with a
    redirect or with too much. Nobody may be refused while kept keys are valid, and the operator must be told once.
    Then the same with keys that expire: the alert must fire. Ends with 6 when a limit is broken. Time is compressed
    by `--speed`; nothing on this machine is touched.
    """
    from stella.drill import service

    return service.drill(ctx, "jwks-outage", want)


@operation(
    "drill.token-expiry",
    "POST /v1/drills/token-expiry",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill token-expiry",
)
def token_expiry(ctx: Context, want: DrillExpiry) -> Drilled:
    """Let tokens end under traffic, also while no key set can be fetched.

    Clients that renew in time must notice nothing; one that does not must be served to the end of its token and not
    after it. Ends with 6 when a limit is broken.
    """
    from stella.drill import service

    return service.drill(ctx, "token-expiry", want)


@operation(
    "drill.clock-skew",
    "POST /v1/drills/clock-skew",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill clock-skew --json",
)
def clock_skew(ctx: Context, want: DrillSkew) -> Drilled:
    """Let clocks differ by 30 seconds and more, then step the service's clock while no key set can be fetched.

    Half a minute is play and no more is; keys do not expire by a step. Ends with 6 when a limit is broken.
    """
    from stella.drill import service

    return service.drill(ctx, "clock-skew", want)


@operation(
    "drill.kid-flood",
    "POST /v1/drills/kid-flood",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill kid-flood\nstella drill kid-flood --kids 100000 --seconds 10",
)
def kid_flood(ctx: Context, want: DrillFlood) -> Drilled:
    """Present a million tokens with key ids that nobody has.

    They may cause as many downloads as their allowance has. Meanwhile a key is used that was not published ahead, and
    the issuer goes away; tokens with known keys must notice neither. Ends with 6 when a limit is broken.
    """
    from stella.drill import service

    return service.drill(ctx, "kid-flood", want)


@operation(
    "drill.key-rotation",
    "POST /v1/drills/key-rotation",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill key-rotation --speed 50",
)
def key_rotation(ctx: Context, want: DrillRotation) -> Drilled:
    """Rotate keys that are published ahead, use one that is not, and withdraw one.

    The first must go unnoticed, the second take ten seconds at most, and the third be refused once the set is fetched
    again. Ends with 6 when a limit is broken.
    """
    from stella.drill import service

    return service.drill(ctx, "key-rotation", want)


@operation(
    "drill.pool-leak",
    "POST /v1/drills/pool-leak",
    scope="drill:run",
    view=views.drilled,
    long=True,
    verdict=_verdict,
    example="stella drill pool-leak\nstella drill pool-leak --rounds 10000 --seed 7",
)
def pool_leak(ctx: Context, want: DrillPool) -> Drilled:
    """Let two tenants take turns on one connection to PostgreSQL, with errors and kills in the middle.

    No context may survive its transaction, and no answer may hold a row of another tenant or lack one of its own. The
    database is one of the drill's own, from the installed package; it goes away with it. Ends with 6 when a limit is
    broken.
    """
    from stella.drill import service

    return service.pool(ctx, want)
