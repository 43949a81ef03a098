"""Making and showing versions: create, bump, list, show, diff.

Rules:
- A version is stored only when it compiles, with its text and its canonical form.
- What means the same as the newest version is no new one.
- A change and its audit event are one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stella.audit import tell as log
from stella.kernel.cursor import cut_page, read_cursor
from stella.language import ir
from stella.language.model import Policy
from stella.operations import Context
from stella.policy import metering, records, rules
from stella.policy.errors import DoesNotCompile, NothingChanged, PolicyTaken, TwoBeginnings
from stella.policy.model import (
    MAX_SOURCE,
    BumpPolicy,
    Change,
    CreatePolicy,
    DiffPolicy,
    ListPolicies,
    PoliciesListed,
    PolicyBumped,
    PolicyCreated,
    PolicyDiffed,
    PolicyRow,
    PolicyShown,
    ShowPolicy,
    State,
    VersionFacts,
)
from stella.policy.records import PACKAGE, Version
from stella.runtime.files import open_file, reading
from stella.runtime.transaction import Transaction

FIRST = "1.0.0"
BLANK = "blank"

Shown = TypeVar("Shown", bound=VersionFacts)


def create(ctx: Context, want: CreatePolicy) -> PolicyCreated:
    """A new policy with its first version, a draft."""
    policy = rules.parse_id(want.policy)
    given = [one for one in (want.file, want.template, want.source) if one is not None]
    if len(given) > 1:
        raise TwoBeginnings(count=len(given))
    source: bytes | str
    if want.source is not None:
        source = _text_of(ctx, want.source)
    else:
        source = _template(want.template or BLANK) if want.file is None else _read(want.file)
    text, compiled = compiled_text(ctx, source)
    with ctx.tenant() as t:
        now, title = records.now_of(ctx), want.name or compiled.policy_id
        if t.one(PACKAGE, "put_policy", policy=policy, title=title, now=now, actor=ctx.actor) is None:
            raise PolicyTaken(policy=policy)
        made = _put(ctx, t, policy, 1, FIRST, text, compiled, None)
        told = {"version": made.name, "ir_sha256": made.digest} | ({"from": want.source} if want.source else {})
        log.tell(ctx, t, "policy.create", policy, after=told)
        return shown(t, PolicyCreated, made)


def bump(ctx: Context, want: BumpPolicy) -> PolicyBumped:
    """A new version of a policy, a draft."""
    text, compiled = compiled_text(ctx, _read(want.file))
    with ctx.tenant() as t:
        records.name_of(t, want.policy, hold=True)
        known = records.versions(t, want.policy)
        if known[0].digest == ir.digest(compiled):
            raise NothingChanged(version=known[0].name)
        label = rules.next_label((one.label for one in known), want.level)
        made = _put(ctx, t, want.policy, known[0].number + 1, label, text, compiled, known[0].number)
        told = {"version": made.name, "label": label, "ir_sha256": made.digest}
        log.tell(ctx, t, "policy.bump", want.policy, after=told)
        return shown(t, PolicyBumped, made)


def list_(ctx: Context, want: ListPolicies) -> PoliciesListed:
    """The policies of the tenant, by id."""
    query = ("policy.list", ctx.principal.tenant)
    after = read_cursor(want.cursor, query, tuple[str])[0] if want.cursor else ""
    with ctx.tenant() as t:
        found = t.all(PACKAGE, "policies", after=after, limit=want.limit + 1)
    rows, following = cut_page(found, want.limit, query, lambda row: (row[0],))
    return PoliciesListed(
        policies=tuple(
            PolicyRow(policy=policy, name=name, version=number, label=label, state=State(state), active=active)
            for policy, name, number, label, state, active in rows
        ),
        next=following,
    )


def show(ctx: Context, want: ShowPolicy) -> PolicyShown:
    """One version of a policy, the newest one if none is named."""
    with ctx.tenant() as t:
        found = records.version(t, want.policy, want.version)
        every = tuple(one.row() for one in records.versions(t, want.policy))
        return shown(t, PolicyShown, found, versions=every)


def diff(ctx: Context, want: DiffPolicy) -> PolicyDiffed:
    """What is not the same in two versions."""
    with ctx.tenant() as t:
        old, new = records.version(t, want.policy, want.old), records.version(t, want.policy, want.new)
    return PolicyDiffed(
        policy=want.policy,
        old=old.number,
        new=new.number,
        old_sha256=old.digest,
        new_sha256=new.digest,
        changes=tuple(changes(old.checked(), new.checked())),
    )


def changes(old: Policy, new: Policy) -> Iterator[Change]:
    """What is not the same, rules first, by name."""
    for what, before, after in (
        ("rule", old.rules, new.rules),
        ("invariant", old.invariants, new.invariants),
        ("profile", old.profiles, new.profiles),
        ("settings", (old.settings,), (new.settings,)),
        ("metadata", (old.metadata,), (new.metadata,)),
    ):
        yield from _compared(what, _by_name(before), _by_name(after))


def shown(t: Transaction, kind: type[Shown], found: Version, **more: Any) -> Shown:  # noqa: ANN401  # fields of that kind
    """A version as a result of that kind."""
    return kind(
        **msgspec.structs.asdict(found.row()),
        name=records.name_of(t, found.policy),
        allowed=rules.allowed(found.state),
        evidence=records.evidence_rows(records.evidence(t, found.policy, found.number)),
        placements=tuple(
            one.row()
            for one in records.placements(t, found.policy).values()
            if found.number in {one.version, one.canary}
        ),
        source=found.source,
        **more,
    )


def compiled_text(ctx: Context, source: bytes | str) -> tuple[str, Policy]:
    """A text, and what it says; raises DoesNotCompile."""
    from stella.language.compile import compile_policy  # noqa: PLC0415  # the parser costs what only some operations need
    from stella.language.diagnostics import Lines  # noqa: PLC0415  # as above

    begin = time.perf_counter()
    found = compile_policy(source, strict=True)
    metering.compiled(ctx, time.perf_counter() - begin)
    if found.policy is None:
        first = found.errors[0]
        line, column = Lines(found.text).at(first.span.start)
        place = f"{line}:{column}"
        raise DoesNotCompile(diagnostic=first.code, place=place, first=first.message, count=len(found.errors))
    return found.text, found.policy


def _put(
    ctx: Context, t: Transaction, policy: str, number: int, label: str, text: str, said: Policy, based_on: int | None
) -> Version:
    data, now = ir.canonical(said), records.now_of(ctx)
    made = Version(
        policy, number, label, State.DRAFT, ir.digest(said), said.settings.shadow, based_on, now, ctx.actor, text, data
    )
    t.run(
        PACKAGE,
        "put_version",
        policy=policy,
        version=number,
        label=label,
        source=text,
        ir=data.decode(),
        digest=made.digest,
        shadow=made.shadow,
        based_on=based_on,
        now=now,
        actor=ctx.actor,
    )
    records.entered(ctx, t, made, "create" if based_on is None else "bump", State.DRAFT)
    return made


def _text_of(ctx: Context, reference: str) -> str:
    policy, number = rules.parse_reference(reference)
    with ctx.tenant() as t:
        return records.version(t, policy, number).source


def _template(name: str) -> str:
    return files(PACKAGE).joinpath("templates", f"{name}.stella").read_text(encoding="utf-8")


def _read(name: str) -> bytes:
    """The beginning of a file: more than a policy may have is for the compiler to refuse. Raises as `open_file`."""
    path = Path(name)
    with open_file(path) as file, reading(path):
        return file.read(MAX_SOURCE + 1)


def _by_name(items: tuple[Any, ...]) -> Mapping[str, Any]:
    return {getattr(one, "name", ""): one for one in items}


def _compared(what: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:  # noqa: ANN401  # one of the words of Change
    for name in sorted(before.keys() | after.keys(), key=str.encode):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Change(kind="added" if old is None else "removed", what=what, name=name)
        elif old != new:
            fields = tuple(key for key in old.__struct_fields__ if getattr(old, key) != getattr(new, key))
            yield Change(kind="changed", what=what, name=name, fields=fields)
