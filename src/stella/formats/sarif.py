"""SARIF 2.1.0 (OASIS): findings in the form that code hosts and editors read.

Rules:
- The same findings give the same bytes: no time, no machine, no absolute path, keys in one order.
- Paths are relative URIs with `/`, percent-encoded (RFC 3986); lines and columns count from 1.
- A fingerprint names a finding by rule, file, message and its number among alike ones, so that it survives moved lines.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

Level = Literal["error", "warning", "note"]
VERSION = "2.1.0"
FINGERPRINT = "stella/v1"


class Rule(NamedTuple):
    """A rule: `name` for people who know it, `what` in one sentence, `why` in a few; `help` says what to do instead."""

    id: str
    name: str
    what: str
    why: str
    level: Level = "error"
    help: str = ""


class Suppressed(NamedTuple):
    """That somebody allowed a result in the code itself, and why."""

    justification: str


class Result(NamedTuple):
    """One finding. `end_line` and `end_column` are where it ends, exclusive, or 0; `example` shows it in one line."""

    rule: str
    level: Level
    message: str
    file: str
    line: int
    column: int
    suppressed: Suppressed | None = None
    end_line: int = 0
    end_column: int = 0
    example: str = ""


def document(tool: str, version: str, rules: Sequence[Rule], results: Sequence[Result]) -> bytes:
    """A log with one run; raises KeyError for a result of a rule that is not among the rules."""
    places = {rule.id: number for number, rule in enumerate(rules)}
    seen: Counter[tuple[str, str, str]] = Counter()
    run = {
        "tool": {"driver": {"name": tool, "semanticVersion": version, "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, places[result.rule], seen) for result in results],
    }
    log = {"version": VERSION, "runs": [run]}
    return (json.dumps(log, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _rule(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": rule.level},
    }
    if rule.help:
        shown["help"] = {"text": rule.help, "markdown": rule.help}
    return shown


def _result(result: Result, place: int, seen: Counter[tuple[str, str, str]]) -> dict[str, Any]:
    alike = (result.rule, result.file, result.message)
    seen[alike] += 1
    digest = hashlib.sha256("\0".join((*alike, str(seen[alike]))).encode("utf-8", "backslashreplace")).hexdigest()
    region = {"startLine": result.line, "startColumn": result.column}
    if result.end_line:
        region |= {"endLine": result.end_line, "endColumn": result.end_column}
    found: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": place,
        "level": result.level,
        "message": {"text": f"{result.message}\nexample: {result.example}" if result.example else result.message},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": uri_of(result.file)}, "region": region}},
        ],
        "partialFingerprints": {FINGERPRINT: digest},
    }
    if result.example:
        found["properties"] = {"example": result.example}
    if result.suppressed is not None:
        found["suppressions"] = [{"kind": "inSource", "justification": result.suppressed.justification}]
    return found


def uri_of(path: str) -> str:
    """A path as a relative URI; one from the root of the machine as a `file` URI."""
    encoded = quote(path.encode("utf-8", "surrogateescape"), safe="/-._~")
    return f"file://{encoded}" if path.startswith("/") else encoded
