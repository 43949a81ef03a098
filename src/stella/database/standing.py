"""Where a database stands on the way that a bundle of migrations describes.

Rules:
- A place on the way is the history before the bundle and the first files of it, in its order, with exactly the policies
  and the schema that the manifest says of that place. Anything else is refused, in words.
- A file outside of a transaction that was cut off leaves indexes behind, and those alone; it is run again then.
- History and schema are read at different moments; when somebody migrates in between, both are read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stella.database import syntax
from stella.database.errors import DatabaseDiffers
from stella.database.manifest import Manifest
from stella.database.model import Category, File
from stella.runtime.errors import LockTimeout
from stella.runtime.migrate import Session
from stella.tenancy import snapshot
from stella.tenancy.snapshot import Policy, Snapshot

LOOKS = 20  # at a database that somebody else migrates meanwhile
FEW = 5  # files that a message names

History = Mapping[str, str]  # checksum by file, as `module/name`

BY_HAND = "put back what was changed by hand, or restore the database, then run the same command again"


def standing(session: Session, manifest: Manifest, files: Sequence[File]) -> int:
    """How many files of the bundle are applied, which are those of the manifest; raises DatabaseDiffers."""
    for _ in range(LOOKS):
        history = _history(session, manifest)
        found = snapshot.take(session.connection, manifest.modules)
        if _history(session, manifest) != history:
            continue
        position = place(manifest, history)
        problem = compare(manifest, position, found)
        if problem and not _cut_off(session, manifest, position, files, found):
            raise DatabaseDiffers(problem=problem, advice=BY_HAND)
        return position
    raise LockTimeout(what="The import", seconds="0", lock="a moment in which nobody else migrates", holder="")


def _cut_off(session: Session, manifest: Manifest, position: int, files: Sequence[File], found: Snapshot) -> bool:
    """Whether what differs can be what a file left that ran outside of a transaction and was not entered.

    What such a file makes is left out of the comparison. What it removes cannot be put back into it: then the policies
    alone decide here, and the rest is compared when the file has run again.
    """
    if position == len(files) or manifest.files[position].transaction:
        return False
    pieces = syntax.parse(files[position]).pieces
    if all(piece.makes for piece in pieces):
        made = {piece.makes.name for piece in pieces if piece.makes}
        found = snapshot.take(session.connection, manifest.modules, without=made)
        return not compare(manifest, position, found)
    return found.policies_digest == manifest.state(position)[0]


def _history(session: Session, manifest: Manifest) -> dict[str, str]:
    return {f"{module}/{row.name}": row.checksum for module in manifest.modules for row in session.history(module)}


def place(manifest: Manifest, history: History) -> int:
    """How many files of the bundle a history has; raises DatabaseDiffers unless they are the first ones. Pure."""
    known = {f"{one.module}/{one.name}": one for one in manifest.after}
    if strange := sorted(history.keys() - known.keys()):
        problem = f"it has {_few(strange)}, which the bundle does not know"
        raise DatabaseDiffers(problem=problem, advice="the database is newer; take a bundle that begins with these")
    missing = [f"{one.module}/{one.name}" for one in manifest.history if f"{one.module}/{one.name}" not in history]
    if missing:
        problem = f"it lacks {_few(missing)}, which were applied before"
        raise DatabaseDiffers(problem=problem, advice="import the bundle of the release before this one first")
    for label, checksum in history.items():
        if checksum != known[label].sha256 and known[label].category is not Category.SEED:
            problem = f"{label} was applied with other content"
            raise DatabaseDiffers(problem=problem, advice="have a bundle made for the release that was here before")
    there = [step.label in history for step in manifest.files]
    position = there.index(False) if False in there else len(there)
    if any(there[position:]):
        later = next(step.label for step, has in zip(manifest.files[position:], there[position:], strict=True) if has)
        problem = f"{later} is applied, and {manifest.files[position].label} before it is not"
        raise DatabaseDiffers(problem=problem, advice="go on by hand with the same files: `stella migrate plan`")
    return position


def _few(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def compare(manifest: Manifest, position: int, found: Snapshot) -> str:
    """What differs from the place of that many files; empty when nothing does. Pure."""
    policies, schema = manifest.state(position)
    if found.policies_digest != policies:
        expected = _policies(manifest, position)
        return f"its policies differ{_first(expected, found.policies) if expected is not None else ''}"
    if found.schema_digest != schema:
        return f"its schema is {found.schema_digest[:12]}, expected is {schema[:12]}"
    if position == len(manifest.files) and found.protected != manifest.tables_protected:
        other = set(found.protected) ^ set(manifest.tables_protected)
        return f"the protection of {_few(sorted(other))} differs"
    return ""


def _policies(manifest: Manifest, position: int) -> tuple[Policy, ...] | None:
    """The policies of a place; None on the way, where the manifest has their digest alone."""
    if position == len(manifest.files):
        return manifest.policies_after
    return None if position else manifest.policies_before


def _first(expected: tuple[Policy, ...], found: tuple[Policy, ...]) -> str:
    other = sorted(set(expected) ^ set(found))
    if not other:
        return ""
    kind = "is missing or another one" if other[0] in expected else "is not expected"
    return f": `{other[0].name}` of {other[0].table} {kind}"
