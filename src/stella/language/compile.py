"""From bytes to a policy: decode, parse, check.

Rules:
- Any bytes give diagnostics, never an exception: what is no UTF-8, too long or too deep is said like the rest.
- A policy is handed out only when nothing about it is an error.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import NamedTuple

from stella.language.check import check
from stella.language.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Span, found
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
    data = source.encode(errors="surrogatepass") if isinstance(source, str) else source
    if len(data) > MAX_SOURCE:
        return _refused("POL1004", f"the file has {len(data)} bytes, the limit is {MAX_SOURCE}")
    try:
        text = source if isinstance(source, str) else source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _undecoded(data.removeprefix(BOM_UTF8), error.reason)
    parsed = parse(text)
    wrong = list(parsed.diagnostics)
    policy, places = None, {}
    if parsed.policy is not None:
        checked = check(parsed.policy, strict=strict)
        # what did not parse may be what uses a profile
        wrong += [one for one in checked.diagnostics if not (parsed.diagnostics and one.code == "POL4002")]
        policy, places = checked.policy, checked.places
    if any(one.level == "error" for one in wrong):
        policy = None
    return Compiled(policy, _first(wrong), text, parsed.policy, parsed.lexed, places)


def _first(wrong: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics in the order of the text; of too many the errors are kept before the others."""
    kept = sorted(dict.fromkeys(wrong), key=lambda one: (one.level != "error", one.span, one.code, one.message))
    return tuple(sorted(kept[:MAX_DIAGNOSTICS], key=lambda one: (one.span, one.code, one.message)))


def _undecoded(data: bytes, reason: str) -> Compiled:
    """What is no UTF-8: shown with signs of replacement, and refused where the first one stands."""
    text = data.decode(errors="replace")
    start = len(data[: _wrong_byte(data)].decode())
    return _refused("POL1002", f"this is not UTF-8: {reason}", text, start)


def _wrong_byte(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _refused(code: str, message: str, text: str = "", start: int = 0) -> Compiled:
    span = Span(start, min(start + 1, len(text)))
    return Compiled(None, (found(code, message, span),), text, None, lex(""), {})
