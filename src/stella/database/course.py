"""The course of an import, and what of it the audit log gets: which bundle, which migrations, by whom, how it ended.

Rules:
- The event `schema.import` comes behind the change, since the owner of the schemas makes the change and the application
  writes events; after a kill in between, the event of the next import counts what was applied before it.
- The event is about the digest of the file. One that is refused is an event too, with the code of the reason.
- At a first start there is no audit log yet, and an import may be what brings it. What could not be written is said to
  whoever imports, and undoes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from stella.audit import tell
from stella.audit.model import Marked
from stella.audit.rules import MAX_TEXT
from stella.bundle.verify import Genuine
from stella.database.manifest import Manifest
from stella.database.model import ImportedFile, ImportMigrations
from stella.kernel.errors import Exit, StellaError
from stella.operations import Context
from stella.runtime.files import open_file

ACTION = "schema.import"
VERDICTS = frozenset({Exit.NEGATIVE, Exit.DENIED})


class Course:
    """How far an import has come. `rows` are the files that it has applied, `position` how many of the bundle are."""

    def __init__(self, ctx: Context, want: ImportMigrations) -> None:
        self._ctx = ctx
        self._want = want
        self._sha256 = _sha256(want.bundle)
        self.genuine: Genuine | None = None
        self.manifest: Manifest | None = None
        self.rows: list[ImportedFile] = []
        self.position = 0

    def told(self, problem: BaseException | None = None) -> tuple[str, ...]:
        """Write the event, where there is a log and a bundle; why that was not possible, for whoever imports."""
        if self._ctx.database is None or not self._sha256 or (self._want.dry_run and problem is None):
            return ()
        refused = isinstance(problem, StellaError) and problem.exit in VERDICTS
        outcome = "success" if problem is None else "denied" if refused else "failure"
        try:
            with self._ctx.tenant() as t:
                tell.tell(self._ctx, t, ACTION, self._sha256, outcome=outcome, after=self._facts(problem))
        except StellaError as error:
            words = f"not in the audit log: {error.message}"
            self._ctx.say(words)
            return (words,)
        return ()

    def _facts(self, problem: BaseException | None) -> dict[str, Any]:
        name = self._want.bundle.encode(errors="replace").decode()[
            :MAX_TEXT
        ]  # no name keeps an event from being written
        facts: dict[str, Any] = {"bundle": name, "account": Marked(self._ctx.actor)}
        if self.genuine is not None:
            found = self.genuine.generation
            facts |= {"channel": found.channel, "generation": found.generation, "root": found.root}
        if self.manifest is not None:
            applied = [f"{row.module}/{row.name}" for row in self.rows if row.state == "applied"]
            facts |= {"release": self.manifest.release, "files": len(self.manifest.files)}
            facts |= {"before": self.position - len(applied), "applied": ", ".join(applied)[:MAX_TEXT]}
        if isinstance(problem, StellaError):
            facts |= {"code": problem.code, "reason": problem.reason}
        elif problem is not None:
            facts |= {"code": type(problem).__name__}
        return facts | ({"dry-run": True} if self._want.dry_run else {})


def _sha256(bundle: str) -> str:
    """The digest of a file; nothing of one that cannot be read, which the import says in its own words."""
    with contextlib.suppress(StellaError, OSError), open_file(Path(bundle)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed asks for readinto
    return ""
