"""The answer of `stella attest verify`, and the key that an attestation is signed with."""

from __future__ import annotations

from pathlib import Path

from stella.attest import statement
from stella.attest.model import AttestationVerified, SubjectShown, VerifyAttestation
from stella.operations import Context
from stella.runtime.files import read_file
from stella.signing.keys import MAX_KEY_FILE, PrivateKey, PublicKey


def verify(_: Context, want: VerifyAttestation) -> AttestationVerified:
    """Verify an attestation with nothing but the keys that were given."""
    keys = [PublicKey.from_base64(key) for key in want.key]
    data = read_file(Path(want.file), statement.MAX_SIZE)
    found = statement.read(data, keys, want.file, want.predicate)
    signed = {key.keyid: key.to_base64() for key in keys}
    facts = {name: fact for name, fact in found.statement.predicate.items() if isinstance(fact, (str, int, bool))}
    return AttestationVerified(
        file=want.file,
        predicate=found.statement.predicate_type,
        subjects=tuple(SubjectShown(one.name, one.digest["sha256"]) for one in found.statement.subject),
        keys=tuple(signed[keyid] for keyid in found.keyids),
        release=found.core.release,
        made=found.core.made,
        verdict=found.core.verdict,
        facts={name: fact for name, fact in facts.items() if name not in {"release", "made", "verdict"}},
    )


def signing_key(ctx: Context, path: str) -> PrivateKey:
    """The key in an encrypted PEM, as `mirror init` writes it.

    Raises WrongPassphrase, SecretMissing or SecretUnreadable, or as `read_file`.
    """
    return PrivateKey.from_pem(read_file(Path(path), MAX_KEY_FILE), ctx.secret(ctx.settings.keys.passphrase), path)
