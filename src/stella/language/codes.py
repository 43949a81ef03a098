"""The codes of diagnostics: what each is called, how bad it is, and what to do about it.

Rules:
- A code never changes its meaning. Families: 1 syntax, 2 types, 3 proved logic, 4 cost and style, 5 governance.
- An error keeps a policy from being compiled; with `--strict` a warning does too.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["error", "warning", "note"]


class Code(NamedTuple):
    """A code: `what` in a few words, `why` it matters, and what to do instead."""

    code: str
    level: Level
    name: str
    what: str
    why: str
    fix: str


def _codes(*codes: Code) -> dict[str, Code]:
    return {code.code: code for code in codes}


CODES: dict[str, Code] = _codes(
    Code(
        "POL1001",
        "error",
        "unexpected-token",
        "The text is not what the grammar expects here.",
        "Nothing is guessed of a policy: what cannot be read decides nothing.",
        "Write what the message names; the reference of the language has the grammar.",
    ),
    Code(
        "POL1002",
        "error",
        "broken-text",
        "A string or comment has no end, or the file is not UTF-8.",
        "Everything behind it would be read as part of it.",
        "Close it, or save the file as UTF-8.",
    ),
    Code(
        "POL1003",
        "error",
        "duplicate-block",
        "A block or a key is there twice.",
        "Which of two counts must never depend on the reader.",
        "Keep one of them; another policy goes into another file.",
    ),
    Code(
        "POL1004",
        "error",
        "too-deep",
        "Expressions are nested too deep, or the file is too long.",
        "Work on a hostile text has a bound.",
        "Split the condition into several rules.",
    ),
    Code(
        "POL2001",
        "error",
        "unknown-name",
        "No name, function, action or setting is called so.",
        "A test of a name that does not exist is unknown for every finding, so its rule never decides.",
        "Use the name that the message proposes, or one of the reference.",
    ),
    Code(
        "POL2002",
        "error",
        "type-mismatch",
        "A value of another type is needed here.",
        "A comparison across types has no answer.",
        "Compare with a value of the type that the message names.",
    ),
    Code(
        "POL2003",
        "error",
        "unknown-word",
        "This is not one of the words that the name can have.",
        "The test would be false for ever.",
        "Use one of the words; they are written exactly so.",
    ),
    Code(
        "POL2004",
        "error",
        "outside-the-domain",
        "A threshold is outside of what the name can be.",
        "The test would always, or never, hold: mostly a percentage where a share is meant.",
        "Use a threshold inside of the domain: EPSS and trust are 0 to 1, CVSS is 0 to 10.",
    ),
    Code(
        "POL2005",
        "error",
        "no-reason",
        "A rule that decides a status or a severity says no `because`.",
        "Who is blocked, or let through, is told why.",
        'Add `because "..."`.',
    ),
    Code(
        "POL2006",
        "error",
        "duplicate-name",
        "Two rules, or two invariants, have one name.",
        "Reports and exceptions name a rule; a name must mean one.",
        "Rename one of them.",
    ),
    Code(
        "POL2007",
        "error",
        "outside-world",
        "A policy reads no clock, file, network, environment or chance.",
        "The same input must always get the same decision.",
        "Use `as_of`, the instant that the run is about, or let the inventory bring the value.",
    ),
    Code(
        "POL2090",
        "warning",
        "too-many-terms",
        "The condition has too many alternatives for bit masks.",
        "The rule is evaluated finding by finding, which takes many times as long.",
        "Split the rule, or use `in [...]` instead of many `or`.",
    ),
    Code(
        "POL3001",
        "warning",
        "never-true",
        "No finding can ever match the rule.",
        "Proved: the tests of its condition exclude each other.",
        "Correct the condition, or remove the rule.",
    ),
    Code(
        "POL3002",
        "warning",
        "always-true",
        "Every finding matches the rule.",
        "Proved: a rule without a condition makes every later one dead.",
        "Say what the rule is about, or make it the default status.",
    ),
    Code(
        "POL3003",
        "warning",
        "can-never-win",
        "Stronger rules take every finding that the rule matches.",
        "Proved: what it decides is never heard.",
        "Give it a smaller priority number, narrow the rules named, or remove it.",
    ),
    Code(
        "POL3004",
        "error",
        "ambiguous-tie",
        "Two rules of one priority match one finding and decide differently.",
        "Proved: which of them wins hangs on their names.",
        "Give them different priorities.",
    ),
    Code(
        "POL3005",
        "warning",
        "idle-exception",
        "An exception has expired, or matches nothing.",
        "Proved: it lets nothing through, but reads as if it did.",
        "Remove it, or ask for a new one.",
    ),
    Code(
        "POL3006",
        "error",
        "exception-hides-exploited",
        "An exception can hide a finding that is known to be exploited.",
        "Proved: what attackers use today would not be seen.",
        "Add `and not kev` to its condition.",
    ),
    Code(
        "POL3007",
        "error",
        "broken-invariant",
        "A finding breaks an invariant of the policy.",
        "Proved: the example in the message is such a finding.",
        "Correct the rules, or the invariant.",
    ),
    Code(
        "POL3008",
        "error",
        "not-equivalent",
        "A refactoring decides some finding differently.",
        "Proved: the example in the message is such a finding.",
        "Correct the rules, or do not declare it a refactoring.",
    ),
    Code(
        "POL3009",
        "warning",
        "not-proved",
        "A proof was given up at its limit.",
        "What is not proved is not known to hold.",
        "Split the rule, or raise the limit.",
    ),
    Code(
        "POL4001",
        "note",
        "costly-arithmetic",
        "A sum of several dimensions is compared.",
        "It is the one kind of test that is made for every finding.",
        "Nothing, where it is what you mean.",
    ),
    Code(
        "POL4002",
        "warning",
        "unused-profile",
        "No rule uses the profile, or a part of it.",
        "It reads as if it counted.",
        "Use it, or remove it.",
    ),
    Code(
        "POL5001",
        "warning",
        "no-shadow-run",
        "The version has not run in shadow.",
        "What it does to the fleet has not been seen.",
        "Run it in shadow before it is promoted.",
    ),
    Code(
        "POL5002",
        "warning",
        "low-coverage",
        "The fixtures reach too few terms of the policy.",
        "What no fixture reaches can be wrong without notice.",
        "Add fixtures; `stella policy test` lists the terms.",
    ),
    Code(
        "POL5003",
        "warning",
        "low-mutation-score",
        "Too many altered policies pass the fixtures.",
        "A slip of the same kind would pass too.",
        "Add fixtures near the thresholds; `stella policy test` lists the survivors.",
    ),
    Code(
        "POL5004",
        "warning",
        "unsigned",
        "The policy has no signature.",
        "A site believes no policy that nobody signed.",
        "Sign it: `stella policy sign`.",
    ),
    Code(
        "POL5005",
        "warning",
        "permanent-exception",
        "An exception has no end.",
        "What nobody has to look at again stays for ever.",
        "Give it an end, or have it approved as permanent.",
    ),
)
