"""A checked policy: what is left of a text when names are resolved, types are right, and numbers are integers.

Rules:
- These few types are all that the interpreter, the plan and the solver know; nothing else can be said by a policy.
- A condition is true, false or unknown (Kleene's strong logic). A test of what is missing is unknown, and so is its
  negation; only `Present` is always known.
- Numbers are micros, instants are seconds since 1970 in UTC.
- Rules are in the order in which they are asked: by priority, then by name in the order of its bytes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

SYNTAX = "stella-dsl@1"
Operator = Literal["<", "<=", ">", ">=", "==", "!="]


class _Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="is"):
    """A node: its JSON names its kind in `is`."""


class Constant(_Node, frozen=True, tag="constant"):
    """Always the same: true, false, or unknown, as a test of a name that does not exist."""

    value: bool | None


class All(_Node, frozen=True, tag="all"):
    """False when one is false, else unknown when one is unknown, else true."""

    items: tuple[Condition, ...]


class Any(_Node, frozen=True, tag="any"):
    """True when one is true, else unknown when one is unknown, else false."""

    items: tuple[Condition, ...]


class Not(_Node, frozen=True, tag="not"):
    """The opposite; unknown stays unknown."""

    item: Condition


class Flagged(_Node, frozen=True, tag="flag"):
    """A flag is 1. `default` stands for a missing one."""

    column: str
    default: bool | None = None


class OneOf(_Node, frozen=True, tag="one-of"):
    """A text or word is among some, in the order of their bytes; with `lower` its lower-case form is."""

    column: str
    words: tuple[str, ...]
    lower: bool = False
    default: str | None = None


class StartsWith(_Node, frozen=True, tag="starts-with"):
    """A text begins like this."""

    column: str
    prefix: str
    lower: bool = False
    default: str | None = None


class Ranked(_Node, frozen=True, tag="ranked"):
    """A word of an ordered kind stands so to another one; `<`, `<=`, `>`, `>=` only."""

    column: str
    operator: Operator
    word: str
    default: str | None = None


class Has(_Node, frozen=True, tag="has"):
    """A set of texts has one of these; an empty set is known to have none."""

    column: str
    words: tuple[str, ...]
    lower: bool = False


class Present(_Node, frozen=True, tag="present"):
    """A column is not missing."""

    column: str


class Addend(_Node, frozen=True, tag="addend"):
    """`factor` (micros) times a decimal column, divided by MICRO and rounded toward minus infinity."""

    column: str
    factor: int
    default: int | None = None


class Mapped(_Node, frozen=True, tag="mapped"):
    """A weight for a text: that of its word, 0 for any other text, missing for a missing one."""

    column: str
    weights: tuple[tuple[str, int], ...]


class Adjusted(_Node, frozen=True, tag="adjusted"):
    """The sum of the weights whose condition is true; missing when one condition is unknown. One dimension only."""

    cases: tuple[tuple[Condition, int], ...]


Part: TypeAlias = Addend | Mapped | Adjusted


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`constant` and the sum of the parts, in micros; missing when a part is.

    With `low` and `high` it is clamped into them.
    """

    parts: tuple[Part, ...]
    constant: int = 0
    low: int | None = None
    high: int | None = None


class Compared(_Node, frozen=True, tag="compared"):
    """A sum stands so to a bound in micros. Its parts may belong to several dimensions."""

    sum: Sum
    operator: Operator
    bound: int


class Before(_Node, frozen=True, tag="before"):
    """The instant that the run is about comes before an instant: a column's, or a given one in seconds."""

    column: str | None = None
    instant: int | None = None


class Some(_Node, frozen=True, tag="some"):
    """`vex.any`: the condition is true of a statement. Of no statement at all it is false.

    True when it is true of one, else unknown when it is unknown of one, else false.
    """

    item: Condition


class Every(_Node, frozen=True, tag="every"):
    """`vex.all`: the condition is true of every statement. Of no statement at all it is unknown.

    False when it is false of one, else unknown when it is unknown of one, else true.
    """

    item: Condition


class OutcomeIs(_Node, frozen=True, tag="outcome"):
    """What the policy decided is one of these words; in invariants only."""

    attribute: Literal["status", "severity"]
    words: tuple[str, ...]


Leaf: TypeAlias = Flagged | OneOf | StartsWith | Ranked | Has | Present | Compared | Before | Some | Every | OutcomeIs
Condition: TypeAlias = (
    Constant
    | All
    | Any
    | Not
    | Flagged
    | OneOf
    | StartsWith
    | Ranked
    | Has
    | Present
    | Compared
    | Before
    | Some
    | Every
    | OutcomeIs
)


class SetStatus(_Node, frozen=True, tag="status"):
    """Decide the status."""

    word: str


class SetSeverity(_Node, frozen=True, tag="severity"):
    """Decide the severity: a word."""

    word: str


class BandSeverity(_Node, frozen=True, tag="severity-band"):
    """Decide the severity: the CVSS 3.1 band of a sum (section 5: None 0, Low 0.1, Medium 4, High 7, Critical 9)."""

    sum: Sum


class Ignore(_Node, frozen=True, tag="ignore"):
    """Decide the status `ignored`, as long as the run is before an instant."""

    until: Before


class Annotate(_Node, frozen=True, tag="annotate"):
    """Say something about the finding; every rule that matches is heard."""

    key: str
    value: str


class Warn(_Node, frozen=True, tag="warn"):
    """Warn about the finding, whatever its status."""

    message: str


class RequireVex(_Node, frozen=True, tag="require-vex"):
    """Ask for a statement of one of these vendors with one of these justifications; an empty list asks for any."""

    vendors: tuple[str, ...]
    justifications: tuple[str, ...]


Action: TypeAlias = SetStatus | SetSeverity | BandSeverity | Ignore | Annotate | Warn | RequireVex


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the condition is true `then` is done, when it is false `otherwise`, and nothing while it is unknown."""

    name: str
    priority: int
    when: Condition
    then: tuple[Action, ...]
    otherwise: tuple[Action, ...]
    because: str


class Invariant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whenever `given` is true, `then` must be true, of whatever finding."""

    name: str
    given: Condition
    then: Condition


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a policy says about itself: other keys than these two are in `more`."""

    description: str = ""
    tags: tuple[str, ...] = ()
    more: tuple[tuple[str, str], ...] = ()


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`settings`: whether it only watches, and the status of what no rule decides."""

    shadow: bool = False
    default_status: str = "affected"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weights that are added to a score, and named numbers."""

    name: str
    parts: tuple[Part, ...]
    scalars: tuple[tuple[str, int], ...]


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as it counts; its canonical JSON is its identity."""

    policy_id: str
    syntax: str
    metadata: Metadata
    settings: Options
    profiles: tuple[Profile, ...]
    rules: tuple[Rule, ...]
    invariants: tuple[Invariant, ...]


class ExceptionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision of somebody about some findings that holds for a time and goes before every rule.

    `expires` is in seconds since 1970; None is an approved permanent one.
    """

    name: str
    when: Condition
    status: str
    justification: str
    author: str
    expires: int | None = None
