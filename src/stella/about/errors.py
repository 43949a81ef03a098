"""What can go wrong when Stella is asked about itself."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class UnknownCode(StellaError):
    """There is no error code `{code}`.

    Codes look like MIRROR-012 and stay the same from release to release. An older version does not know the codes of a
    newer one.
    """

    code = "ABOUT-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "{nearest}"
