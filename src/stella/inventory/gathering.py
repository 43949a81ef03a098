"""Everything that is given to a load, in an order that bounds memory: SBOMs, then what is known of them.

Rules:
- SBOMs pass one by one and leave numbers behind; advisories pass one by one and leave those that are about something.
- A file that is refused ends the load, unless it was asked to go on; then it is in the quarantine with its reason.
- Files of one record each, such as those of an advisory database, count together: one bad one in a hundred.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from stella.inventory import advisories, assets, feeds, reach, reading, sboms, vex
from stella.inventory.assets import Entry
from stella.inventory.dimensions import Feeds
from stella.inventory.evidence import wanted
from stella.inventory.fleet import Match, Matcher
from stella.inventory.model import LoadInventory
from stella.inventory.quarantine import SHARE, Quarantined, Tally
from stella.inventory.reach import Reached
from stella.inventory.reading import Document, Input
from stella.inventory.sbom_set import SbomSet
from stella.inventory.snapshot import InputFile
from stella.inventory.statements import Statement
from stella.inventory.vex import Trust
from stella.kernel.digest import sha256
from stella.kernel.errors import StellaError
from stella.kernel.instant import Instant
from stella.runtime.errors import NotAFolder
from stella.runtime.ports import Progress

T = TypeVar("T")


class Gathering:
    """What is read, and where it came from: `files`, `ledger`, and `digests` of the kinds of inputs."""

    def __init__(self, want: LoadInventory, as_of: Instant, progress: Progress) -> None:
        self.want = want
        self.as_of = as_of
        self.files: list[InputFile] = []
        self.ledger: list[Quarantined] = []
        self.digests: dict[str, str | None] = {}
        self.counts: dict[str, int] = {}
        self._progress = progress

    def tally(self, name: str) -> Tally:
        """A tally whose records go to the ledger."""
        return Tally(name, self.ledger)

    def sboms(self) -> SbomSet:
        """Read every SBOM."""
        found = SbomSet()
        unnamed = 0
        for given in self._each("sbom", self.want.sbom, sboms.ENDINGS):
            with _Refusing(self, "sbom", given) as refusing:
                document = reading.read(given)
                tally = self.tally(given.shown)
                if not found.has(document):
                    bom = sboms.read(document, tally)
                    tally.close()
                    unnamed += bom.unnamed
                    found.add(document, bom)
                refusing.done(document, tally)
        self.digests["sbom_digest"] = found.digest
        self.counts |= {"sboms": len(found.held), "components": len(found.fleet.numbers), "unnamed": unnamed}
        return found

    def entries(self) -> list[Entry]:
        """The list of assets, if there is one."""
        found = self._one("assets", self.want.assets, lambda document, _: assets.read(document)) or []
        told = [(one.selectors, sorted(one.values.items())) for one in found]
        self.digests["assets"] = sha256(msgspec.json.encode(told)) if self.want.assets else None
        return found

    def matches(self, found: SbomSet) -> list[Match]:
        """Hold every advisory against the components."""
        matcher = Matcher(found.fleet.components, self.as_of)
        batch = self.tally("advisories")
        for given in self._each("advisories", self.want.advisories, advisories.ENDINGS):
            with _Refusing(self, "advisories", given, None if advisories.is_lines(given.shown) else batch) as refusing:
                document = reading.read(given)
                tally = batch if advisories.is_batch(document) else refusing.alone(self.tally(given.shown))
                before = tally.records, tally.bad_records
                read = (advisories.read(name, row, document, tally) for name, row in advisories.records(document))
                held = [matcher.held(advisory) for advisory in read if advisory is not None]
                if tally is not batch:
                    tally.close()  # of a file that is refused nothing counts
                for one in held:
                    matcher.take(one, tally)
                refusing.done(document, tally, before)
        batch.close()
        for purl, reason in sorted(matcher.unjudged):
            self.tally("components").note(purl, reason, "an advisory is about its package, and nobody can tell")
        self.digests["advisory_snapshot"] = matcher.digest
        self.counts |= {"advisories": matcher.advisories, "unordered": matcher.unknown}
        return matcher.matches()

    def statements(self, matches: list[Match]) -> set[Statement]:
        """The statements about what was found."""
        names = wanted(matches)
        found: set[Statement] = set()
        digests: set[bytes] = set()
        for given in self._each("vex", self.want.vex, vex.ENDINGS):
            with _Refusing(self, "vex", given) as refusing:
                document = reading.read(given)
                tally = self.tally(given.shown)
                told = list(vex.read(document, tally))
                tally.close()
                digests |= {hashlib.sha256(msgspec.json.encode(one)).digest() for one in told}
                found |= {one for one in told if not names.isdisjoint(one.vulnerabilities)}
                refusing.done(document, tally)
        self.digests["vex_set"] = sha256(b"".join(sorted(digests))) if self.want.vex else None
        self.counts |= {"statements": len(digests), "statements_used": len(found)}
        return found

    def trust(self) -> Trust:
        """Whom to trust."""
        found = self._one("trust", self.want.trust, lambda document, _: vex.read_trust(document)) or Trust({})
        self.digests["trust"] = sha256(msgspec.json.encode(found, order="sorted")) if self.want.trust else None
        return found

    def feeds(self) -> Feeds:
        """KEV and EPSS."""
        kev = self._one("kev", self.want.kev, feeds.read_kev)
        scores = self._one("epss", self.want.epss, feeds.read_epss)
        epss = scores.scores if scores else None
        self.digests["kev"] = None if kev is None else feeds.digest_of(kev)
        self.digests["epss"] = None if epss is None else feeds.digest_of(epss)
        self.counts |= {"kev": len(kev or ()), "epss": len(epss or ())}
        return Feeds(kev, epss)

    def reached(self) -> list[Reached]:
        """Reachability, where somebody has found it out."""
        found = self._one("reach", self.want.reach, reach.read)
        self.digests["reach"] = None if found is None else sha256(msgspec.json.encode(sorted(set(found))))
        return found or []

    def _each(self, kind: str, given: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Input]:
        found = reading.inputs(kind, given, endings) if given else []
        self._progress.start(kind, len(found), "files")
        self._several = len(found) >= SHARE
        for one in found:
            yield one
            self._progress.advance(1)

    def _one(self, kind: str, path: str | None, read: Callable[[Document, Tally], T]) -> T | None:
        if path is None:
            return None
        if Path(path).is_dir():
            raise NotAFolder(path=path, expected="a file")
        (given,) = reading.inputs(kind, (path,), ())
        document = reading.read(given)
        tally = self.tally(given.shown)
        found = read(document, tally)
        tally.close()
        self.files.append(_file(kind, document, tally.records, tally.bad_records))
        return found

    def refuse(self, kind: str, given: Input, error: StellaError, batch: Tally | None) -> bool:
        """Whether the load goes on without a file."""
        bad = 0
        if self.want.skip_refused:
            self.tally(given.shown).note(given.shown, "refused", error)
        elif batch is not None and self._several:
            batch.bad(given.shown, "refused", error, given.shown)
            bad = 1
        else:
            return False
        self.files.append(InputFile(kind, given.shown, "", 0, bad, bad, error.code))
        return True


class _Refusing:
    """Reads one file: notes it when it is done, or that it was refused."""

    def __init__(self, gathering: Gathering, kind: str, given: Input, batch: Tally | None = None) -> None:
        self._gathering = gathering
        self._kind = kind
        self._given = given
        self._batch = batch

    def __enter__(self) -> Self:
        return self

    def alone(self, tally: Tally) -> Tally:
        """The file is a list: it is refused as a whole, and is not one bad record among others."""
        self._batch = None
        return tally

    def done(self, document: Document, tally: Tally, before: tuple[int, int] = (0, 0)) -> None:
        """The file is read; `before` are the records that the tally had."""
        records, bad = tally.records - before[0], tally.bad_records - before[1]
        self._gathering.files.append(_file(self._kind, document, records, bad))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, StellaError):
            return False
        return self._gathering.refuse(self._kind, self._given, error, self._batch)


def _file(kind: str, document: Document, records: int, bad: int) -> InputFile:
    return InputFile(kind, document.shown, document.sha256, document.size, records, bad)
