"""What is said of a simulation, wherever it is said."""

from __future__ import annotations

from collections.abc import Iterable

from stella.policy.simulation.model import FindingChanged, LimitResult, PolicySimulated

NONE = "none"  # the policy that decides nothing
TITLES = {
    "max_newly_blocked": "newly blocked",
    "max_unblocked": "unblocked",
    "max_unblocked_kev": "unblocked, known to be exploited",
    "max_changed_percent": "changed",
    "max_per_asset": "changed on one asset",
}


def headline(result: PolicySimulated) -> str:
    """The verdict in a few words."""
    exceeded = [one for one in result.limits if one.exceeded]
    if exceeded:
        return f"failed, {len(exceeded):,} of {len(result.limits):,} limits exceeded"
    return f"passed, all {len(result.limits):,} limits kept"


def sentence(result: PolicySimulated) -> str:
    """What changes, in one sentence."""
    total = result.total
    return (
        f"{total.changed:,} of {result.findings:,} findings change: {total.newly_blocked:,} newly blocked, "
        f"{total.unblocked:,} unblocked, {total.unblocked_kev:,} of them known to be exploited."
    )


def doubts(result: PolicySimulated) -> Iterable[tuple[str, str]]:
    """What makes the counts worth less, each by a name."""
    if not result.findings:
        yield "empty", "Empty: the snapshot has no finding, so nothing was held against the limits."
    if result.degraded:
        yield "degraded", f"Degraded: {result.degraded:,} findings point to something that the snapshot does not have."
    if result.after.undecided:
        yield (
            "undecided",
            (
                f"Undecided: for {result.after.undecided:,} findings a stronger rule cannot be decided "
                f"({result.before.undecided:,} before)."
            ),
        )
    if result.kev_unknown:
        yield (
            "kev",
            (
                f"KEV: of {result.kev_unknown:,} advisories nobody knows whether they are exploited, "
                "for the snapshot has no catalogue."
            ),
        )
    for one in result.environments_missing:
        yield f"environment {one}", f"Limits of the environment {code(one)} hold nothing back: no asset is there."


def warnings(result: PolicySimulated) -> Iterable[str]:
    """What makes the counts worth less, or their making slow."""
    yield from (text for _, text in doubts(result))
    if result.slow:
        yield f"Slow: {', '.join(f'`{one}`' for one in result.slow)} is asked finding by finding."


def about(result: PolicySimulated) -> str:
    """The file that a report speaks of: the proposed policy, or the one that is taken away."""
    return result.before.file if result.after.policy == NONE else result.after.file


def policy_of(result: PolicySimulated) -> str:
    """The policy that a report speaks of."""
    return result.before.policy if result.after.policy == NONE else result.after.policy


def lines(result: PolicySimulated) -> Iterable[str]:
    """What changes, and what makes that worth less."""
    yield sentence(result)
    yield from warnings(result)


def compared(result: PolicySimulated) -> Iterable[tuple[str, str]]:
    """What a simulation was about, by digests."""
    yield "before", f"{code(result.before.file)} `{result.before.digest[:16]}`"
    yield "after", f"{code(result.after.file)} `{result.after.digest[:16]}`"
    yield "snapshot", f"`{result.snapshot[:16]}`"
    yield "as of", result.as_of
    yield "exceptions", f"{result.exceptions:,}"
    yield "assets that change", f"{result.assets_changed:,}"


def code(text: str) -> str:
    """Text from outside as code, whatever is in it."""
    return "`{}`".format(text.replace("`", "'"))


def shifted(one: FindingChanged) -> str:
    """The severity, or what it becomes."""
    same = one.severity_before == one.severity_after
    return one.severity_after if same else f"{one.severity_before} to {one.severity_after}"


def told(one: FindingChanged) -> str:
    """A finding in one line."""
    kev = ", KEV" if one.kev else ""
    return (
        f"{one.asset} ({one.environment}): {one.component}, {one.advisory}, {shifted(one)}{kev}: "
        f"{one.status_before} by {one.rule_before} -> {one.status_after} by {one.rule_after}"
    )


def said(one: LimitResult) -> str:
    """A limit in one line."""
    where = f" on {one.asset}" if one.asset else ""
    verb = "exceeds" if one.exceeded else "keeps"
    return f"{TITLES[one.limit]} in {one.scope}{where}: {one.value} {verb} the limit of {one.allowed}"
