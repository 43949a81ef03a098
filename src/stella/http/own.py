"""What somebody reaches without a scope for jobs and files: what is his own, as far as his operations go.

Rules:
- The scope of an operation is enough for the way to it and back: sending the files that it takes, following and
  cancelling its job, fetching what it wrote.
- A job is one's own that one has asked for, while the token may run its operation. An upload is one's own that one has
  begun, while the token may run an operation that takes files. A name in `downloads` is one's own that one was the
  first to have something written to, while the token may run operations of that scope.
- Everything else of the tenant wants a scope for jobs or files, also where a request names it as a file to read or
  to write. Without that scope, what is there and what is not are refused alike.
- Nobody inherits from the administrator, who has every scope and needs nothing of this: an issuer may call somebody so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from stella.http.auth import ADMIN, allow
from stella.http.claims import Claim
from stella.http.files import require_shown
from stella.http.model import Job
from stella.http.places import DOWNLOADS, UPLOADS, WRITTEN, Ground, Grounds, tail_of
from stella.http.store import Store
from stella.http.table import READ_FILES, WRITE_FILES
from stella.operations import STORED, Operation, Principal, Where, fields_of

TAKEN: frozenset[Where] = frozenset({"file_in", "source", "policy"})
NAMED = frozenset({*TAKEN, *WRITTEN})  # fields that are judged by what they name, beside the scope of the operation


class Own:
    """Says what is whose. Its methods raise ScopeMissing; those but `job` and `may_send` block."""

    def __init__(self, store: Store, grounds: Grounds, operations: Sequence[Operation[Any, Any]]) -> None:
        self._store = store
        self._grounds = grounds
        self._scopes = {operation.name: operation.scope for operation in operations}
        self._taking = frozenset(
            operation.scope
            for operation in operations
            if TAKEN.intersection(about.where for _, _, about, _ in fields_of(operation.request))
        )

    def job(self, principal: Principal, job: Job | None, scope: str) -> None:
        """Require the scope for a job that is not the principal's own, or is not there."""
        if job is None or not _same(job.principal, principal) or not principal.may(self._scopes.get(job.operation, "")):
            allow(principal, scope)

    def may_send(self, principal: Principal) -> None:
        """Require the scope to write files, or that of an operation that takes some."""
        if not any(map(principal.may, self._taking)):
            allow(principal, WRITE_FILES)

    def upload(self, principal: Principal, upload_id: str, scope: str) -> None:
        """Require the scope for an upload that is not the principal's own, or is not there."""
        if not principal.may(scope) and not self.has_sent(principal, upload_id):
            allow(principal, scope)

    def file(self, principal: Principal, text: str) -> None:
        """Require the scope to read files for a path that is not in a download of the principal's own."""
        if not principal.may(READ_FILES) and not self.has_fetched(principal, text):
            allow(principal, READ_FILES)

    def has_sent(self, principal: Principal, upload_id: str) -> bool:
        """Whether an upload is the principal's own."""
        if not any(map(principal.may, self._taking)):
            return False
        found = self._store.find_upload(principal.tenant, upload_id)
        return found is not None and _same(found.principal, principal)

    def has_fetched(self, principal: Principal, text: str) -> bool:
        """Whether a path is in a download of the principal's own."""
        name = _below(DOWNLOADS, text)
        claim = self._grounds.of(principal.tenant).claims.of(name) if name else None
        return claim is not None and _same(claim.principal, principal) and principal.may(claim.scope)


class Reach:
    """What one request of a principal, for an operation of a scope, may name in its fields."""

    def __init__(self, own: Own, ground: Ground, principal: Principal, scope: str) -> None:
        self._own = own
        self._ground = ground
        self._principal = principal
        self._scope = scope

    def check(self, field: str, where: Where, text: str) -> None:
        """As `Places.check`; also raises ScopeMissing or PrivateFile."""
        self._ground.places.require(field, where, text)
        for place in self._named(where, text):
            if where in TAKEN:
                self._reads(place)
            elif where in WRITTEN:
                self._writes(place)
        self._ground.places.make_room(where, text)

    def _named(self, where: Where, text: str) -> Iterator[str]:
        """The paths that an operation may take a value for: `NAME=PATH` is one of its own where such a file is."""
        if where == "policy" and STORED.match(text):
            return
        tail = tail_of(where, text)
        if tail:
            yield tail
        if not tail or (where in TAKEN and os.path.lexists(self._ground.root / text)):
            yield text

    def _reads(self, text: str) -> None:
        upload = _below(UPLOADS, text)
        sent = upload and self._own.has_sent(self._principal, upload)
        if not sent and not self._own.has_fetched(self._principal, text):
            allow(self._principal, READ_FILES)
            with contextlib.suppress(OSError):  # the operation says in its own words what cannot be read
                require_shown(self._ground.root / text, text)

    def _writes(self, text: str) -> None:
        name = _below(DOWNLOADS, text)
        wanted = Claim(name, self._principal.name, self._scope)
        if not name or self._ground.claims.take(wanted) != wanted or not _same(wanted.principal, self._principal):
            allow(self._principal, WRITE_FILES)


def _below(folder: str, text: str) -> str:
    """The name in a folder that a path begins with; nothing for another path."""
    head, _, rest = text.partition("/")
    return rest.partition("/")[0] if head == folder else ""


def _same(name: str, principal: Principal) -> bool:
    """Whether what has that name's is the principal's."""
    return name == principal.name != ADMIN.name
