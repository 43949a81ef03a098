"""Npm's @sigstore/verify accepts our bundles, by key and by identity, and refuses what was altered.

npm install --prefix DIR @sigstore/verify @sigstore/bundle && SIGSTORE_VERIFY=DIR/node_modules pytest -n 0 -m peer -rs
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stella.signing import trusted_root
from tests import signed

pytestmark = pytest.mark.peer
SCRIPT = Path(__file__).parents[2] / "sigstore_verify.mjs"


def judged(*cases: tuple[bytes, bool]) -> list[str]:
    """What npm's verifier says of bundles; those that are `keyless` must be by WHO."""
    modules, node = os.environ.get("SIGSTORE_VERIFY", ""), shutil.which("node")
    if node is None:
        pytest.skip("node is not on PATH")
    if not (Path(modules) / "@sigstore/verify").is_dir():
        pytest.skip("SIGSTORE_VERIFY names no folder of node modules with @sigstore/verify")
    who = {"identity": signed.WHO.uri, "issuer": signed.WHO.issuer}
    given = {
        "root": json.loads(trusted_root.write(signed.ROOT)),
        "keys": {key.public.hint: base64.b64encode(key.public.spki).decode() for key in (signed.P256, signed.ED25519)},
        "cases": [{"bundle": json.loads(data), **(who if keyless else {})} for data, keyless in cases],
    }
    words = [node, str(SCRIPT), str(Path(modules).absolute())]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def flip(document: Any) -> None:
    envelope = document["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"]).replace(b"passed", b"failed")
    envelope["payload"] = base64.b64encode(payload).decode()


def swap_signature(document: Any) -> None:
    other = json.loads(signed.by_key(signed.STRANGER))
    document["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"]


def drop_timestamps(document: Any) -> None:
    document["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": []}


def test_it_accepts_bundles_by_key_and_by_identity() -> None:
    good = [(signed.by_key(), False), (signed.by_key(signed.ED25519), False), (signed.by_identity(), True)]
    assert judged(*good) == ["accepted"] * 3


def test_it_refuses_what_was_altered_and_who_is_somebody_else() -> None:
    other = signed.Identity("https://issuer.example/tenants/acme/principals/acme.eve", signed.WHO.issuer)
    issuer = signed.Identity(signed.WHO.uri, "https://elsewhere.example")
    late = signed.by_identity(stamped=signed.NOW + 3600)
    found = judged(
        (signed.changed(signed.by_key(), flip), False),
        (signed.changed(signed.by_identity(), flip), True),
        (signed.changed(signed.by_key(), swap_signature), False),
        (signed.changed(signed.by_key(), drop_timestamps), False),
        (signed.by_key(signed.STRANGER), False),
        (signed.by_identity(other), True),
        (signed.by_identity(issuer), True),
        (late, True),
    )
    assert "accepted" not in found
    assert found[0] == found[1] == "SIGNATURE_ERROR"
    assert found[4] == "PUBLIC_KEY_ERROR"
    assert set(found[5:7]) == {"UNTRUSTED_SIGNER_ERROR"}
    assert found[7] == "CERTIFICATE_ERROR"
