"""What the gate found, for other programs: SARIF, whose locations are the objects of the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import stella
from stella.formats.sarif import Result, Rule, document
from stella.proof.model import GateRead
from stella.tenancy.gate import WHY

TOOL = "stella tenancy gate"


def sarif(read: GateRead) -> bytes:
    """SARIF 2.1.0; every kind of finding is a rule."""
    rules = [Rule(kind, kind, why, f"{why} Instead: {fix}") for kind, (why, fix) in sorted(WHY.items())]
    results = [Result(one.kind, "error", f"{one.object}: {one.found}", one.object, 1, 1) for one in read.findings]
    return document(TOOL, stella.__version__, rules, results)


FORMATS: Mapping[str, Callable[[GateRead], bytes]] = {"sarif": sarif}
