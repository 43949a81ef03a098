"""Verification of an exported log, with nothing but the file and the public keys.

Rules:
- The file is read as a stream of bounded lines; memory does not grow with it.
- A line is decoded, made again, and must be the same bytes: no envelope and no spelling can be altered apart.
- Events are numbered from 1 without gaps and each holds the hash of the one before. A checkpoint must be signed by a
  given key, follow the one before it, and state the size, head and root that were computed here.
- The first line holds the last checkpoint, so a file that was cut is known to be short. It is the very one that ends
  the file: two that were signed for the same number of events are two histories, as after a restored backup.
- The first thing that is wrong is named by the number of its event. Where one line alone leaves two readings, those
  behind it decide, and a checkpoint that holds is never doubted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from stella.audit import chain
from stella.audit.chain import Chain, hash_of
from stella.audit.envelope import (
    CheckpointLine,
    EventLine,
    Line,
    OpeningLine,
    checkpoint_line,
    event_line,
    opening_line,
)
from stella.audit.errors import (
    CheckpointUntrusted,
    EventEdited,
    EventRepeated,
    EventsDropped,
    EventsReordered,
    EventsUnsigned,
    LogMalformed,
    LogTruncated,
    NoLogKey,
)
from stella.audit.model import Chained, Checkpoint
from stella.kernel import dsse
from stella.kernel.errors import StellaError
from stella.signing.keys import PublicKey

MAX_LINE = 256 * 1024  # bytes; a record has at most 64 KiB and is there with its OCSF form
FEED = b"\n"

_LINES = msgspec.json.Decoder(Line)


class Proven(NamedTuple):
    """What was proven: so many events of a tenant up to `head`, by these keys, the last time at `time`."""

    tenant: str
    events: int
    checkpoints: int
    head: str
    root: str
    time: str
    keys: tuple[str, ...]


class Doubt(NamedTuple):
    """Something is wrong at event `seq`; the lines behind tell what. `hash` is set for one that follows none."""

    line: int
    seq: int
    hash: str
    problem: str


class Reader:
    """Takes a log line by line. Every method raises what is wrong."""

    def __init__(self, file: str, keys: Iterable[PublicKey], at_least: int = 0) -> None:
        self.file, self.at_least = file, at_least
        self.keys = {key.keyid: key for key in keys}
        if not self.keys:
            raise NoLogKey
        self.number = 0  # of the line
        self.tenant = ""
        self.size = 0  # that the first line promises
        self.last: Checkpoint | None = None  # that it holds
        self.signers: tuple[str, ...] = ()
        self.chain = Chain()
        self.proven = 0  # events that a checkpoint has proven
        self.checkpoints = 0
        self.time = ""
        self.used: dict[str, None] = {}
        self.doubt: Doubt | None = None

    @property
    def next(self) -> int:
        """Number of the event that comes next."""
        return self.chain.size + 1

    def take(self, line: bytes) -> None:
        """Take a line, without its line feed."""
        self.number += 1
        try:
            found = _LINES.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._settle(None)
            raise self._malformed(str(error)) from None
        if (self.number == 1) != isinstance(found, OpeningLine):
            self._settle(None)
            raise self._malformed("a file begins with one line that says what it is")
        if isinstance(found, OpeningLine):
            self._open(found, line)
        elif isinstance(found, EventLine):
            self._event(found.data.event, line)
        else:
            self._checkpoint(found, line)

    def refuse(self) -> None:
        """Refuse a line that is longer than any that was ever written."""
        self.number += 1
        self._settle(None)
        raise self._malformed(f"it has more than {MAX_LINE} bytes")

    def finish(self, rest: bytes) -> Proven:
        """The end of the file; `rest` is what stands behind the last line feed."""
        self._settle(None)
        total = max(self.size, self.at_least)
        if rest or self.number == 0 or self.chain.size < total or self.proven < self.size:
            raise LogTruncated(
                file=self.file,
                seq=self.next if self.chain.size < total else max(self.chain.size, 1),
                problem=self._shortfall(rest, total),
            )
        if tuple(self.used) != self.signers:
            raise self._untrusted("the first line names other signers than the checkpoints have", 1)
        return Proven(
            self.tenant,
            self.chain.size,
            self.checkpoints,
            self.chain.head,
            self.chain.root,
            self.time,
            tuple(self.used),
        )

    def _shortfall(self, rest: bytes, total: int) -> str:
        if rest:
            return "its last line is cut"
        return f"{self.chain.size} events instead of {total}" if total > self.chain.size else "no checkpoint ends it"

    def _open(self, found: OpeningLine, line: bytes) -> None:
        opening = found.data
        if opening_line(opening) != line:
            raise self._malformed("it is not in its one form")
        last = self._statement(opening.checkpoint)
        if (last.tenant, last.size) != (opening.tenant, opening.size):
            raise self._untrusted("the first line and its checkpoint are of different logs", 1)
        self.tenant, self.size, self.signers, self.last = opening.tenant, opening.size, opening.signers, last
        self.used.clear()

    def _event(self, event: Chained, line: bytes) -> None:
        if self.doubt:
            self._settle(event)
            return
        seq, own = self.next, hash_of(event) == event.event_hash
        fits = event.previous_event_hash == self.chain.head
        if event.sequence != seq and not (own and fits):
            self._misplaced(event.sequence)
            return
        if not own:
            raise self._edited(seq, "its hash does not match")
        if event.sequence != seq or event.tenant != self.tenant:
            raise self._edited(seq, "its number or its tenant is another")
        if not _same(line, lambda: event_line(event)):
            raise self._edited(seq, "its envelope was altered, or is not in its one form")
        if seq > self.size:
            raise self._unsigned(seq, seq)
        if not fits:
            self.doubt = Doubt(self.number, seq, event.event_hash, "it does not follow the event before it")
            return
        self.chain.take(event)

    def _misplaced(self, found: int) -> None:
        if found < self.next:
            raise EventRepeated(file=self.file, line=self.number, seq=found)
        self.doubt = Doubt(self.number, self.next, "", f"event {found} comes instead")

    def _checkpoint(self, found: CheckpointLine, line: bytes) -> None:
        if self.doubt:
            self._settle(found)
            return
        statement = self._statement(found.data)
        if statement.tenant != self.tenant:
            raise self._untrusted("it is of another tenant", self.proven + 1)
        if checkpoint_line(self.tenant, statement.size, found.data) != line:
            raise self._malformed("it is not in its one form")
        if statement.size > self.chain.size:
            self.doubt = Doubt(self.number, self.next, "", f"checkpoint {statement.size} comes instead")
            return
        if statement.size <= self.proven:
            raise EventRepeated(file=self.file, line=self.number, seq=statement.size)
        if statement.size < self.chain.size:
            problem = f"checkpoint {statement.size} comes after event {self.chain.size}"
            raise EventsReordered(file=self.file, line=self.number, seq=statement.size, problem=problem)
        if statement.after != self.proven:
            problem = f"checkpoint {statement.after} is not there"
            raise EventsDropped(file=self.file, line=self.number, seq=statement.after, problem=problem)
        if (statement.root, statement.head) != (self.chain.root, self.chain.head):
            raise self._unsigned(self.proven + 1, statement.size)
        if statement.size == self.size and statement != self.last:
            raise self._untrusted("the first line has another one of the same size", self.proven + 1)
        self.proven, self.time = statement.size, statement.time
        self.checkpoints += 1

    def _statement(self, envelope: dsse.Envelope) -> Checkpoint:
        try:
            statement, keyid = chain.opened(envelope, self.keys.values(), "checkpoint")
        except StellaError as error:
            raise self._untrusted(error.message, self.proven + 1) from None
        self.used.setdefault(self.keys[keyid].to_base64())
        return statement

    def _settle(self, behind: Chained | CheckpointLine | None) -> None:
        """Say what is wrong once what stands behind a doubt tells. None is the end, or a line that is no line."""
        doubt = self.doubt
        if doubt is None:
            return
        if doubt.hash:
            raise self._broken(doubt, vouched=self._vouches(doubt, behind))
        if isinstance(behind, Chained) and behind.sequence == doubt.seq:
            raise EventsReordered(file=self.file, line=doubt.line, seq=doubt.seq, problem=doubt.problem)
        if behind is None:
            raise EventsDropped(file=self.file, line=doubt.line, seq=doubt.seq, problem=doubt.problem)

    def _vouches(self, doubt: Doubt, behind: Chained | CheckpointLine | None) -> bool:
        """Whether what stands behind an event was made when the event was as it is now."""
        if isinstance(behind, Chained):
            return behind.previous_event_hash == doubt.hash
        if behind is None:
            return False
        try:
            statement, _ = chain.opened(behind.data, self.keys.values(), "checkpoint")
        except StellaError:
            return False
        return (statement.size, statement.head) == (doubt.seq, doubt.hash)

    def _broken(self, doubt: Doubt, *, vouched: bool) -> EventEdited:
        """The event that does not fit, or, when the next one vouches for it, the one before."""
        earlier = vouched and doubt.seq - 1 > self.proven
        problem = "the event after it has another hash for it" if earlier else doubt.problem
        return EventEdited(file=self.file, line=doubt.line - earlier, seq=doubt.seq - earlier, problem=problem)

    def _malformed(self, problem: object) -> LogMalformed:
        return LogMalformed(file=self.file, line=self.number, seq=self.next, problem=problem)

    def _edited(self, seq: int, problem: str) -> EventEdited:
        return EventEdited(file=self.file, line=self.number, seq=seq, problem=problem)

    def _unsigned(self, seq: int, through: int) -> EventsUnsigned:
        return EventsUnsigned(file=self.file, line=self.number, seq=seq, through=through)

    def _untrusted(self, problem: str, seq: int) -> CheckpointUntrusted:
        return CheckpointUntrusted(file=self.file, line=self.number, seq=seq, problem=problem)


def _same(line: bytes, make: Callable[[], bytes]) -> bool:
    """Whether a line is what it should be; what cannot be made is not."""
    try:
        return make() == line
    except StellaError:  # a time that is none
        return False


def verify(stream: BinaryIO, file: str, keys: Sequence[PublicKey], at_least: int = 0) -> Proven:
    """Read a log to its end; raises one of the classes of `errors` for the first thing that is wrong."""
    reader = Reader(file, keys, at_least)
    while line := stream.readline(MAX_LINE + 1):
        if not line.endswith(FEED):
            if len(line) > MAX_LINE:
                reader.refuse()
            return reader.finish(line)
        reader.take(line[:-1])
    return reader.finish(b"")
