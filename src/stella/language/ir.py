"""The canonical form of a policy, and its identity.

Rules:
- The form is RFC 8785 JSON of `model.Policy`; its SHA-256 is the identity of a version. There are no fractions in it.
- What means the same to the machine and to the reader has one identity: layout and comments are not part of it.
"""

from __future__ import annotations

from stella.kernel.canonical import dump, load
from stella.kernel.digest import sha256
from stella.language.model import Policy

MEDIA_TYPE = "application/vnd.stella.policy.ir.v1+json"


def canonical(policy: Policy) -> bytes:
    """The canonical JSON of a policy."""
    return dump(policy)


def digest(policy: Policy) -> str:
    """SHA-256 of the canonical JSON, lower-case hex."""
    return sha256(canonical(policy))


def read(data: bytes) -> Policy:
    """The policy of its canonical JSON; raises NotJson or NotCanonical."""
    return load(data, Policy, "policy")
