"""The rows of the operation table about the text of a policy."""

from __future__ import annotations

from stella.kernel.errors import Exit
from stella.operations import Context, operation
from stella.policy.text import views
from stella.policy.text.model import (
    CompilePolicy,
    FormatPolicy,
    LanguageServed,
    LintPolicy,
    PolicyCompiled,
    PolicyFormatted,
    PolicyLinted,
    PolicyProved,
    ProvePolicy,
    ServeLanguage,
)


def _negative(result: PolicyLinted | PolicyFormatted | PolicyProved) -> Exit:
    return Exit.OK if result.verdict == "passed" else Exit.NEGATIVE


@operation(
    "policy.fmt",
    "LOCAL /policy/fmt",
    scope="policy:author",
    view=views.fmt,
    example="stella policy fmt policies/\nstella policy fmt policies/ --check",
    verdict=_negative,
)
def fmt(ctx: Context, want: FormatPolicy) -> PolicyFormatted:
    """Lay policies out in the one form, in their files.

    What a policy means, and so its digest, stays. A file that does not parse is left as it is. With `--check` nothing
    is changed. Exit code 6 when a file is not formatted, or cannot be.
    """
    from stella.policy.text import formatting

    return formatting.fmt(ctx, want)


@operation(
    "policy.lint",
    "POST /v1/policy/lint",
    scope="policy:read",
    view=views.lint,
    example="stella policy lint policies/ --strict\n"
    "stella policy lint policies/ --report sarif=policy.sarif --report markdown=policy.md",
    long=True,
    verdict=_negative,
)
def lint(ctx: Context, want: LintPolicy) -> PolicyLinted:
    """Find what is wrong with policies, and prove what their rules can and cannot do.

    Each finding has a code, `POLnnnn`, which `stella explain` answers, and its place. What is proved wrong comes with
    an example. `--fix` makes the fixes that cannot change what a policy means. Exit code 6 when there is an error; with
    `--strict` also when there is a warning.
    """
    from stella.policy.text import linting

    return linting.lint(ctx, want)


@operation(
    "policy.compile",
    "POST /v1/policy/compile",
    scope="policy:read",
    view=views.compiled,
    example="stella policy compile policies/prod.stella\nstella policy compile policies/prod.stella --digest",
)
def compile_(ctx: Context, want: CompilePolicy) -> PolicyCompiled:
    """Compile a policy to its canonical form, whose SHA-256 is its identity.

    Layout and comments do not change it. Exit code 2 when the text is no policy; the reason is then the first code.
    """
    from stella.policy.text import compiling

    return compiling.compile_(ctx, want)


@operation(
    "policy.prove",
    "POST /v1/policy/prove",
    scope="policy:read",
    view=views.proved,
    example="stella policy prove policies/prod.stella --invariant 'kev => status == \"blocked\"'\n"
    "stella policy prove new.stella --against old.stella",
    verdict=_negative,
)
def prove(ctx: Context, want: ProvePolicy) -> PolicyProved:
    """Prove the invariants of a policy for every finding there could be, or show one that breaks them.

    `--invariant` adds one that is not in the file. `--against` proves that two versions decide every finding alike.
    Exit code 6 when something does not hold, or could not be proved.
    """
    from stella.policy.text import proving

    return proving.prove(ctx, want)


@operation(
    "policy.lsp",
    "LOCAL /policy/lsp",
    scope="policy:read",
    view=views.served,
    example="stella policy lsp",
)
def lsp(ctx: Context, want: ServeLanguage) -> LanguageServed:
    """Serve an editor while policies are written: the Language Server Protocol over standard input and output.

    Diagnostics, completion, hover, quick fixes, formatting, symbols and semantic tokens. Proofs are made beside it,
    while nobody types.
    """
    from stella.policy.editor import language_server

    return language_server.serve(ctx, want)
