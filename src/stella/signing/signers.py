"""The signer policy of a channel: whose signatures count, and whose proofs of time.

Rules:
- The policy is a TUF target; whoever controls the targets role decides on it, and rotates it without touching a site.
- Release keys decide what is content, the packer key only how a file stores it: one key is never both.
- An authority of time is listed once: its life and its revocation are the policy's, beside those of its certificate.
- The policy says whether a key is a development key, not the key itself.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec

from stella.kernel import dsse
from stella.kernel.canonical import load
from stella.kernel.errors import BadTime
from stella.kernel.instant import parse_time
from stella.signing.errors import BadPolicy
from stella.signing.keys import PublicKey

MAX_KEYS = 32  # per role; every key is tried on every signature of an envelope
MAX_ANCHORS = 32  # every authority is tried on a token


class PolicyKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of a policy; `public` is the base64 of 32 raw Ed25519 bytes."""

    keyid: str
    public: str
    development: bool


class PolicyRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys, and how many of them must sign."""

    keys: tuple[PolicyKey, ...]
    threshold: int


class AnchorRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time-stamp authority: base64 of its root certificate in DER, and when its tokens count."""

    name: str
    certificate: str
    valid_from: str
    valid_to: str
    revoked: bool


class SignerPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`signers.json`."""

    schema: Literal["stella.signers@1"] = "stella.signers@1"
    channel: str
    channel_id: str
    release: PolicyRole
    packer: PolicyRole
    anchors: tuple[AnchorRoot, ...]


class Signed(msgspec.Struct, frozen=True):
    """A verified envelope: payload, ids of the keys that count, and whether one of them is a development key."""

    payload: bytes
    keyids: tuple[str, ...]
    development: bool


def policy_key(public: PublicKey, *, development: bool) -> PolicyKey:
    """The policy's form of a public key."""
    return PolicyKey(keyid=public.keyid, public=public.to_base64(), development=development)


def parse(data: bytes) -> SignerPolicy:
    """Parse `signers.json`; raises NotJson, NotCanonical, MalformedPublicKey or BadPolicy."""
    policy = load(data, SignerPolicy, "signers.json")
    for word, role in (("release", policy.release), ("packer", policy.packer)):
        _check_role(word, role)
    if {key.keyid for key in policy.release.keys} & {key.keyid for key in policy.packer.keys}:
        raise BadPolicy(problem="one key is both a release key and a packer key")
    _check_anchors(policy.anchors)
    return policy


def _check_role(word: str, role: PolicyRole) -> None:
    ids = [key.keyid for key in role.keys]
    if len(ids) > MAX_KEYS:
        raise BadPolicy(problem=f"{len(ids)} {word} keys, the limit is {MAX_KEYS}")
    if len(set(ids)) != len(ids):
        raise BadPolicy(problem=f"a {word} key occurs twice")
    if not 1 <= role.threshold <= len(ids):
        raise BadPolicy(problem=f"{word} threshold is {role.threshold} of {len(ids)} keys")
    if any(PublicKey.from_base64(key.public).keyid != key.keyid for key in role.keys):
        raise BadPolicy(problem=f"a {word} key is listed under the id of another key")


def _check_anchors(anchors: Sequence[AnchorRoot]) -> None:
    """Each authority once, so that no second entry can undo a revocation."""
    if len(anchors) > MAX_ANCHORS:
        raise BadPolicy(problem=f"{len(anchors)} authorities of time, the limit is {MAX_ANCHORS}")
    if len({root.name for root in anchors}) != len(anchors):
        raise BadPolicy(problem="two authorities of time have one name")
    certificates = set()
    for root in anchors:
        try:
            begin, end = parse_time(root.valid_from), parse_time(root.valid_to)
            certificates.add(base64.b64decode(root.certificate, validate=True))
        except (BadTime, ValueError):
            raise BadPolicy(problem="an authority of time has a malformed certificate or life") from None
        if begin >= end:
            raise BadPolicy(problem="the life of an authority of time ends before it begins")
    if len(certificates) != len(anchors):
        raise BadPolicy(problem="an authority of time occurs twice")


def _verify(role: PolicyRole, envelope: bytes, payload_type: str, what: str) -> Signed:
    keys: Sequence[dsse.Verifier] = [PublicKey.from_base64(key.public) for key in role.keys]
    found = dsse.verify(envelope, payload_type, keys, role.threshold, what)
    development = any(key.development for key in role.keys if key.keyid in found.keyids)
    return Signed(found.payload, found.keyids, development)


def verify_release(policy: SignerPolicy, envelope: bytes, payload_type: str, what: str) -> Signed:
    """Verify an envelope by the release keys; raises what `dsse.verify` raises."""
    return _verify(policy.release, envelope, payload_type, what)


def verify_packer(policy: SignerPolicy, envelope: bytes, payload_type: str, what: str) -> Signed:
    """Verify an envelope by the packer keys; raises what `dsse.verify` raises."""
    return _verify(policy.packer, envelope, payload_type, what)
