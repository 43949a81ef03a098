"""What can go wrong with fixtures."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class FixturesUnreadable(StellaError):
    """{file} holds no fixtures: {problem}.

    Fixtures are TOML with `[[fixture]]` entries, or JSON with a list `fixture`, in UTF-8.
    """

    code = "POLICY-202"
    exit = Exit.USAGE
    reason = "fixtures_unreadable"
    hint = "see docs/policy/testing.md for an example"


class FixtureUnknownName(StellaError):
    """{where} has `{name}`, which there is not{guess}.

    The names of a finding are those of the language. A misspelt one would be a finding without that value, and the
    fixture would test something else than it says.
    """

    code = "POLICY-203"
    exit = Exit.USAGE
    reason = "unknown_name"
    hint = "mend the name; the reference of the language lists them all"


class FixtureBadValue(StellaError):
    """{where}: `{name}` {problem}.

    A value has the type and the domain of its name. Decimals are read exactly, as they are written, with up to six
    places.
    """

    code = "POLICY-204"
    exit = Exit.USAGE
    reason = "bad_value"
    hint = "write a value of that type; the reference of the language lists them all"


class FixtureTwice(StellaError):
    """{file} has two fixtures called `{name}`.

    A report names fixtures, so each has a name of its own.
    """

    code = "POLICY-205"
    exit = Exit.USAGE
    reason = "fixture_twice"
    hint = "rename one of them; the name says what the fixture shows"


class BadPercentage(StellaError):
    """`{name}` is {found}, and a percentage is 0 to 100.

    Coverage and score are compared with whole percentages.
    """

    code = "POLICY-209"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write for example `--{name} 90`"


class NoSuchFinding(StellaError):
    """The snapshot has no finding {finding}; it has {count}, from 0 on.

    Findings are numbered in the order of the snapshot. Another snapshot has other numbers.
    """

    code = "POLICY-211"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "take the number from a simulation over the same snapshot"


class NoSuchRule(StellaError):
    """{policy} has no rule `{rule}`; {guess}.

    Rules are named as they are in the policy, and exceptions as they are in their file.
    """

    code = "POLICY-212"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "leave `--rule` out to see every rule that holds or might"


class PolicyTooLarge(StellaError):
    """`{policy}` is too large to be tested: {what}.

    Each alternative is looked for among the fixtures, and each rule is tried with every small mistake in it.
    """

    code = "POLICY-213"
    exit = Exit.USAGE
    reason = "policy_too_large"
    hint = "split the rules with the longest conditions"
