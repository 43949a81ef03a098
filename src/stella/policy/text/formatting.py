"""Policies in their one layout."""

from __future__ import annotations

import codecs
from pathlib import Path

from stella.language.compile import MAX_SOURCE
from stella.language.format import formatted
from stella.language.parser import parse
from stella.operations import Context
from stella.policy.text.changing import replace
from stella.policy.text.model import FormatPolicy, PolicyFormatted
from stella.policy.text.sources import sources
from stella.runtime.files import read_file


def fmt(ctx: Context, want: FormatPolicy) -> PolicyFormatted:
    """Lay the files out."""
    found = sources(want.paths)
    ctx.progress.start("format", len(found), "files")
    changed, broken = [], []
    for path in found:
        data = read_file(path, MAX_SOURCE)
        laid = _laid(data)
        if laid is None:
            broken.append(str(path))
        elif laid != data:
            changed.append(str(path))
            if not want.check:
                replace(Path(path), laid)
        ctx.progress.advance(1)
    failed = bool(broken or (want.check and changed))
    return PolicyFormatted(
        verdict="failed" if failed else "passed",
        reason=("broken_source" if broken else "not_formatted") if failed else None,
        check=want.check,
        files=len(found),
        changed=tuple(changed),
        broken=tuple(broken),
    )


def _laid(data: bytes) -> bytes | None:
    """The bytes of a file in the one layout; None for what does not parse."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return None
    parsed = parse(text)
    if parsed.policy is None or any(one.level == "error" for one in parsed.diagnostics):
        return None
    return formatted(parsed.policy, parsed.lexed).encode()
