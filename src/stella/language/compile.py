"""From bytes to a policy: decode, parse, check.

Rules:
- Any bytes give diagnostics, never an exception: what is no UTF-8, too long or too deep is said like the rest.
- A policy is handed out only when nothing about it is an error.
"""

from __future__ import annotations

from typing import NamedTuple

from stella.language.check import check
from stella.language.diagnostics import Diagnostic, Span, found
from stella.language.lexer import Lexed, lex
from stella.language.model import Policy
from stella.language.parser import parse
from stella.language.tree import PolicyNode

MAX_SOURCE = 1 << 20  # bytes of a policy file; more is no policy that anybody reads


class Compiled(NamedTuple):
    """What a file is. `places` says where `policy`, `rule NAME` and `invariant NAME` are, in code points."""

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]
    text: str
    tree: PolicyNode | None
    lexed: Lexed
    places: dict[str, Span]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that keep it from being compiled."""
        return tuple(one for one in self.diagnostics if one.level == "error")


def compile_policy(source: bytes | str, *, strict: bool = False) -> Compiled:
    """Compile a file; never raises. With `strict` a name that does not exist is an error."""
    if len(source) > MAX_SOURCE:
        return _refused("POL1004", f"the file has {len(source)} bytes, the limit is {MAX_SOURCE}")
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        line = bytes(error.object)[: error.start].count(b"\n") + 1
        return _refused("POL1002", f"line {line} is not UTF-8: {error.reason}")
    parsed = parse(text)
    wrong = list(parsed.diagnostics)
    policy, places = None, {}
    if parsed.policy is not None:
        checked = check(parsed.policy, strict=strict)
        wrong += checked.diagnostics
        policy, places = checked.policy, checked.places
    if any(one.level == "error" for one in wrong):
        policy = None
    wrong.sort(key=lambda one: (one.span, one.code, one.message))
    return Compiled(policy, tuple(dict.fromkeys(wrong)), text, parsed.policy, parsed.lexed, places)


def _refused(code: str, message: str) -> Compiled:
    return Compiled(None, (found(code, message, Span(0, 0)),), "", None, lex(""), {})
