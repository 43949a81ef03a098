"""What people see of attestations."""

from __future__ import annotations

from stella.attest.model import AttestationVerified
from stella.formats.view import Cell, Facts, Text, View, human_count


def verified(result: AttestationVerified) -> View:
    """After attest verify: the signature is good; the verdict is what was signed."""
    passed = result.verdict == "passed"
    facts: list[tuple[str, str | Cell]] = [
        ("verdict", Cell(result.verdict, "good" if passed else "bad")),
        ("kind", result.predicate),
        *((subject.name, f"sha256:{subject.sha256}") for subject in result.subjects),
        *((word, said) for word, said in (("release", result.release), ("made", result.made)) if said),
        *(("signed by", key) for key in result.keys if result.identity is None),
    ]
    if result.identity is not None:
        facts += [("signed by", result.identity), ("vouched for by", result.issuer or "")]
    if result.signed_at is not None:
        facts.append(("signed at", result.signed_at))
    said = [(name.replace("_", " "), _word(fact)) for name, fact in result.facts.items()]
    view: list[Facts | Text] = [Facts(facts), *([Facts(said, "What was signed")] if said else [])]
    return view if passed else [*view, Text("The signature is good. What was examined failed.", "bad")]


def _word(fact: str | int | bool) -> str:  # noqa: FBT001  # a value of JSON
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return human_count(fact) if isinstance(fact, int) else fact
