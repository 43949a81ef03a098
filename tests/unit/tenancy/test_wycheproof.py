"""Vectors of the project Wycheproof for JWS, where somebody has put them; our own for each of their classes elsewhere.

Rules:
- The file is `testvectors_v1/json_web_signature_test.json` of C2SP/wycheproof. `WYCHEPROOF_JWS` names it, or it lies
  in `.tools/`. Without it these tests are skipped.
- What we verify is a closed list of algorithms, so good vectors of others must be refused. The second test lets our
  parser feed the library's other algorithms: that shows that nothing else refuses them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry

from stella.tenancy import compact
from stella.tenancy.errors import Refusal, TokenAlgorithmDenied
from stella.tenancy.keys import read_key
from stella.tenancy.model import ALGORITHMS, Found
from stella.tenancy.tokens import check_signature

TOP = Path(__file__).resolve().parents[3]
FILE = Path(os.environ.get("WYCHEPROOF_JWS") or TOP / ".tools" / "wycheproof" / "json_web_signature_test.json")
# Defects of the vectors: in 346, 347, 350, 351 the key's `alg` differs from the token's; 367 and 370 are called invalid
# and equal 357, which is valid; 372 and 373 are called valid and have a character that base64url does not.
DEFECTS = {346, 347, 350, 351, 367, 370, 372, 373}

pytestmark = [
    pytest.mark.skipif(not FILE.exists(), reason="the vectors are not here"),
    pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning"),
]


def vectors() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in json.loads(FILE.read_text(encoding="utf-8"))["testGroups"]:
        for vector in group["tests"]:
            yield group.get("public") or group["private"], vector


def ours(jwk: dict[str, Any], text: str) -> bool:
    """Form, header, key and signature as the verifier checks them; the vectors have no type and no claims."""
    parts = compact.split(text.encode())
    header, _ = compact.read_header(parts.header)
    if header.alg not in ALGORITHMS:
        raise TokenAlgorithmDenied
    key = read_key(jwk)
    if key is None:
        return False
    check_signature(parts, header, Found(key, 0, 0))
    return True


def theirs(jwk: dict[str, Any], text: str) -> bool:
    """Our form and header, the library's keys and every algorithm that it has but `none`."""
    parts = compact.split(text.encode())
    header, _ = compact.read_header(parts.header)
    key, model = JWKRegistry.import_key(jwk), JWSRegistry.algorithms[header.alg]
    key.check_use("sig")
    key.check_alg(header.alg)
    model.check_key(key)
    return header.alg != "none" and model.verify(parts.signed, parts.signature, key)


def test_no_bad_vector_passes_and_every_good_one_of_our_algorithms_does() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for jwk, vector in vectors():
        try:
            said = "accepted" if ours(jwk, vector["jws"]) else "refused"
        except TokenAlgorithmDenied:
            said = "algorithm"
        except Refusal:
            said = "refused"
        found[vector["result"], said] += 1
        good = vector["result"] == "valid" and vector["tcId"] not in DEFECTS
        if good and jwk.get("alg") in ALGORITHMS:
            assert said == "accepted", vector
        if said == "accepted":
            assert vector["result"] == "valid", vector
    assert found["valid", "accepted"] == 10
    assert found["invalid", "accepted"] == 0


def test_all_algorithms_together_differ_by_the_defects_of_the_vectors() -> None:
    wrong = set()
    for jwk, vector in vectors():
        try:
            good = theirs(jwk, vector["jws"])
        except (Refusal, JoseError, KeyError, ValueError):
            good = False
        if good != (vector["result"] == "valid"):
            wrong.add(vector["tcId"])
    assert wrong == DEFECTS
