"""What a verifier may ask of a transparency log. Apart from what verifies, which takes long to load."""

from __future__ import annotations

from typing import Literal

Transparency = Literal["allow", "require", "skip"]
