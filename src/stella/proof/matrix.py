"""The bypass matrix: sends every probe as the application and judges what came back.

Rules:
- What counts is the bytes that reached the client, errors included: a mark of B in them is a leak.
- A refusal counts only with the SQLSTATE of one: a probe that fails for another reason has proved nothing.
- Every probe is tried on a superuser first; one that does not get through there either is blunt, and fails the proof.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stella.proof.probes import LEAK, REFUSED, Pair, Probe, all_of
from stella.proof.rows import Tenant
from stella.proof.schema import Schema
from stella.proof.sessions import attempts
from stella.proof.ways import of_server
from stella.runtime.ports import Progress
from stella.runtime.roles import APP
from stella.runtime.throwaway import Answer, Line, Throwaway
from stella.runtime.transaction import Seal

# What refuses even a superuser: a trigger of the table, a reference onto the row, a key that is the tenant alone, a
# command for another kind of table, a server that was built without it.
BARRED = frozenset({"42501", "23503", "23505", "42809", "0A000"})
UNDONE = ("ROLLBACK TO probe", "DEALLOCATE ALL")
PATIENCE = "SET lock_timeout = '5s'"  # two lines work on the same tables


class Leak(NamedTuple):
    """A probe that got through, or that proves nothing, and what came of it."""

    probe: str
    object: str
    problem: str


class Matrix(NamedTuple):
    """What the probes found: how many there were, how many were refused, how many showed nothing, and the leaks."""

    probes: int
    refused: int
    empty: int
    leaks: tuple[Leak, ...]


def run(server: Throwaway, database: str, seal: Seal, schema: Schema, pair: Pair, progress: Progress) -> Matrix:
    """Send every probe; the database has the rows of both tenants."""
    with contextlib.ExitStack() as stack:
        app, other = (stack.enter_context(server.line(database, APP)) for _ in range(2))
        above = stack.enter_context(server.line(database))
        for line in (app, other, above):
            line.ask(PATIENCE)
        before = app.enter(seal, pair.b.tenant.id)
        app.ask("ROLLBACK")
        contexts = {"of-another-transaction": before, "of-another-backend": other.enter(seal, pair.b.tenant.id)}
        other.ask(f"SELECT '{pair.b.tenant.mark}' AS busy")  # what others of its role must not see
        probes = [*all_of(schema, pair), *of_server(schema, pair.a.tenant, pair.b.tenant, contexts)]
        progress.start("bypass matrix", len(probes), "probes")
        blunt = [found for probe in probes if (found := _blunt(above, probe, pair.b.tenant))]
        leaks: list[Leak] = list(blunt)
        refused = 0
        for probe in probes:
            answers = _send(app, seal, pair.a.tenant, probe)
            problem = judge(probe, answers, pair.b.tenant)
            refused += not problem and bool(answers[-1].state)
            if problem:
                leaks.append(Leak(probe.name, probe.object, problem))
            progress.advance(1)
        over = list(attempts(app, other, seal, schema, pair))
        leaks += [Leak(attempt.name, attempt.object, attempt.problem) for attempt in over if attempt.problem]
    count = len(probes) + len(over)
    return Matrix(count, refused, count - refused - len(leaks), tuple(leaks))


def judge(probe: Probe, answers: Sequence[Answer], b: Tenant) -> str:
    """What is wrong with what came back, in words; empty when nothing is."""
    last, seen = answers[-1], b"\n".join(answer.text() for answer in answers)
    if problem := shown(seen, b, probe.echo):
        return problem
    if last.state in probe.never:
        return f"tells of the other tenant by its error {last.state}"
    if probe.expect == "refused":
        return "" if last.state in REFUSED | probe.states else f"is not refused: {_told(last)}"
    if last.state and last.state not in REFUSED | probe.states:
        return f"fails for another reason: {_told(last)}"
    if probe.control == "changes" and last.changed:
        return f"changes {last.changed} rows of the other tenant"
    return ""


def shown(seen: bytes, b: Tenant, echo: str = "") -> str:
    """What bytes tell of a tenant; `echo` is what was in the question already."""
    if LEAK.encode() in seen:
        return "answers a question about the other tenant"
    if echo != "all" and any(mark in seen for mark in b.marks):
        return "shows data of the other tenant"
    return "names the other tenant" if not echo and b.id.encode() in seen else ""


def leaks_within(line: Line, seal: Seal, pair: Pair, probes: Iterable[Probe]) -> list[Leak]:
    """Probes in the transaction that a superuser's line is in, which plays the application to its end."""
    line.ask(f"SET LOCAL SESSION AUTHORIZATION {APP}")
    line.enter(seal, pair.a.tenant.id, begin=False)
    line.ask("SAVEPOINT probe")
    found = []
    for probe in probes:  # one message each: what the one before did is undone first
        answers = line.ask_all("; ".join([*UNDONE, *probe.steps]))[len(UNDONE) :]
        problem = judge(probe, answers, pair.b.tenant)
        if problem:
            found.append(Leak(probe.name, probe.object, problem))
    return found


def _send(line: Line, seal: Seal, a: Tenant, probe: Probe) -> list[Answer]:
    if probe.inside:
        line.enter(seal, a.id)
    else:
        line.ask("BEGIN")
    answers = _step(line, probe)
    line.ask("ROLLBACK")
    return answers


def _step(line: Line, probe: Probe) -> list[Answer]:
    """The answers to the steps, which are undone."""
    line.ask("SAVEPOINT probe")
    answers = line.ask_all("; ".join(probe.steps))
    line.ask_all("; ".join(UNDONE))
    return answers


def _blunt(line: Line, probe: Probe, b: Tenant) -> Leak | None:
    """Why a probe proves nothing: not even a superuser gets through with it."""
    if probe.control == "none":
        return None
    line.ask("BEGIN")
    answers = _step(line, probe)
    line.ask("ROLLBACK")
    last = answers[-1]
    seen = b"\n".join(answer.text() for answer in answers)
    through = {
        "shows": bool(shown(seen, b)) or last.state in probe.never,
        "changes": last.changed > 0,
        "passes": not last.state,
        "none": True,
    }
    if through[probe.control] or last.state in BARRED:
        return None
    return Leak(probe.name, probe.object, f"is blunt, a superuser does not get through either: {_told(last)}")


def _told(answer: Answer) -> str:
    words = answer.told.decode(errors="replace").split("\n")[0] or answer.tag.decode()
    return f"{answer.state} {words}".strip()
