"""The operations of `key` at a service. Made from the operation table by `make reference`; do not edit."""

from __future__ import annotations

from typing import Literal

from stella.client.remote import Caller
from stella.key.model import (
    AttestationRenewed,
    AttestFile,
    CreateKey,
    FileAttested,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyShown,
    KeysListed,
    ListKeys,
    RenewAttestation,
    RevokeKey,
    RotateKey,
    ShowKey,
)


class KeyCalls:
    """The operations of `key` at a service."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    def create(
        self,
        *,
        dir: str = ".stella/keys",
        purpose: str = "policy",
        algorithm: Literal["ecdsa-p256", "ed25519"] = "ecdsa-p256",
        private: str | None = None,
    ) -> KeyCreated:
        """Make the first key for a purpose; it signs at once."""
        return self._call(
            "key.create", CreateKey(dir=dir, purpose=purpose, algorithm=algorithm, private=private), KeyCreated
        )

    def list(self, *, dir: str = ".stella/keys", purpose: str | None = None) -> KeysListed:
        """List the keys with their states, newest first."""
        return self._call("key.list", ListKeys(dir=dir, purpose=purpose), KeysListed)

    def show(self, *, keyid: str, dir: str = ".stella/keys") -> KeyShown:
        """Show a key and its public half in PEM."""
        return self._call("key.show", ShowKey(keyid=keyid, dir=dir), KeyShown)

    def rotate(
        self,
        *,
        reason: str,
        ticket: str,
        dir: str = ".stella/keys",
        purpose: str = "policy",
        algorithm: Literal["ecdsa-p256", "ed25519"] = "ecdsa-p256",
        overlap: str = "7d",
    ) -> KeyRotated:
        """Publish the next key for a purpose."""
        return self._call(
            "key.rotate",
            RotateKey(reason=reason, ticket=ticket, dir=dir, purpose=purpose, algorithm=algorithm, overlap=overlap),
            KeyRotated,
        )

    def revoke(
        self, *, keyid: str, reason: str, ticket: str, dir: str = ".stella/keys", since: str | None = None
    ) -> KeyRevoked:
        """Let nothing of a key count from a time on."""
        return self._call(
            "key.revoke", RevokeKey(keyid=keyid, reason=reason, ticket=ticket, dir=dir, since=since), KeyRevoked
        )

    def attest(
        self,
        *,
        file: str,
        out: str,
        predicate_type: str,
        dir: str = ".stella/keys",
        predicate: str | None = None,
        name: str | None = None,
        purpose: str = "policy",
        keyless: bool = False,
    ) -> FileAttested:
        """Sign a statement about a file."""
        return self._call(
            "key.attest",
            AttestFile(
                file=file,
                out=out,
                predicate_type=predicate_type,
                dir=dir,
                predicate=predicate,
                name=name,
                purpose=purpose,
                keyless=keyless,
            ),
            FileAttested,
        )

    def renew(
        self,
        *,
        file: str,
        out: str,
        dir: str = ".stella/keys",
        purpose: str = "policy",
        identity: tuple[str, ...] = (),
        issuer: tuple[str, ...] = (),
    ) -> AttestationRenewed:
        """Verify an attestation and sign its statement again with the active key."""
        return self._call(
            "key.renew",
            RenewAttestation(file=file, out=out, dir=dir, purpose=purpose, identity=identity, issuer=issuer),
            AttestationRenewed,
        )
