"""What the operations about the life of a policy take and give.

Rules:
- A version is named by its policy and its number, such as `P-7@3`; it never changes. What moves is its state.
- Who did what is said by names; times are RFC 3339 in UTC.
- The names in the decision of a gate are those of the contract with whoever asks it, so they are in camel case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stella.operations import Reason, Ticket, arg

MAX_SOURCE = 1024 * 1024  # bytes of a policy's text; the parser takes no more

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000), arg("Rows of a page, at most 1000.", metavar="N")]
Cursor = Annotated[str | None, arg("Where the page before ended: its `next`.", metavar="CURSOR")]
PolicyId = Annotated[str, arg("Id of the policy, such as P-7.", positional=True, metavar="POLICY")]
Number = Annotated[int, msgspec.Meta(ge=1, le=1_000_000), arg("Number of the version.", metavar="N")]
Newest = Annotated[int | None, arg("Number of a version; the newest.", metavar="N")]
Env = Annotated[str, arg("Environment, such as prod.", metavar="ENV")]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100), arg("Share of the assets, in percent.", metavar="PERCENT")]
Level = Literal["patch", "minor", "major"]
Template = Literal["baseline", "serverless", "blank"]
Said = Annotated[str, msgspec.Meta(max_length=1000), arg("Why, for the history.", metavar="TEXT")]


class State(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    ACTIVE = "active"
    ARCHIVED = "archived"


class Event(StrEnum):
    """What can happen to a version. `supersede` and `return` follow from what happened to another one."""

    SUBMIT = "submit"
    REVIEW = "review"
    APPROVE = "approve"
    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETURN = "return"
    SUPERSEDE = "supersede"
    ARCHIVE = "archive"


class CreatePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """Request of policy.create."""

    policy: PolicyId
    name: Annotated[str, msgspec.Meta(max_length=200), arg("Name for people.", metavar="TEXT")] = ""
    file: Annotated[str | None, arg("Begin with the text of a file.", "file_in", metavar="FILE")] = None
    template: Annotated[Template | None, arg("Begin with a template.")] = None
    source: Annotated[str | None, arg("Begin with a version of a policy, such as P-7@3.", metavar="VERSION")] = None


class BumpPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.bump."""

    policy: PolicyId
    file: Annotated[str, arg("The new text.", "file_in", positional=True, metavar="FILE")]
    level: Annotated[Level, arg("How much has changed.")] = "patch"


class ListPolicies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.list."""

    limit: Limit = 50
    cursor: Cursor = None


class ShowPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.show."""

    policy: PolicyId
    version: Newest = None


class DiffPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.diff."""

    policy: PolicyId
    old: Annotated[int, msgspec.Meta(ge=1, le=1_000_000), arg("Number of the earlier version.", metavar="N")]
    new: Newest = None


class SubmitPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.submit."""

    policy: PolicyId
    version: Number
    shadow: Annotated[bool, arg("Ask for a shadow run, when its settings do not.")] = False
    reason: Said = ""


class ReviewPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.review."""

    policy: PolicyId
    version: Number
    reason: Reason


class DecidePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.approve, policy.publish and policy.archive."""

    policy: PolicyId
    version: Number
    reason: Reason
    ticket: Ticket


class PromotePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.promote."""

    policy: PolicyId
    version: Number
    env: Env
    reason: Reason
    ticket: Ticket
    canary: Percent = 100
    inputs: Annotated[str, arg("Digest of the frozen inputs that the evidence must be about.", metavar="SHA256")] = ""


class ActivatePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.activate."""

    policy: PolicyId
    version: Number
    env: Env
    reason: Reason
    ticket: Ticket
    inputs: Annotated[str, arg("Digest of the frozen inputs that the evidence must be about.", metavar="SHA256")] = ""


class RollbackPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.rollback."""

    policy: PolicyId
    to: Number
    env: Env
    reason: Reason
    ticket: Ticket
    incident: Annotated[str, msgspec.Meta(max_length=200), arg("Id of the incident.", metavar="ID")] = ""


class ObservePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.observe."""

    policy: PolicyId
    env: Env
    transition: Annotated[
        tuple[str, ...], arg("From which rule to which, and how many; may be given again.", metavar="FROM>TO=N")
    ] = ()
    tripped: Annotated[tuple[str, ...], arg("Limit that was exceeded; may be given again.", metavar="LIMIT")] = ()


class ListHistory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of policy.history."""

    policy: PolicyId
    limit: Limit = 50
    cursor: Cursor = None


class AskGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Request of policy.gate."""

    tenant_id: Annotated[str, arg("The tenant, which is that of whoever asks.", metavar="TENANT")]
    promotion_id: Annotated[str, arg("What the promotion is called.", metavar="ID")]
    target_environment: Annotated[str, arg("Environment.", metavar="ENV")]
    artifact_digest: Annotated[str, arg("What is to be promoted.", metavar="SHA256")]
    evidence_ref: Annotated[str, arg("Evidence about it, by its digest.", metavar="SHA256")]
    policy_bundle_digest: Annotated[str, arg("The policy that is to decide.", metavar="SHA256")]


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version without its text."""

    policy: str
    version: int
    label: str
    state: State
    ir_sha256: str
    shadow: bool
    based_on: int | None
    created: str
    author: str


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """The last that was found out of a kind."""

    kind: str
    digest: str
    verdict: str
    inputs: str
    made: str


class PlacementRow(msgspec.Struct, frozen=True, kw_only=True):
    """What decides in an environment: `version`, and for a share of the assets `canary`."""

    env: str
    version: int | None
    canary: int | None
    percent: int
    since: str


class VersionFacts(VersionRow, frozen=True, kw_only=True):
    """A version with all that is known of it; `allowed` is what can be done with it now."""

    name: str
    allowed: tuple[str, ...]
    evidence: tuple[EvidenceRow, ...]
    placements: tuple[PlacementRow, ...]
    source: str


class PolicyCreated(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.create@1"):
    """Result of policy.create."""


class PolicyBumped(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.bump@1"):
    """Result of policy.bump."""


class PolicyShown(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.show@1"):
    """Result of policy.show; `versions` are all of them, the newest first."""

    versions: tuple[VersionRow, ...]


class PolicyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A policy in a list: its newest version, and the newest of those that are active."""

    policy: str
    name: str
    version: int
    label: str
    state: State
    active: int | None


class PoliciesListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.list@1"):
    """Result of policy.list, by id; `next` is the cursor of the page behind, None on the last one."""

    policies: tuple[PolicyRow, ...]
    next: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not the same in two versions; `fields` are what has changed of it."""

    kind: Literal["added", "changed", "removed"]
    what: Literal["rule", "invariant", "profile", "settings", "metadata"]
    name: str
    fields: tuple[str, ...] = ()


class PolicyDiffed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.diff@1"):
    """Result of policy.diff."""

    policy: str
    old: int
    new: int
    old_sha256: str
    new_sha256: str
    changes: tuple[Change, ...]


class PolicySubmitted(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.submit@1"):
    """Result of policy.submit."""


class PolicyReviewed(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.review@1"):
    """Result of policy.review."""


class PolicyApproved(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.approve@1"):
    """Result of policy.approve."""


class PolicyPublished(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.publish@1"):
    """Result of policy.publish."""


class PolicyArchived(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.archive@1"):
    """Result of policy.archive."""


class Decided(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a gate says. Reasons are sorted; without one it allows."""

    decision: Literal["allow", "deny", "pending"]
    reason_codes: tuple[str, ...]
    policy_digest: str
    determinism_hash: str
    evaluated_at_utc: str


class GateAsked(Decided, frozen=True, kw_only=True, rename="camel", tag_field="schema", tag="stella.policy.gate@1"):
    """Result of policy.gate."""


class Placed(VersionFacts, frozen=True, kw_only=True):
    """A version that was placed, and what the gate said."""

    env: str
    gate: Decided


class PolicyPromoted(Placed, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.promote@1"):
    """Result of policy.promote."""


class PolicyActivated(Placed, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.activate@1"):
    """Result of policy.activate."""


class PolicyRolledBack(VersionFacts, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.rollback@1"):
    """Result of policy.rollback."""

    env: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A transition of which another number was seen than was foretold."""

    transition: str
    predicted: int
    observed: int


class PolicyObserved(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.observe@1"):
    """Result of policy.observe: whether the canary goes on, and what speaks against it."""

    policy: str
    env: str
    canary: int
    percent: int
    rolled_back: bool
    differences: tuple[Difference, ...]
    tripped: tuple[str, ...]


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a version."""

    number: int
    version: int
    event: str
    before: str | None
    state: str
    actor: str
    reason: str
    ticket: str
    evidence: tuple[str, ...]
    at: str


class HistoryListed(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.policy.history@1"):
    """Result of policy.history, the newest first."""

    policy: str
    rows: tuple[HistoryRow, ...]
    next: str | None
