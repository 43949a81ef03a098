"""Making signed statements: an in-toto Statement v1 in a Sigstore bundle, by a managed key or by an identity.

Rules:
- What is dated is the signature, so the proof of time shows when it was made.
- A key of the moment signs one statement and is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stella.kernel import dsse
from stella.kernel.canonical import dump
from stella.kernel.instant import Instant
from stella.kernel.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject
from stella.runtime.ports import Entropy
from stella.signing import certifier, sigstore_bundle
from stella.signing.certifier import Certifier, Identity
from stella.signing.signing_key import SigningKey
from stella.signing.sigstore_bundle import SigstoreBundle
from stella.signing.verifying_key import VerifyingKey

Sign = Callable[[bytes], bytes]
Stamp = Callable[[bytes], bytes]  # a TimeStampResp (DER) over bytes


def statement(predicate_type: str, subjects: Mapping[str, str], predicate: dict[str, object]) -> bytes:
    """Canonical bytes of a statement; `subjects` are SHA-256 digests by name."""
    named = tuple(Subject(name=name, digest={"sha256": digest}) for name, digest in sorted(subjects.items()))
    return dump(Statement(type=STATEMENT_TYPE, subject=named, predicate_type=predicate_type, predicate=predicate))


def by_key(payload: bytes, public: VerifyingKey, sign: Sign, stamp: Stamp | None) -> bytes:
    """A bundle that names a managed key; raises what `sign` and `stamp` raise."""
    return _bundle(payload, sign, stamp, hint=public.hint)


def by_identity(
    payload: bytes, authority: Certifier, who: Identity, now: Instant, entropy: Entropy, stamp: Stamp
) -> bytes:
    """A bundle that carries a certificate for `who`, made now; raises AuthorityNotInForce, or as `stamp`."""
    key = SigningKey.generate(entropy)
    made = certifier.issue(authority, key, who, now, entropy)
    return _bundle(payload, key.sign, stamp, certificate=made)


def _bundle(
    payload: bytes, sign: Sign, stamp: Stamp | None, *, hint: str | None = None, certificate: bytes | None = None
) -> bytes:
    signature = sign(dsse.pae(PAYLOAD_TYPE, payload))
    return sigstore_bundle.write(
        SigstoreBundle(
            payload_type=PAYLOAD_TYPE,
            payload=payload,
            signature=signature,
            hint=hint,
            certificate=certificate,
            timestamps=(stamp(signature),) if stamp else (),
            log_entries=0,
        )
    )
