"""What can go wrong with the text of a policy. What is wrong inside of it is a diagnostic, never one of these."""

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
