"""What the verification of an access token costs, beside PyJWT, Authlib, plain joserfc, and the signature alone.

Rules:
- All are given the same token and the same checks: signature by a key that is ready, issuer, audience, times.
- Kinds are interleaved in every round; figures are medians of CPU microseconds, ratios those of the rounds.
- A verifier that keeps one result and is asked about two tokens in turn never has the one that it needs.
- The flood is of good form and unknown key ids, each its own; the issuer's address only counts.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from stella.runtime.clock import SystemClock
from stella.runtime.entropy import system_entropy
from stella.tenancy.compact import encode, split
from stella.tenancy.errors import TokenKeyUnknown
from stella.tenancy.jwks import Answer, KeyCache
from stella.tenancy.mint import Grant, SigningKey, mint
from stella.tenancy.model import Issuer, Presented
from stella.tenancy.tokens import Verifier

ROUNDS = 15
COUNT = 200  # verifications of a kind in a round
FLOOD = 20_000
ISSUER, AUDIENCE = "https://issuer.example", "stella"
GRANT = Grant(
    issuer=ISSUER,
    subject="subject-1",
    audience=AUDIENCE,
    tenant="acme",
    client="client-1",
    scopes=frozenset({"mirror:read", "mirror:write", "site:read", "policy:author"}),
    ttl=300,
)

Once = Callable[[], object]


def keys() -> list[SigningKey]:
    """One key for each algorithm."""
    made = SigningKey(rsa.generate_private_key(65537, 2048))
    return [made, SigningKey.generate(system_entropy, "ES256"), SigningKey.generate(system_entropy, "EdDSA")]


def kinds(key: SigningKey) -> dict[str, Once]:
    """What is timed, by name; a peer that is not installed is left out."""
    clock = SystemClock()
    body = json.dumps({"keys": [key.jwk()]}).encode()
    source = KeyCache(ISSUER, lambda _: Answer(body), clock, system_entropy)
    first, second = (mint(key, GRANT, clock.read().wall, system_entropy) for _ in range(2))
    cold = Verifier([Issuer(ISSUER, source)], AUDIENCE, clock, capacity=1)
    warm = Verifier([Issuer(ISSUER, source)], AUDIENCE, clock)
    asked, turn = Presented(first), cycle([Presented(first), Presented(second)])
    found: dict[str, Once] = {
        "signature alone": _raw(key, first),
        "stella, cold": lambda: cold.verify(next(turn)),
        "stella, kept": lambda: warm.verify(asked),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in {"joserfc": _joserfc, "pyjwt": _pyjwt, "authlib": _authlib}.items():
            try:
                found[name] = make(key, first)
            except ImportError:
                print(f"bench: {name} is not installed", file=sys.stderr)
    return found


def _raw(key: SigningKey, token: str) -> Once:
    parts = split(token.encode())
    public: Any = key._native.public_key()  # noqa: SLF001  # the peer is the library below
    signature, signed = parts.signature, parts.signed
    if key.alg == "RS256":
        return lambda: public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    if key.alg == "ES256":
        der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        return lambda: public.verify(der, signed, ec.ECDSA(hashes.SHA256()))
    return lambda: public.verify(signature, signed)


def _joserfc(key: SigningKey, token: str) -> Once:
    from joserfc import jwk, jwt  # noqa: PLC0415  # each peer is imported for itself

    public = jwk.import_key({**key.jwk()})
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}
    )
    return lambda: registry.validate(jwt.decode(token, public, algorithms=[key.alg]).claims)


def _pyjwt(key: SigningKey, token: str) -> Once:
    import jwt  # noqa: PLC0415  # as above

    public = jwt.PyJWK(key.jwk()).key
    return lambda: jwt.decode(token, public, algorithms=[key.alg], audience=AUDIENCE, issuer=ISSUER)


def _authlib(key: SigningKey, token: str) -> Once:
    from authlib.jose import JsonWebKey, JsonWebToken  # noqa: PLC0415  # as above

    public, reader = JsonWebKey.import_key(key.jwk()), JsonWebToken([key.alg])
    options = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    return lambda: reader.decode(token, public, claims_options=options).validate()


def _micros(once: Once) -> float:
    begin = time.process_time()
    for _ in range(COUNT):
        once()
    return 1e6 * (time.process_time() - begin) / COUNT


def verification(key: SigningKey) -> dict[str, object]:
    """Microseconds of CPU for each kind, and what a kind costs in terms of ours and of the signature alone."""
    found = kinds(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for once in found.values():
            _micros(once)
        rounds = [{name: _micros(once) for name, once in found.items()} for _ in range(ROUNDS)]

    def ratio(name: str, to: str) -> float:
        return round(statistics.median(costs[name] / costs[to] for costs in rounds), 2)

    peers = [name for name in ("joserfc", "pyjwt", "authlib") if name in found]
    return {
        "us": {name: round(statistics.median(costs[name] for costs in rounds), 2) for name in found},
        "cold_to_signature_alone": ratio("stella, cold", "signature alone"),
        "peer_to_cold": {name: ratio(name, "stella, cold") for name in peers},
        "peer_to_kept": {name: ratio(name, "stella, kept") for name in peers},
    }


def flood(key: SigningKey) -> dict[str, object]:
    """Tokens with unknown key ids: microseconds each, how many downloads, and that a good token still passes."""
    clock, downloads = SystemClock(), 0
    body = json.dumps({"keys": [key.jwk()]}).encode()

    def fetch(_: str) -> Answer:
        nonlocal downloads
        downloads += 1
        return Answer(body)

    good = mint(key, GRANT, clock.read().wall, system_entropy)
    rest = good[good.index(".") :]
    header = '{{"typ":"at+jwt","alg":"{}","kid":"kid-{}"}}'
    texts = [Presented(encode(header.format(key.alg, number).encode()) + rest) for number in range(FLOOD)]
    verifier = Verifier([Issuer(ISSUER, KeyCache(ISSUER, fetch, clock, system_entropy))], AUDIENCE, clock)
    verifier.verify(Presented(good))
    begin, wall = time.process_time(), time.perf_counter()
    for text in texts:
        try:
            verifier.verify(text)
        except TokenKeyUnknown:
            continue
        raise SystemExit("a token with an unknown key passed")
    micros = 1e6 * (time.process_time() - begin) / FLOOD
    seconds = time.perf_counter() - wall
    verifier.verify(Presented(mint(key, GRANT, clock.read().wall, system_entropy)))
    return {"tokens": FLOOD, "us": round(micros, 2), "seconds": round(seconds, 2), "downloads": downloads - 1}


def tokens(_: Path) -> dict[str, object]:
    """Verification by algorithm, and a flood of unknown key ids."""
    made = keys()
    return {**{key.alg: verification(key) for key in made}, "flood": flood(made[1])}


if __name__ == "__main__":
    print(json.dumps(tokens(Path()), indent=2))
