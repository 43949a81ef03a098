"""The findings for other programs: SARIF for code scanning, and annotations for a pipeline's log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import stella
from stella.formats.annotations import Annotation, log_lines
from stella.formats.sarif import Level, Result, Rule, Suppressed, document
from stella.lint.model import TenancyLinted
from stella.lint.rules import RULES, fix_of

TOOL = "stella lint tenancy"


def sarif(result: TenancyLinted) -> bytes:
    """SARIF 2.1.0; what is waived is there as suppressed, with its reason."""
    levels: Mapping[str, Level] = {"error": "error", "warning": "warning"}
    results = [
        Result(found.rule, levels[found.level], found.message, found.file, found.line, found.column)
        for found in result.findings
    ]
    results += [
        Result(one.rule, "error", one.message, one.file, one.line, 1, Suppressed(f"until {one.until}: {one.reason}"))
        for one in result.waived
    ]
    used = {found.rule for found in results} - RULES.keys()
    rules = [Rule(rule.id, rule.name, rule.what, f"{rule.why} Instead: {rule.fix}") for rule in RULES.values()]
    rules += [Rule(name, name.partition(":")[2], name, fix_of(name)) for name in sorted(used)]
    return document(TOOL, stella.__version__, rules, results)


def github(result: TenancyLinted) -> bytes:
    """Lines that GitHub and Gitea show beside the code."""
    return log_lines(
        Annotation(found.level, found.file, found.line, found.column, found.rule, f"{found.message}; {found.fix}")
        for found in result.findings
    )


FORMATS: dict[str, Callable[[TenancyLinted], bytes]] = {"sarif": sarif, "github": github}
