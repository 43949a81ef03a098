"""What can go wrong with an examination."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NothingToExamine(StellaError):
    """There is nothing to examine the version with.

    A version is examined with its fixtures, over a snapshot of the inventory, or with its attestation.
    """

    code = "POLICY-140"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give `--fixtures FILE`, `--inventory SNAPSHOT` or `--attestation A.sigstore`"
