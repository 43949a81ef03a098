"""Why an inventory is not loaded, or a snapshot not used. What is wrong with a single record is in the quarantine."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NotText(StellaError):
    """{file} is not UTF-8 at byte {place}.

    JSON, YAML, TOML and CSV are read as UTF-8 alone. Nothing of the load was stored.
    """

    code = "INVENTORY-001"
    exit = Exit.USAGE
    reason = "not_utf8"
    hint = "have it written as UTF-8, or fetch it again: it may be cut or compressed"


class NotParsed(StellaError):
    """{file} is not valid {form}: {problem}.

    The file was cut short, altered, or is of another kind. Nothing of the load was stored.
    """

    code = "INVENTORY-002"
    exit = Exit.USAGE
    reason = "not_parsed"
    hint = "fetch {file} again, or leave it out"


class TooDeep(StellaError):
    """{file} is nested deeper than {limit} levels.

    No SBOM, advisory or statement is; the limit keeps a hostile file from exhausting the stack.
    """

    code = "INVENTORY-003"
    exit = Exit.USAGE
    reason = "too_deep"
    hint = "leave {file} out; no tool writes such a file"


class BadGzip(StellaError):
    """{file} cannot be unpacked: {problem}.

    A gzip file ends with the length and a checksum of what is in it; one that lacks them was cut off on its way.
    """

    code = "INVENTORY-004"
    exit = Exit.USAGE
    reason = "truncated"
    hint = "fetch {file} again; `gzip -t` says when it is whole"


class FileTooLarge(StellaError):
    """{file} has more than {limit} {what}.

    A file is held in memory while it is read; the limits bound what one of them can claim.
    """

    code = "INVENTORY-005"
    exit = Exit.USAGE
    reason = "too_large"
    hint = "split {file}, or leave it out"


class WrongFormat(StellaError):
    """{file} is no {expected}: {problem}.

    Each kind of input has its own flag, and is never guessed from a name.
    """

    code = "INVENTORY-006"
    exit = Exit.USAGE
    reason = "wrong_format"
    hint = "give it to the flag of its kind; `stella inventory load --help` lists them"


class WrongVersion(StellaError):
    """{file} is {form} {version}; {known} can be read.

    A later version may say things that would be overlooked, so it is refused.
    """

    code = "INVENTORY-007"
    exit = Exit.USAGE
    reason = "wrong_version"
    hint = "have it written as one of {known}"


class TooManyBad(StellaError):
    """{file} is refused: {bad} of {records} records are bad, the limit is 1 %; the first is {record}: {problem}.

    A few bad records are quarantined, each with its reason. More of them mean that the file is damaged, or is written
    by a tool that gets something wrong throughout. Nothing of the load was stored.
    """

    code = "INVENTORY-008"
    exit = Exit.USAGE
    reason = "too_many_bad"
    hint = "mend or leave out {file}, or load the rest with `--skip-refused`"


class NothingToLoad(StellaError):
    """{where} holds no {kind}.

    An inventory that looked at nothing must not pass for one without findings.
    """

    code = "INVENTORY-009"
    exit = Exit.USAGE
    reason = "usage"
    hint = "name files, or folders that hold some below them"


class BadAssets(StellaError):
    """{file} is no list of assets: {problem}.

    Each asset names its SBOMs and says what is known of it, in the columns of `docs/inventory.md`. A list that is wrong
    in one place is refused whole: an asset without its environment would be judged by the wrong limits.
    """

    code = "INVENTORY-010"
    exit = Exit.USAGE
    reason = "bad_assets"
    hint = "correct it; `docs/inventory.md` shows one of each form"


class BadTrustFile(StellaError):
    """{file} does not say whom to trust: {problem}.

    It names vendors of VEX statements, each with how far it is trusted.
    """

    code = "INVENTORY-011"
    exit = Exit.USAGE
    reason = "bad_trust"
    hint = "correct it; `docs/inventory.md` shows one"


class SnapshotMissing(StellaError):
    """{snapshot} is no snapshot of an inventory.

    A snapshot is a folder with a `snapshot.json`; a load that was interrupted leaves none behind.
    """

    code = "INVENTORY-012"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "see what there is: `stella inventory list --dir FOLDER`"


class SnapshotAmbiguous(StellaError):
    """{snapshot} is the beginning of {count} snapshots.

    A snapshot is named by its digest or by enough of it to tell it from the others.
    """

    code = "INVENTORY-013"
    exit = Exit.USAGE
    reason = "usage"
    hint = "give more of the digest"


class SnapshotDamaged(StellaError):
    """{snapshot} is not what was loaded: {problem}.

    Every file of a snapshot is named with its SHA-256, and the snapshot by the digest over all of them.
    """

    code = "INVENTORY-014"
    exit = Exit.NEGATIVE
    reason = "inputs_hash_mismatch"
    hint = "load it again from its inputs; `stella inventory show` lists them"
    status = 409


class SnapshotStale(StellaError):
    """{snapshot} is {age} old, the limit is {limit}.

    It shows the fleet and the advisories as they were. What was published since is not in it.
    """

    code = "INVENTORY-015"
    exit = Exit.NEGATIVE
    reason = "inputs_stale"
    hint = "load today's inputs: `stella inventory load`"
    status = 409


class SnapshotVersion(StellaError):
    """{snapshot} has the form {version}; this Stella reads {known}.

    The form of the tables has changed between the two.
    """

    code = "INVENTORY-016"
    exit = Exit.USAGE
    reason = "wrong_version"
    hint = "load it again from its inputs"


class SnapshotFromFuture(StellaError):
    """{snapshot} is about {as_of}, which has not come yet.

    It would stay fresh until then, and what expires before counts as expired already. A clock was wrong, here or there.
    """

    code = "INVENTORY-017"
    exit = Exit.NEGATIVE
    reason = "inputs_from_future"
    hint = "set the clock, or load today's inputs: `stella inventory load`"
