"""What can go wrong with policies. What is wrong inside of a text is a diagnostic, never one of these."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NoPolicies(StellaError):
    """{where} holds no policy.

    Policies are files whose names end in `.stella`. A lint that looked at nothing must not pass for one that found
    nothing.
    """

    code = "POLICY-300"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name a file or the folder of the policies, for example `stella policy lint policies/`"


class TooManyPolicies(StellaError):
    """{where} holds more than {limit} policies.

    The limit keeps a mistyped folder from being read for minutes.
    """

    code = "POLICY-301"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name the folder of the policies themselves"


class BrokenSource(StellaError):
    """{path} cannot be compiled: {problem}.

    The reason of this error is the code of the first diagnostic, such as POL1001; `stella explain` answers it too.
    Nothing was written.
    """

    code = "POLICY-302"
    exit = Exit.USAGE
    reason = "broken_source"
    hint = "see all that is wrong with it: `stella policy lint {path}`"

    def __init__(self, **facts: object) -> None:
        super().__init__(**facts)
        first = str(facts.get("problem", "")).rpartition("[")[2].rstrip("]")
        if first.startswith("POL"):
            self.reason = first  # type: ignore[misc]  # of this one error


class BrokenInvariant(StellaError):
    """The invariant cannot be read: {problem}.

    It is written as `condition => condition`; both are those of the policy language, and may name `status` and
    `severity`, which are what the policy decides.
    """

    code = "POLICY-303"
    exit = Exit.USAGE
    reason = "broken_invariant"
    hint = 'for example `--invariant \'kev and env.exposure == "internet" => status == "blocked"\'`'


class NothingToProve(StellaError):
    """There is nothing to prove of {path}.

    The policy has no invariant, and none was given, nor another policy to compare it with.
    """

    code = "POLICY-304"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give `--invariant 'a => b'` or `--against OLD.stella`, or write an `invariant` into the policy"


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


class LimitsUnreadable(StellaError):
    """{file} holds no limits: {problem}.

    Limits are TOML: whole numbers by their names, and overrides in `[environments.NAME]`.
    """

    code = "POLICY-206"
    exit = Exit.USAGE
    reason = "limits_unreadable"
    hint = "see docs/policy/simulation.md for an example"


class LimitUnknown(StellaError):
    """{file} has `{name}`, which is no limit{guess}.

    A misspelt limit would hold nothing back, and nobody would see it.
    """

    code = "POLICY-207"
    exit = Exit.USAGE
    reason = "unknown_limit"
    hint = "the limits are {known}"


class LimitBadValue(StellaError):
    """{file}: `{name}` is {found}; {expected}.

    A limit is what may be reached and not exceeded.
    """

    code = "POLICY-208"
    exit = Exit.USAGE
    reason = "bad_limit"
    hint = "write {example}"


class BadPercentage(StellaError):
    """`{name}` is {found}, and a percentage is 0 to 100.

    Coverage and score are compared with whole percentages.
    """

    code = "POLICY-209"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write for example `--{name} 90`"


class NoActivePolicy(StellaError):
    """No policy is active here.

    `active` is the policy that a service has promoted. A command that asks no service has none to compare with.
    """

    code = "POLICY-210"
    exit = Exit.USAGE
    reason = "no_active_policy"
    hint = "name the file of today's policy with `--from FILE`, or begin with `--from none`"


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
