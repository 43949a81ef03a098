"""Issuers that came with the trust of a sealed site: believed without a network, revoked by lists that are carried.

Rules:
- `issuers.json` is read at the start; another one counts from the next start on.
- Lists lie in `revocations/`. One that is put there counts at the next look; the highest number of an issuer is in
  force, and others may stay where they are.
- A list speaks for the issuer whose key signed it. One that cannot be used is told once and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from stella.kernel.errors import StellaError
from stella.runtime.files import read_file, reading
from stella.runtime.ports import Clock
from stella.signing.keys import PublicKey
from stella.tenancy import offline, revocation
from stella.tenancy.errors import BadIssuers, BadRevocations
from stella.tenancy.model import Issuer, Meter
from stella.tenancy.revocation import RevocationList, Revocations

ISSUERS = "issuers.json"
LISTS = "revocations"
MAX_LISTS = 256  # files in that folder; more were never put there by hand

_Seen = tuple[int, int, int]  # what tells one content of a file from another


class Carried:
    """The trust folder `folder`; raises ObjectMissing, Unreadable, TooLarge, or what is wrong with the document.

    `taken` are the names of issuers that are believed for another reason.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        revocations: Revocations,
        taken: Collection[str] = (),
        meter: Meter | None = None,
    ) -> None:
        data = read_file(folder / ISSUERS, offline.MAX_DOCUMENT)
        self.issuers: Sequence[Issuer] = offline.read_issuers(data, clock, meter)
        self._keys: Mapping[str, Sequence[PublicKey]] = offline.revocation_keys(data)
        self._lists = folder / LISTS
        self._revocations = revocations
        self._seen: dict[Path, _Seen] = {}
        if twice := {issuer.name for issuer in self.issuers}.intersection(taken):
            raise BadIssuers(what=ISSUERS, problem=f"{min(twice)!a} is believed by the settings already")

    def look(self) -> None:
        """Put newer lists in force; raises what is wrong with the first bad one, when all were looked at."""
        failed: StellaError | None = None
        for path in self._changed():
            try:
                found = self._opened(read_file(path, revocation.MAX_LIST))
            except StellaError as error:
                failed = failed or error
                continue
            if found.number > self._revocations.number(found.issuer):
                self._revocations.take_over(found)
        if failed is not None:
            raise failed

    def _changed(self) -> list[Path]:
        """Files that were not looked at as they are now."""
        if not self._lists.is_dir():
            return []
        with reading(self._lists):
            paths = sorted(self._lists.glob("*.json"))
            if len(paths) > MAX_LISTS:
                raise BadRevocations(problem=f"there are {len(paths)} lists, the limit is {MAX_LISTS}")
            stats = [(path, path.stat()) for path in paths]
        now = {path: (found.st_ino, found.st_size, found.st_mtime_ns) for path, found in stats}
        changed = [path for path, seen in now.items() if self._seen.get(path) != seen]
        self._seen = now
        return changed

    def _opened(self, envelope: bytes) -> RevocationList:
        """The list in an envelope that the issuer of the list has signed."""
        failed: StellaError = BadRevocations(problem=f"no issuer of `{ISSUERS}` has keys for lists")
        for issuer, keys in self._keys.items():
            try:
                found = revocation.open_list(envelope, keys, 1)
            except StellaError as error:
                failed = error
                continue
            if found.issuer == issuer:
                return found
            failed = BadRevocations(problem="it is signed with a key of another issuer than it names")
        raise failed
