"""What people see of keys and of what they sign."""

from __future__ import annotations

from collections.abc import Sequence

from stella.formats.view import Cell, Facts, Table, Text, Tone, View
from stella.key.model import (
    AttestationRenewed,
    FileAttested,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyRow,
    KeyShown,
    KeysListed,
    Signer,
)

SHORT = 16  # characters of an id; its file has the same
TONES: dict[str, Tone] = {"active": "good", "next": "plain", "retired": "dim", "revoked": "bad"}


def created(result: KeyCreated) -> View:
    """After key create."""
    rows = [*_facts(result.key), ("trust", result.trust)]
    return [
        Facts(rows),
        Text(result.pem.rstrip()),
        Text(f"Hand {result.trust} to whoever verifies, by another way than what is signed.", "dim"),
    ]


def listed(result: KeysListed) -> View:
    """After key list."""
    return [_table(result.keys), Text(f"Change {result.serial}. For verifiers: {result.trust}", "dim")]


def shown(result: KeyShown) -> View:
    """After key show."""
    rows = [*_facts(result.key), ("Sigstore hint", result.hint)]
    return [Facts([*rows, ("reason", result.reason)] if result.reason else rows), Text(result.pem.rstrip())]


def rotated(result: KeyRotated) -> View:
    """After key rotate."""
    rows = [row for row in (result.old, result.new) if row is not None]
    said = (
        f"The old key says so in {result.statement}." if result.statement else "No key could say so: none was active."
    )
    return [_table(rows), Text(said), Text(f"Hand out {result.trust} again before {result.new.not_before}.", "warn")]


def revoked(result: KeyRevoked) -> View:
    """After key revoke."""
    signs = Text(f"Signs now: {result.signs[:SHORT]}") if result.signs else Text("No key signs for it now.", "warn")
    return [Facts(_facts(result.key)), signs, Text(f"Hand out {result.trust} again at once.", "warn")]


def attested(result: FileAttested) -> View:
    """After key attest."""
    about = [(result.subject, f"sha256:{result.sha256}"), ("kind", result.predicate_type)]
    return [Facts([*about, *_signer(result.signer), ("signed at", result.signed_at), ("written", result.out)])]


def renewed(result: AttestationRenewed) -> View:
    """After key renew."""
    was = [("kind", result.predicate_type), *_signer(result.was), ("signed at", result.was_signed_at)]
    now = [*_signer(result.signer), ("signed at", result.signed_at), ("written", result.out)]
    return [Facts(was, "Before"), Facts(now, "Now")]


def _signer(signer: Signer) -> list[tuple[str, str]]:
    if signer.identity is None:
        return [("signed by key", signer.keyid)]
    return [("signed by", signer.identity), ("vouched for by", signer.issuer or "")]


def _facts(key: KeyRow) -> list[tuple[str, str | Cell]]:
    found: list[tuple[str, str | Cell]] = [
        ("key", key.keyid),
        ("purpose", key.purpose),
        ("kind", key.algorithm),
        ("state", Cell(key.state, TONES[key.state])),
        ("signs from", key.not_before),
    ]
    if key.not_after:
        found.append(("signs until", key.not_after))
    if key.revoked:
        found.append(("revoked as of", key.revoked))
    return [*found, ("private half", key.custody)]


def _table(keys: Sequence[KeyRow]) -> Table:
    return Table(
        ("key", "purpose", "kind", "state", "from", "until", "private half"),
        [
            (
                key.keyid[:SHORT],
                key.purpose,
                key.algorithm,
                Cell(key.state, TONES[key.state]),
                key.not_before,
                key.revoked or key.not_after or "",
                key.custody,
            )
            for key in keys
        ],
        empty="No keys.",
    )
