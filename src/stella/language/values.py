"""What an expression is before it is compared: one of few kinds of values, each with what it needs."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from stella.language.model import Condition, Part, Sum
from stella.language.names import Column


class Truthy(NamedTuple):
    """A condition. `column` when it is nothing but a flag."""

    condition: Condition
    column: Column | None = None


class Numeric(NamedTuple):
    """A sum; a constant has no parts. `column` when it is nothing but that one."""

    sum: Sum
    column: Column | None = None
    default: int | None = None


class Worded(NamedTuple):
    """A column with a closed list of words."""

    column: Column
    default: str | None = None


class Banded(NamedTuple):
    """The severity band of a sum."""

    sum: Sum


class Textual(NamedTuple):
    """A column of texts, maybe in lower case."""

    column: Column
    lower: bool = False
    default: str | None = None


class Plural(NamedTuple):
    """A column of sets of texts."""

    column: Column
    lower: bool = False


class Dated(NamedTuple):
    """A column of instants."""

    column: Column


class AsOf(NamedTuple):
    """The instant that the run is about."""


class Outcome(NamedTuple):
    """What was decided; in invariants only."""

    attribute: Literal["status", "severity"]


class Said(NamedTuple):
    """A string."""

    text: str


class Null(NamedTuple):
    """`null`."""


class Items(NamedTuple):
    """A list of strings."""

    texts: tuple[str, ...]


class Unknown(NamedTuple):
    """A name that does not exist, or something wrong that has been said already."""


class Profiled(NamedTuple):
    """A profile: the parts of its weights by name, and its numbers."""

    parts: dict[str, Part]
    numbers: dict[str, int]


Value: TypeAlias = (
    Truthy | Numeric | Worded | Banded | Textual | Plural | Dated | AsOf | Outcome | Said | Null | Items | Unknown
)

NOUNS: dict[type, str] = {
    Truthy: "a condition",
    Numeric: "a number",
    Worded: "a word",
    Banded: "a severity",
    Textual: "a text",
    Plural: "a set of texts",
    Dated: "an instant",
    AsOf: "an instant",
    Outcome: "an outcome",
    Said: "a string",
    Null: "`null`",
    Items: "a list",
    Unknown: "something unknown",
}
