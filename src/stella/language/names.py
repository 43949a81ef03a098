"""What a condition can speak of: every name, its type, and the dimension of a finding that it belongs to.

Rules:
- A finding is one component of one asset that one advisory is about, with the evidence at hand and its age. Each name
  is a column of exactly one of these five dimensions.
- Decimals are integers of MICRO: no comparison depends on binary fractions.
- Any value may be missing. What is missing is neither true nor false.
- The words of an ordered kind are listed from the weakest to the strongest.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

MICRO = 1_000_000  # a decimal 1.0; six places hold EPSS (five) and CVSS (one)

Dimension = Literal["asset", "component", "advisory", "evidence", "age"]
DIMENSIONS: tuple[Dimension, ...] = ("asset", "component", "advisory", "evidence", "age")
Type = Literal["flag", "word", "text", "texts", "decimal", "instant"]


class Words(NamedTuple):
    """A closed list of words; with `ordered` they can be compared by `<` and `>=`."""

    name: str
    words: tuple[str, ...]
    ordered: bool


SEVERITY = Words("severity", ("None", "Low", "Medium", "High", "Critical"), ordered=True)
STATUS = Words(
    "status",
    ("affected", "under_investigation", "not_affected", "fixed", "ignored", "deferred", "blocked"),
    ordered=False,
)
VEX_STATUS = Words("VEX status", ("not_affected", "affected", "fixed", "under_investigation"), ordered=False)
JUSTIFICATION = Words(
    "justification",
    (
        "component_not_present",
        "vulnerable_code_not_present",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "inline_mitigations_already_exist",
    ),
    ordered=False,
)  # OpenVEX 0.2.0, "Status Justifications"
REACH = Words("reachability", ("unreachable", "unknown", "reachable", "observed", "entrypoint"), ordered=True)
EXPOSURE = Words("exposure", ("isolated", "internal", "partner", "internet"), ordered=True)
SCOPE = Words("component scope", ("excluded", "optional", "required"), ordered=True)  # CycloneDX 1.6


class Column(NamedTuple):
    """A name: `low` and `high` are the domain of a decimal in micros, both inclusive; `words` that of a word."""

    name: str
    dimension: Dimension
    type: Type
    help: str
    words: Words | None = None
    low: int = 0
    high: int = 2**53 - 1  # what a JSON number holds exactly (RFC 8785)


_UNIT = (0, MICRO)


def _columns(*columns: Column) -> dict[str, Column]:
    return {column.name: column for column in columns}


COLUMNS: dict[str, Column] = _columns(
    Column("asset.id", "asset", "text", "name of the asset, as the inventory has it"),
    Column("asset.namespace", "asset", "text", "where it is filed: a team, a product, a cluster"),
    Column("asset.tags", "asset", "texts", "its tags"),
    Column("env.name", "asset", "text", "environment: `prod`, `staging`, `dev` or a word of your own"),
    Column("env.runtime", "asset", "text", "what it runs on, such as `container` or `serverless`"),
    Column("env.deployment", "asset", "text", "how it is deployed, such as `air-gapped`"),
    Column("env.exposure", "asset", "word", "who can reach it", EXPOSURE),
    Column("env.quietUntil", "asset", "instant", "changes are frozen until then"),
    Column("sbom.tags", "asset", "texts", "tags of its SBOM; read by `sbom.has_tag`"),
    Column("secret.hasFinding", "asset", "flag", "a secret was found in it"),
    Column("secret.match.count", "asset", "decimal", "how many secrets were found", None, 0, 10**9 * MICRO),
    Column("secret.bundle.version", "asset", "text", "version of the rules that looked for secrets"),
    Column("trust.score", "asset", "decimal", "trust in where it comes from, 0 to 1", None, *_UNIT),
    Column("entropy.penalty", "asset", "decimal", "share of content that nobody can read, 0 to 1", None, *_UNIT),
    Column("uncertainty.score", "asset", "decimal", "how little is known about it, 0 to 1", None, *_UNIT),
    Column("component.purl", "component", "text", "package URL with version"),
    Column("component.name", "component", "text", "name, with its namespace before a `/`"),
    Column("component.version", "component", "text", "version as the SBOM has it"),
    Column("component.ecosystem", "component", "text", "type of the package URL, such as `pypi`"),
    Column("component.scope", "component", "word", "whether it is needed at run time", SCOPE),
    Column("component.direct", "component", "flag", "the asset depends on it itself, not through others"),
    Column("component.licenses", "component", "texts", "SPDX license ids"),
    Column("advisory.id", "advisory", "text", "id of the advisory"),
    Column("advisory.source", "advisory", "text", "database it comes from: the letters before the first `-` of its id"),
    Column("advisory.aliases", "advisory", "texts", "its other ids, such as the CVE"),
    Column("advisory.cwes", "advisory", "texts", "weaknesses, such as `CWE-79`"),
    Column("severity.normalized", "advisory", "word", "severity of the advisory, before any policy", SEVERITY),
    Column("cvss", "advisory", "decimal", "CVSS base score, 0 to 10", None, 0, 10 * MICRO),
    Column("epss", "advisory", "decimal", "probability of an exploit within 30 days, 0 to 1", None, *_UNIT),
    Column("epss.percentile", "advisory", "decimal", "share of all with a lower EPSS, 0 to 1", None, *_UNIT),
    Column("kev", "advisory", "flag", "in the catalogue of known exploited vulnerabilities"),
    Column("kev.ransomware", "advisory", "flag", "known to be used by ransomware"),
    Column("fix.available", "advisory", "flag", "a version without it exists"),
    Column("reach_state", "evidence", "word", "whether the weak code is reached", REACH),
    Column("age.days", "age", "decimal", "whole days since the advisory was published", None, 0, 36525 * MICRO),
)

STATEMENT: dict[str, Column] = _columns(
    Column("status", "evidence", "word", "what the statement says", VEX_STATUS),
    Column("justification", "evidence", "word", "why it is not affected", JUSTIFICATION),
    Column("vendor", "evidence", "text", "who says it"),
    Column("trust", "evidence", "decimal", "trust in who says it, 0 to 1", None, *_UNIT),
    Column("accuracy", "evidence", "decimal", "how often it was right, 0 to 1", None, *_UNIT),
    Column("verified", "evidence", "flag", "its signature was verified"),
    Column("fresh", "evidence", "flag", "it is not older than statements may be"),
)
"""Names inside of `vex.any(...)` and `vex.all(...)`, where they mean one statement."""

LATEST = "vex.latest."
COLUMNS |= {
    LATEST + name: column._replace(name=LATEST + name, help=f"{column.help}, in the latest statement")
    for name, column in STATEMENT.items()
}

OUTCOME: dict[str, Words] = {"status": STATUS, "severity": SEVERITY}
"""What a rule assigns and what an invariant may speak of, beside the names above."""
