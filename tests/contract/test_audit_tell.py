"""What operations leave in the audit log on a real PostgreSQL, whatever texts they are given and however they end."""

from __future__ import annotations

import base64
import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stella import bootstrap
from stella.audit import service, tell
from stella.audit.model import EventShown, ListEvents, Marked
from stella.audit.rules import MAX_NAME, MAX_TEXT
from stella.kernel.errors import BadTenant
from stella.operations import Context, Operation, Principal, find
from stella.runtime.settings import AuditSettings, Settings
from stella.runtime.transaction import TenantDatabase
from stella.testing import ManualClock, SilentProgress, counted_entropy
from tests.audit_log import NOW, TENANT, Base, base

__all__ = ["base"]  # the fixture

HOSTILE = "\0a\ud800\x1b[31m"
WRITTEN_OUT = "\\x00a\\ud800\x1b[31m"


@pytest.fixture
def ctx(base: Base) -> Context:
    """The context of a principal with every scope."""
    return Context(
        clock=ManualClock(NOW),
        entropy=counted_entropy("context"),
        progress=SilentProgress(),
        settings=Settings(audit=AuditSettings(wrap_key="env:W")),
        secret=lambda _: base64.b64encode(b"w" * 32),
        actor="rita",
        principal=Principal("rita", frozenset({"*"}), TENANT),
        database=lambda: cast("TenantDatabase", SimpleNamespace(transaction=base.of)),
    )


def told(ctx: Context) -> EventShown:
    """The one event that is there."""
    (event,) = service.list_events(ctx, ListEvents()).rows
    return event


def operation(name: str, run: Any) -> Operation[Any, Any]:
    bootstrap.load_all()
    return dataclasses.replace(find(name), run=run, tells=lambda *_: False)


def failing(error: Exception) -> Any:
    def run(_: Context, __: object) -> object:
        raise error

    return run


def test_a_text_that_no_event_can_hold_hides_neither_the_problem_nor_the_event(ctx: Context) -> None:
    wanted = operation("tenant.create", failing(BadTenant(tenant=HOSTILE)))
    with pytest.raises(BadTenant):
        tell.run(ctx, wanted, wanted.request(tenant=HOSTILE))
    assert (told(ctx).outcome, told(ctx).resource) == ("failure", WRITTEN_OUT)


def test_what_was_done_is_told_however_long_its_reason_is(ctx: Context) -> None:
    wanted = operation("site.rollback", lambda *_: None)
    tell.run(ctx, wanted, wanted.request(dir="d" * (MAX_TEXT + 1), reason="why " * MAX_TEXT))
    event = told(ctx)
    assert event.outcome == "success"
    assert event.reason == ("why " * MAX_TEXT)[: MAX_TEXT - 1] + "…"
    assert event.resource == "d" * (MAX_TEXT - 1) + "…"


def test_facts_and_names_of_a_denial_are_kept_whatever_they_hold(ctx: Context) -> None:
    who = dataclasses.replace(ctx.principal, name="n" * (MAX_NAME + 1))
    tell.denied(dataclasses.replace(ctx, principal=who), "object.denied", HOSTILE, tried=HOSTILE, long="x" * 9999)
    event = told(ctx)
    assert (event.resource, event.after["tried"]) == (WRITTEN_OUT, WRITTEN_OUT)
    assert event.actor == "n" * (MAX_NAME - 1) + "…"
    assert event.after["long"] == "x" * (MAX_TEXT - 1) + "…"


def test_a_marked_fact_is_kept_too(ctx: Context) -> None:
    with ctx.tenant() as t:
        tell.tell(ctx, t, "x.y", "z", after={"who": Marked(HOSTILE), "count": 3}, ticket="T\0" * MAX_NAME)
    event = told(ctx)
    assert event.after == {"who": WRITTEN_OUT, "count": 3}
    assert event.ticket == ("T\\x00" * MAX_NAME)[: MAX_NAME - 1] + "…"


def test_many_long_facts_still_fit_into_an_event(ctx: Context) -> None:
    facts = {f"fact{number}": "\x01" * MAX_TEXT for number in range(4)}
    tell.denied(ctx, "object.denied", "\x01" * MAX_TEXT, **facts)
    assert told(ctx).outcome == "denied"


def test_an_operation_that_breaks_is_told_as_an_error(ctx: Context) -> None:
    wanted = operation("object.delete", failing(ZeroDivisionError("a secret")))
    with pytest.raises(ZeroDivisionError):
        tell.run(ctx, wanted, wanted.request(kind="sbom", digest="0"))
    event = told(ctx)
    assert (event.outcome, event.resource, event.after) == ("error", "0", {"problem": "ZeroDivisionError"})


def test_an_operation_that_names_nothing_is_about_its_noun(ctx: Context) -> None:
    wanted = operation("audit.export", lambda *_: None)
    tell.run(ctx, wanted, wanted.request(out="file"))
    assert told(ctx).resource == "audit"


@pytest.mark.parametrize("name", ["principal.create", "principal.disable", "principal.delete"])
def test_the_name_of_a_person_is_kept_encrypted(ctx: Context, base: Base, name: str) -> None:
    wanted = operation(name, failing(BadTenant(tenant="x")))
    given = {"name": "ada-lovelace", "scope": ("a:b",), "reason": "r", "ticket": "t"}
    request = wanted.request(**{field: given[field] for field in given if field in wanted.request.__struct_fields__})
    with pytest.raises(BadTenant):
        tell.run(ctx, wanted, request)
    assert told(ctx).resource == "ada-lovelace"
    ((body,),) = base.rows("SELECT body FROM audit.events")
    assert b"ada-lovelace" not in body
