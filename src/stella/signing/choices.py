"""The words that requests about keys and signatures choose from; a request names them without loading what signs."""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["ecdsa-p256", "ed25519"]
Transparency = Literal["allow", "require", "skip"]  # what is asked of a transparency log
