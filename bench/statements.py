"""What a signed statement costs to make and to verify, beside securesystemslib's DSSE and the signature alone.

Rules:
- All sign and verify the same statement of a policy with the same key; ours also writes and reads the bundle around it,
  and judges key, kind and subject.
- Kinds are interleaved in every round; figures are medians of operations per CPU second, ratios those of the rounds.
- The key of a peer is ready before it is timed, and so are the authorities.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stella.kernel import dsse
from stella.kernel.statement import PAYLOAD_TYPE
from stella.runtime.entropy import system_entropy
from stella.signing import attestation, key_list
from stella.signing.authority import issue, make_authority
from stella.signing.certifier import Identity, make_certifier
from stella.signing.signing_key import SigningKey
from stella.signing.trusted_root import Trusted, TrustedRoot
from stella.signing.verification import Demand, Trust, verify
from stella.signing.vocabulary import Algorithm

ROUNDS = 9
COUNT = 150  # operations of a kind in a round
NOW = 1_767_225_600
DAY = 86_400
KIND = "https://stella-ops.org/attestation/policy/v1"
DIGEST = "ab" * 32
WHO = Identity("https://issuer.example/tenants/acme/principals/acme.ci", "https://issuer.example")
PREDICATE: dict[str, object] = {
    "policyId": "P-7",
    "version": 3,
    "irDigest": DIGEST,
    "reason": "rollout",
    "ticket": "SEC-9",
    "approvals": [{"by": "ada", "at": "2026-01-01T00:00:00Z"}],
    "evidence": [{"kind": "shadow", "sha256": DIGEST}, {"kind": "coverage", "sha256": DIGEST}],
}

Once = Callable[[], object]


def kinds(algorithm: Algorithm) -> dict[str, Once]:
    """What is timed, by name; a peer that is not installed is left out."""
    key = SigningKey.generate(system_entropy, algorithm)
    certifier = make_certifier(system_entropy, NOW, "bench")
    timer = make_authority(system_entropy, NOW, "bench")
    root = TrustedRoot(
        (Trusted(certifier.chain, NOW - DAY, NOW + DAY),),
        (Trusted((timer.certificate, timer.root), NOW - DAY, NOW + DAY),),
    )
    trust = Trust((key_list.listed(key.public, "policy", NOW - DAY),), root)
    payload = attestation.statement(KIND, {"P-7@3": DIGEST}, PREDICATE)
    signed = dsse.pae(PAYLOAD_TYPE, payload)
    signature = key.sign(signed)

    def stamp(data: bytes) -> bytes:
        return issue(data, NOW, timer.key, timer.certificate)

    def by_identity() -> bytes:
        return attestation.by_identity(payload, certifier, WHO, NOW, system_entropy, stamp)

    demand = Demand(NOW, frozenset({KIND}), DIGEST, purpose="policy", identities=frozenset({WHO}))
    plain, dated = (attestation.by_key(payload, key.public, key.sign, how) for how in (None, stamp))
    keyless = by_identity()
    return {
        "sign: signature alone": lambda: key.sign(signed),
        "sign: stella": lambda: attestation.by_key(payload, key.public, key.sign, None),
        "sign: stella, dated": lambda: attestation.by_key(payload, key.public, key.sign, stamp),
        "sign: stella, keyless": by_identity,
        "verify: signature alone": lambda: key.public.verify(signature, signed),
        "verify: stella": lambda: verify(plain, trust, demand),
        "verify: stella, dated": lambda: verify(dated, trust, demand),
        "verify: stella, keyless": lambda: verify(keyless, trust, demand),
        **_securesystemslib(key, payload),
    }


def _securesystemslib(key: SigningKey, payload: bytes) -> dict[str, Once]:
    try:
        from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415  # with its peer
        from securesystemslib.dsse import Envelope  # noqa: PLC0415  # the peer may be absent
        from securesystemslib.signer import CryptoSigner, SSlibKey  # noqa: PLC0415  # as above
    except ImportError:
        print("bench: securesystemslib is not installed", file=sys.stderr)
        return {}
    public = SSlibKey.from_crypto(load_der_public_key(key.public.spki), key.keyid)  # type: ignore[arg-type]  # of its kinds
    signer = CryptoSigner(key.native, public)

    def sign() -> str:
        envelope = Envelope(payload, PAYLOAD_TYPE, {})
        envelope.sign(signer)
        return json.dumps(envelope.to_dict())

    text = sign()
    return {
        "sign: securesystemslib": sign,
        "verify: securesystemslib": lambda: Envelope.from_dict(json.loads(text)).verify([public], 1),
    }


def _rate(once: Once) -> float:
    begin = time.process_time()
    for _ in range(COUNT):
        once()
    return COUNT / (time.process_time() - begin)


def measured(algorithm: Algorithm) -> dict[str, object]:
    """Operations per CPU second for each kind, and ours in terms of the peer and of the signature alone."""
    found = kinds(algorithm)
    for once in found.values():
        _rate(once)
    rounds = [{name: _rate(once) for name, once in found.items()} for _ in range(ROUNDS)]

    def ratio(ours: str, to: str) -> float:
        return round(statistics.median(rates[ours] / rates[to] for rates in rounds), 2)

    ratios = {}
    for act in ("sign", "verify"):
        for peer in (name for name in found if name in {f"{act}: securesystemslib", f"{act}: signature alone"}):
            ratios[f"{act} to {peer.partition(': ')[2]}"] = ratio(f"{act}: stella", peer)
    return {"per_s": {name: round(statistics.median(rates[name] for rates in rounds)) for name in found}, **ratios}


def statements(_: Path) -> dict[str, object]:
    """Making and verifying signed statements, by algorithm."""
    kinds_of_key: tuple[Algorithm, ...] = ("ecdsa-p256", "ed25519")
    return {algorithm: measured(algorithm) for algorithm in kinds_of_key}


if __name__ == "__main__":
    print(json.dumps(statements(Path()), indent=2))
