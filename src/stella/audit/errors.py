"""Why an event is refused, and what is wrong with a log."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class BadEvent(StellaError):
    """Event cannot be recorded: {problem}.

    An event has bounded texts without NUL, a known outcome, and at most 64 facts before and after. Content does not
    belong into it: its digest does.
    """

    code = "AUDIT-001"
    exit = Exit.USAGE
    reason = "bad_event"
    hint = "shorten it, or give a digest instead of the content"


class BadAuditKey(StellaError):
    """{setting} is malformed: {problem}.

    The keys of the audit log are 32 random bytes in base64. Nothing of a malformed one is ever printed.
    """

    code = "AUDIT-002"
    exit = Exit.USAGE
    reason = "key_malformed"
    hint = "make one: `openssl rand -base64 32`"


class WrongWrapKey(StellaError):
    """Key {number} of the tenant `{tenant}` cannot be unwrapped.

    The keys that personal fields are encrypted with are wrapped by `audit.wrap_key`. It is another one than when this
    key was made, or the table was altered.
    """

    code = "AUDIT-003"
    exit = Exit.DENIED
    reason = "wrap_key"
    hint = (
        "restore the key that `audit.wrap_key` referred to; `stella config show --origin` says where it is looked for"
    )


class NothingSealed(StellaError):
    """The log of the tenant `{tenant}` has no checkpoint yet.

    Only what was chained and signed is exported. The sealer does that every `audit.seal_every`.
    """

    code = "AUDIT-004"
    exit = Exit.TRANSIENT
    reason = "not_sealed"
    hint = "wait for `audit.seal_every` and run it again; `stella audit list` shows what is there"


class ChainDamaged(StellaError):
    """The chain of the tenant `{tenant}` cannot be continued: {problem}.

    The last checkpoint in the database is not what it was when it was signed, or it was signed with a key that the
    sealer does not know. Nothing is added to it, so that the damage stays where it is.
    """

    code = "AUDIT-005"
    exit = Exit.NEGATIVE
    reason = "chain_damaged"
    hint = "after a change of `audit.key` name the old public key in `audit.retired_keys`; else restore a backup"


class BadFilter(StellaError):
    """`--{name}` holds half a character or a NUL, which no event can.

    Texts of events are whole Unicode characters.
    """

    code = "AUDIT-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "type the name as `stella audit list` shows it"


class ChainHeld(StellaError):
    """The chain of the tenant `{tenant}` was held by somebody else {passes} times in a row.

    A sealer keeps others away from a chain while it works on it. Another service may have much to seal; where there is
    none, something holds the lock that is no sealer, and the events of that tenant wait.
    """

    code = "AUDIT-007"
    exit = Exit.TRANSIENT
    reason = "chain_held"
    hint = "look for the advisory lock in `pg_locks` and for whose it is in `pg_stat_activity`"


class LogMalformed(StellaError):
    """{file} line {line}: event {seq} is not readable: {problem}.

    Each line is one CloudEvents envelope in canonical JSON, with nothing added and nothing left out.
    """

    code = "AUDIT-010"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "export the log again and compare the two files at this line"


class EventEdited(StellaError):
    """{file} line {line}: event {seq} was edited: {problem}.

    The hash over the event is not the one that the chain has for it.
    """

    code = "AUDIT-011"
    exit = Exit.NEGATIVE
    reason = "edited"
    hint = "do not rely on this file; export the log again and compare event {seq}"


class EventsDropped(StellaError):
    """{file} line {line}: event {seq} is missing: {problem}.

    Events are numbered without gaps, and each holds the hash of the one before.
    """

    code = "AUDIT-012"
    exit = Exit.NEGATIVE
    reason = "dropped"
    hint = "do not rely on this file; export the log again and look for event {seq}"


class EventsReordered(StellaError):
    """{file} line {line}: event {seq} is out of order: {problem}.

    Everything seems to be there, but not in the order in which it was signed.
    """

    code = "AUDIT-013"
    exit = Exit.NEGATIVE
    reason = "reordered"
    hint = "do not rely on this file; export the log again and compare from event {seq}"


class EventRepeated(StellaError):
    """{file} line {line}: event {seq} is there twice.

    Each event and each checkpoint has one place.
    """

    code = "AUDIT-014"
    exit = Exit.NEGATIVE
    reason = "duplicated"
    hint = "do not rely on this file; export the log again and compare event {seq}"


class LogTruncated(StellaError):
    """{file} ends before event {seq}: {problem}.

    The first line and the last checkpoint say how many events there are. The end of the file was cut off.
    """

    code = "AUDIT-015"
    exit = Exit.NEGATIVE
    reason = "truncated"
    hint = "copy or export the log again"


class EventsUnsigned(StellaError):
    """{file} line {line}: events {seq} to {through} are not what was signed.

    They fit each other but not the root that was signed over them, or no signature reaches them: somebody wrote this
    part of the chain anew.
    """

    code = "AUDIT-016"
    exit = Exit.NEGATIVE
    reason = "rewritten"
    hint = "do not rely on this file; export the log again and compare from event {seq}"


class CheckpointUntrusted(StellaError):
    """{file} line {line}: from event {seq} on nothing is proven: {problem}.

    A checkpoint counts when one of the keys that were given signed it. Those keys must come from another place than the
    file itself.
    """

    code = "AUDIT-017"
    exit = Exit.NEGATIVE
    reason = "signature"
    hint = "compare the key with the one that the keeper of the log tells you; give each key that was ever used"


class BadLogKey(StellaError):
    """`--key` holds no public key: {problem}.

    A key is the base64 of 32 bytes, 44 characters with `=` at the end. The file was not looked at.
    """

    code = "AUDIT-019"
    exit = Exit.USAGE
    reason = "key_malformed"
    hint = "copy the key as `stella audit export` has printed it"


class NoLogKey(StellaError):
    """No key was given to verify with.

    The key inside a file proves nothing about that file: whoever forged the one would replace the other.
    """

    code = "AUDIT-018"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give the key that the keeper of the log told you: `--key BASE64`"
