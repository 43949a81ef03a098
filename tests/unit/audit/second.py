"""A second verifier that shares no code with the first: plain hashlib and json, and Ed25519 from `cryptography`."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return sha(b"\0" + leaves[0])
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1" + root(leaves[:cut]) + root(leaves[cut:]))


def statement(envelope: dict[str, Any], key: bytes) -> dict[str, Any]:
    assert envelope["payloadType"] == "application/vnd.stella.audit.checkpoint+json"
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)
    found: dict[str, Any] = json.loads(payload)
    return found


def holds(file: bytes, key: bytes) -> bool:
    """Whether a log is complete and as it was signed."""
    try:
        first, *rest = [json.loads(line) for line in file.decode().split("\n")[:-1]]
        last, hashes, head, proven = statement(first["data"]["checkpoint"], key), [], "0" * 64, 0
        said: dict[str, Any] = {}
        for line in rest:
            if line["type"] == "stella.audit.checkpoint":
                said = statement(line["data"], key)
                expected = {"size": len(hashes), "after": proven, "root": root(hashes).hex(), "head": head}
                if expected != {name: said[name] for name in expected} or said["tenant"] != last["tenant"]:
                    return False
                proven = len(hashes)
                continue
            event = dict(line["data"]["event"])
            own = event.pop("eventHash")
            if (event["sequence"], event["previousEventHash"], event["tenant"]) != (
                len(hashes) + 1,
                head,
                last["tenant"],
            ):
                return False
            if sha(canonical(event)).hex() != own:
                return False
            hashes.append(bytes.fromhex(own))
            head = own
        return bool(
            file.endswith(b"\n") and said == last and proven == len(hashes) == last["size"] == first["data"]["size"]
        )
    except Exception:  # noqa: BLE001  # whatever it is, it does not hold
        return False
