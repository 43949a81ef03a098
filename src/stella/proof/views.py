"""What people see of the gate, the roles and the proof."""

from __future__ import annotations

from stella.formats.view import Cell, Facts, Table, Text, View, human_count
from stella.proof.model import FindingShown, GateRead, Predicate, Proved, RolesPrinted

MANY = 20  # rows of a table that are enough to begin with


def gate(result: GateRead) -> View:
    """The findings, then how much was looked at."""
    return [
        _findings(result.findings, "nothing would let one tenant reach another"),
        Facts(
            [
                ("verdict", _verdict(result.verdict)),
                ("database", result.database),
                ("tables of tenants", human_count(result.tables)),
                ("kinds of findings", human_count(result.checks)),
                *(("report", path) for path in result.reports),
            ]
        ),
    ]


def roles(result: RolesPrinted) -> View:
    """The text alone, so that it can be written to a file."""
    return [Text(result.sql)]


def proved(result: Proved) -> View:
    """What was tried and what came of it, part by part; then what was written."""
    proof = result.proof
    view: list[Facts | Table | Text] = [Facts(_parts(proof, result.rate)), *_wrong(proof)]
    if proof.live is None:
        view.append(Text("No live database was asked: the release is proved, and no database with it.", "warn"))
    view.append(Facts([("verdict", _verdict(result.verdict)), *(("because", reason) for reason in result.reasons)]))
    if result.out and result.signed_by:
        view.append(Facts([("attestation", result.out), ("signed by", result.signed_by)]))
        view.append(Text(f"next: stella attest verify {result.out} --key {result.signed_by}"))
    elif result.out:
        view.append(Text(f"{result.out} is NOT SIGNED: nobody can verify it; sign with --key FILE", "warn"))
    return view


def _parts(proof: Predicate, rate: int) -> list[tuple[str, str | Cell]]:
    matrix, asked, broken = proof.matrix, proof.interference, proof.mutations
    probes = f"{human_count(matrix.refused)} of {human_count(matrix.probes)} probes refused"
    queries = f"{human_count(asked.queries)} queries of {human_count(asked.texts)} texts, {human_count(rate)} a second"
    noticed = f"gate {human_count(broken.by_gate)}, matrix {human_count(broken.by_matrix)}"
    rows: list[tuple[str, str | Cell]] = [
        ("release", f"{proof.release}, {proof.tables} tables of tenants, {proof.rows} rows"),
        ("gate", _count(len(proof.gate), "findings")),
        (
            "bypass matrix",
            _count(len(matrix.leaks), "leaks", f"{probes}, {human_count(matrix.empty)} showed nothing"),
        ),
        (
            "non-interference",
            _count(
                len(asked.differences), "differences", f"{queries}, {asked.statements} statements of the service too"
            ),
        ),
        (
            "mutations",
            _count(len(broken.survivors), "unnoticed", f"{human_count(broken.made)} made, noticed by {noticed}"),
        ),
    ]
    if proof.live:
        rows += [
            ("live login", f"{proof.live.login}: no superuser, no BYPASSRLS, owns nothing"),
            ("live gate", _count(len(proof.live.findings), "findings")),
            ("live schema", _count(len(proof.live.differences), "differences from what was proved")),
        ]
    return rows


def _wrong(proof: Predicate) -> list[Table | Text]:
    """Everything that is wrong, each part as a table of its own."""
    live = proof.live
    found: list[Table | Text] = [_findings(some, "") for some in (proof.gate, live.findings if live else ()) if some]
    if leaks := proof.matrix.leaks[:MANY]:
        rows = [(leak.probe, leak.object, Cell(leak.problem, "bad")) for leak in leaks]
        found.append(Table(("probe", "object", "problem"), rows, "Bypass matrix"))
    found += [
        Text(f"{one.query}\n  without: {one.without}\n  beside:  {one.beside}", "bad")
        for one in proof.interference.differences[:MANY]
    ]
    names = {"not noticed": proof.mutations.survivors, "not asked": proof.interference.unasked}
    names |= {"differs": live.differences if live else ()}
    return found + [Text(f"{word}: {name}", "bad") for word, said in names.items() for name in said[:MANY]]


def _findings(findings: tuple[FindingShown, ...], empty: str) -> Table:
    rows = [(Cell(one.kind, "bad"), one.object, one.found, one.why, one.fix) for one in findings]
    return Table(("finding", "object", "found", "why", "fix"), rows, empty=empty)


def _count(number: int, what: str, said: str = "") -> Cell:
    words = f"{human_count(number)} {what}"
    return Cell(f"{said}; {words}" if said else words, "bad" if number else "good")


def _verdict(verdict: str) -> Cell:
    return Cell(verdict, "good" if verdict == "passed" else "bad")
