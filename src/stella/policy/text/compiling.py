"""A policy becomes its canonical form."""

from __future__ import annotations

from pathlib import Path

from stella.kernel.digest import sha256
from stella.language.compile import MAX_SOURCE, Compiled, compile_policy
from stella.language.diagnostics import Lines
from stella.language.ir import canonical
from stella.language.model import Policy
from stella.operations import Context
from stella.policy.text.diagnosed import findings
from stella.policy.text.errors import BrokenSource
from stella.policy.text.model import CompilePolicy, PolicyCompiled
from stella.runtime.files import make_directory, read_file, replacing


def compile_(ctx: Context, want: CompilePolicy) -> PolicyCompiled:
    """Compile a file; raises BrokenSource, and what reading and writing raise."""
    del ctx
    compiled, policy = compiled_file(want.file, strict=want.strict)
    data = canonical(policy)
    out = None if want.validate_only else want.out
    if out is not None:
        make_directory(Path(out).absolute().parent)
        with replacing(Path(out)) as file:
            file.write(data)
    return PolicyCompiled(
        policy=policy.policy_id,
        digest=sha256(data),
        bytes=len(data),
        rules=len(policy.rules),
        invariants=len(policy.invariants),
        profiles=len(policy.profiles),
        shadow=policy.settings.shadow,
        default_status=policy.settings.default_status,
        warnings=tuple(findings(want.file, compiled.text, compiled.diagnostics, compiled.tree)),
        out=out,
        brief=want.digest,
    )


def compiled_file(path: str, *, strict: bool = False) -> tuple[Compiled, Policy]:
    """A file that must be a policy; raises BrokenSource, or what reading raises."""
    compiled = compile_policy(read_file(Path(path), MAX_SOURCE), strict=strict)
    if compiled.policy is None:
        first = compiled.errors[0]
        place = Lines(compiled.text).at(first.span.start)
        more = len(compiled.errors) - 1
        rest = f", and {more} more" if more else ""
        problem = f"{first.message} at {place.line}:{place.column}{rest} [{first.code}]"
        raise BrokenSource(path=path, problem=problem)
    return compiled, compiled.policy
