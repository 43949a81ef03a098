"""The operations of `drill` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from stella.client.remote import Caller
from stella.drill.model import Drilled, DrillExpiry, DrillFlood, DrillOutage, DrillPool, DrillRotation, DrillSkew


class DrillCalls:
    """The operations of `drill` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def jwks_outage(
        self,
        *,
        tenants: int = 10,
        seed: int = 0,
        report: tuple[str, ...] = (),
        speed: int = 100,
        netns: bool = False,
        outage: str = "5m",
    ) -> Drilled:
        """Let no issuer's key set be fetched for five minutes, under traffic of many tenants."""
        return self._call(
            "drill.jwks-outage",
            DrillOutage(tenants=tenants, seed=seed, report=report, speed=speed, netns=netns, outage=outage),
            Drilled,
        )

    def token_expiry(
        self, *, tenants: int = 10, seed: int = 0, report: tuple[str, ...] = (), speed: int = 100, netns: bool = False
    ) -> Drilled:
        """Let tokens end under traffic, also while no key set can be fetched."""
        return self._call(
            "drill.token-expiry",
            DrillExpiry(tenants=tenants, seed=seed, report=report, speed=speed, netns=netns),
            Drilled,
        )

    def clock_skew(
        self, *, tenants: int = 10, seed: int = 0, report: tuple[str, ...] = (), speed: int = 100, netns: bool = False
    ) -> Drilled:
        """Let clocks differ by 30 seconds and more, then step the service's clock while no key set can be fetched."""
        return self._call(
            "drill.clock-skew", DrillSkew(tenants=tenants, seed=seed, report=report, speed=speed, netns=netns), Drilled
        )

    def kid_flood(
        self,
        *,
        tenants: int = 10,
        seed: int = 0,
        report: tuple[str, ...] = (),
        speed: int = 100,
        netns: bool = False,
        kids: int = 1000000,
        seconds: int = 60,
    ) -> Drilled:
        """Present a million tokens with key ids that nobody has."""
        return self._call(
            "drill.kid-flood",
            DrillFlood(tenants=tenants, seed=seed, report=report, speed=speed, netns=netns, kids=kids, seconds=seconds),
            Drilled,
        )

    def key_rotation(
        self, *, tenants: int = 10, seed: int = 0, report: tuple[str, ...] = (), speed: int = 100, netns: bool = False
    ) -> Drilled:
        """Rotate keys that are published ahead, use one that is not, and withdraw one."""
        return self._call(
            "drill.key-rotation",
            DrillRotation(tenants=tenants, seed=seed, report=report, speed=speed, netns=netns),
            Drilled,
        )

    def pool_leak(
        self, *, tenants: int = 10, seed: int = 0, report: tuple[str, ...] = (), rounds: int = 400
    ) -> Drilled:
        """Let two tenants take turns on one connection to PostgreSQL, with errors and kills in the middle."""
        return self._call(
            "drill.pool-leak", DrillPool(tenants=tenants, seed=seed, report=report, rounds=rounds), Drilled
        )
