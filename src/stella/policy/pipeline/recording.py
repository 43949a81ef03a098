"""What all checks have found about a stored version becomes evidence for its gate.

Rules:
- What was checked is that version: the identities are compared before the work, and with each piece of evidence again.
- A step that failed is recorded as failed; one that was not done is not recorded, and never counts as passed.
- A simulation is recorded over inputs that are frozen with it, so over a snapshot of today alone. The transitions of
  each asset are kept with it: what a canary is held against.
- The same plan is evaluated twice, by two backends with different numbers of threads: one hash, or it has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stella.engine.evaluate import determinism, evaluate
from stella.engine.plan import compile as plan_of
from stella.kernel.instant import Instant
from stella.language.ir import digest
from stella.operations import Context
from stella.policy import attested, evidence, exceptions, inputs, promotion, records, results, rules
from stella.policy.errors import OtherPolicy
from stella.policy.inputs import Inputs
from stella.policy.pipeline.model import Recorded
from stella.policy.records import Version
from stella.policy.rules import BAD, DEGRADED, GOOD, Evidence
from stella.policy.simulation.simulating import Compared
from stella.policy.text.model import Linted, PolicyLinted
from stella.policy.trial.model import PolicyTested, PolicyTrial

LEAST = 80  # percent of the terms that fixtures must reach before a version decides


def version_of(ctx: Context, reference: str, linted: PolicyLinted) -> tuple[Version, str]:
    """The version that evidence is about, and the file that was checked; raises OtherPolicy, or as reading it."""
    with ctx.tenant() as t:
        found = records.version(t, *rules.parse_reference(reference))
    found.checked()
    files: Sequence[Linted] = [one for one in linted.files if one.digest]
    mine = next((one.file for one in files if one.digest == found.digest), None)
    if mine is None:
        other = files[0].digest if files else "none that compiles"
        raise OtherPolicy(version=found.name, found=other, expected=found.digest)
    return found, mine


def lint(ctx: Context, found: Version, linted: PolicyLinted) -> Recorded:
    """What the lint said."""
    return _record(ctx, found, "lint", linted.verdict == "passed", results.put(ctx, linted))


def tests(ctx: Context, found: Version, tested: PolicyTested, file: str, least: int) -> Iterator[Recorded]:
    """What fixtures said, and how much of the policy they reach."""
    mine: PolicyTrial = next(one for one in tested.policies if one.file == file)
    kept = results.put(ctx, mine)
    good = not {"fixtures_missing", "fixture_failed"} & set(mine.reasons)
    yield _record(ctx, found, "fixtures", good, kept)
    low = {"coverage_low", "score_low"} & set(mine.reasons)
    yield _record(ctx, found, "coverage", not low and mine.coverage >= max(LEAST, least), kept)


def simulation(ctx: Context, found: Version, made: Compared) -> Iterator[Recorded]:
    """What a simulation found, with the transitions of each asset; and whether two backends say the same."""
    if digest(made.after) != found.digest:
        raise OtherPolicy(version=found.name, found=digest(made.after), expected=found.digest)
    frozen = inputs.freeze_snapshot(ctx, made.head)
    doubtful = made.result.degraded or made.result.after.undecided
    verdict = BAD if made.result.reason else DEGRADED if doubtful else GOOD
    assets = made.comparison.by_asset()
    simulated = promotion.Simulated(digest(made.before), found.digest, assets, exceptions.named(made.excepted))
    kept = promotion.keep_simulation(ctx, found.name, simulated, frozen.digest, verdict)
    yield Recorded("simulation", verdict, kept)
    yield _determinism(ctx, found, made, frozen)


def signature(ctx: Context, found: Version, attestation: str) -> Recorded:
    """A signature, verified against what this installation trusts; raises as `attested.verified`."""
    said = attested.verified(ctx, found, attestation)
    evidence.record(ctx, found.name, found.digest, said)
    return Recorded(said.kind, said.verdict, said.digest)


def _determinism(ctx: Context, found: Version, made: Compared, frozen: Inputs) -> Recorded:
    board = made.comparison.board
    plan = plan_of(made.after, made.excepted, found.digest)
    hashes = [
        determinism(evaluate(plan, board, board.as_of, backend="numpy", threads=1)),
        determinism(evaluate(plan, board, board.as_of, backend="polars")),
    ]
    said = BAD if len(set(hashes)) > 1 else GOOD
    kept = results.put(ctx, {"backends": ["numpy", "polars"], "hashes": hashes, "version": found.name})
    one = Evidence("determinism", kept, said, _now(ctx), frozen.digest, hashes[0])
    evidence.record(ctx, found.name, found.digest, one)
    return Recorded(one.kind, one.verdict, kept)


def _record(ctx: Context, found: Version, kind: str, good: bool, kept: str) -> Recorded:  # noqa: FBT001  # a verdict
    one = Evidence(kind, kept, GOOD if good else BAD, _now(ctx))
    evidence.record(ctx, found.name, found.digest, one)
    return Recorded(kind, one.verdict, kept)


def _now(ctx: Context) -> Instant:
    return records.now_of(ctx)
