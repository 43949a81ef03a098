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


class NobodyTrusted(StellaError):
    """Nobody's signature counts in this installation.

    Whose signatures count for the gate is said by its settings, never by whoever asks: `keys.trust`, or the keys of
    `keys.store`.
    """

    code = "POLICY-141"
    exit = Exit.USAGE
    reason = "nobody_trusted"
    hint = "make a key where the version is kept: `stella key create`; or set `keys.trust` there"
