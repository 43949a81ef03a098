"""What can go wrong with a simulation."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


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


class NoActivePolicy(StellaError):
    """Nothing tells what decides today for the policy `{name}`: {problem}.

    `active` is the newest active version whose text has the name of the proposed one. It is known where versions are
    kept: to a service, and to commands beside its database.
    """

    code = "POLICY-210"
    exit = Exit.USAGE
    reason = "no_active_policy"
    hint = "name the file of today's policy with `--from FILE`, or begin with `--from none`"
