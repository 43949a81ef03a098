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
    rows: list[tuple[str, str | Cell]] = [
        ("release", f"{proof.release}, {proof.tables} tables of tenants, {proof.rows} rows"),
        ("gate", _count(len(proof.gate), "findings")),
        (
            "bypass matrix",
            _count(len(matrix.leaks), "leaks", f"{human_count(matrix.probes)} probes: {human_count(matrix.refused)} refused,"
                   f" {human_count(matrix.empty)} showed nothing"),
        ),
        (
            "non-interference",
            _count(len(asked.differences), "differences", f"{human_count(asked.queries)} queries, {human_count(asked.texts)}"
                   f" texts, {asked.statements} statements of the service; {human_count(rate)} a second"),
        ),
        (
            "mutations",
            _count(len(broken.survivors), "unnoticed", f"{human_count(broken.made)} made, {human_count(broken.by_gate)} seen by"
                   f" the gate, {human_count(broken.by_matrix)} by the matrix"),
        ),
    ]  # fmt: skip
    if proof.live:
        rows += [
            ("live login", f"{proof.live.login}: no superuser, no BYPASSRLS, owns nothing"),
            ("live gate", _count(len(proof.live.findings), "findings")),
            ("live schema", _count(len(proof.live.differences), "differences from what was proved")),
        ]
    return rows


def _wrong(proof: Predicate) -> list[Table | Text]:
    """Everything that is wrong, each part as a table of its own."""
    found: list[Table | Text] = []
    for findings in (proof.gate, proof.live.findings if proof.live else ()):
        if findings:
            found.append(_findings(findings, ""))
    if leaks := proof.matrix.leaks[:MANY]:
        rows = [(leak.probe, leak.object, Cell(leak.problem, "bad")) for leak in leaks]
        found.append(Table(("probe", "object", "problem"), rows, "Bypass matrix"))
    for one in proof.interference.differences[:MANY]:
        found.append(Text(f"{one.query}\n  without: {one.without}\n  beside:  {one.beside}", "bad"))
    names = {"not noticed": proof.mutations.survivors, "not asked": proof.interference.unasked}
    names |= {"differs": proof.live.differences if proof.live else ()}
    found += [Text(f"{word}: {name}", "bad") for word, said in names.items() for name in said[:MANY]]
    return found


def _findings(findings: tuple[FindingShown, ...], empty: str) -> Table:
    rows = [(Cell(one.kind, "bad"), one.object, one.found, one.why, one.fix) for one in findings]
    return Table(("finding", "object", "found", "why", "fix"), rows, empty=empty)


def _count(number: int, what: str, said: str = "") -> Cell:
    words = f"{human_count(number)} {what}"
    return Cell(f"{said}; {words}" if said else words, "bad" if number else "good")


def _verdict(verdict: str) -> Cell:
    return Cell(verdict, "good" if verdict == "passed" else "bad")
