"""Errors of the object store's operations."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NoObject(StellaError):
    """Tenant {tenant} has no object {digest} of the kind {kind}.

    An object of another tenant is as absent as one that never was.
    """

    code = "BLOB-006"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see what is there: `stella object list --kind {kind}`"
