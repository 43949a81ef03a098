"""Words of signed statements that requests and results use, without what makes keys and reads certificates."""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["ecdsa-p256", "ed25519"]
State = Literal["active", "next", "retired", "revoked"]
Transparency = Literal["allow", "require", "skip"]
