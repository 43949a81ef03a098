"""Every setting there is: key, type, default, meaning.

`stella config show` and the reference are made from these structs.

Rules:
- A setting that holds a secret holds a reference to it: `env:NAME`, `file:PATH` or `bao:MOUNT/PATH#FIELD`, never the
  secret.
- Durations are written as 90s, 15m, 24h or 14d.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


def setting(help: str, *, secret: bool = False, duration: bool = False, minimum: int = 0) -> msgspec.Meta:
    """Annotation of a setting; `minimum` is for numbers."""
    return msgspec.Meta(description=help, extra={"secret": secret, "duration": duration, "minimum": minimum})


class KeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys at rest."""

    passphrase: Annotated[
        str, setting("Passphrase that the private keys of channels and sites are encrypted with.", secret=True)
    ] = "env:STELLA_KEY_PASSPHRASE"
    store: Annotated[str, setting("Folder of the keys that sign statements; or `s3://BUCKET/PREFIX`.")] = ".stella/keys"
    custody: Annotated[
        str, setting("Where new private keys are made: `file`, or `bao` for the transit engine of OpenBao.")
    ] = "file"
    trust: Annotated[
        str,
        setting(
            "Trust folder that statements are verified with; empty: that of `keys.store`. Also STELLA_TRUST_ROOTS."
        ),
    ] = ""
    overlap: Annotated[str, setting("How long a new key is published before it signs.", duration=True)] = "7d"


class BaoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """OpenBao: secrets behind `bao:` references, and private keys that never leave it."""

    address: Annotated[str, setting("Address of the server; http is for a loopback address alone. Also BAO_ADDR.")] = ""
    token: Annotated[str, setting("Token to show to it.", secret=True)] = "env:BAO_TOKEN"
    transit: Annotated[str, setting("Where its transit engine is mounted.")] = "transit"


class MirrorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The connected side: cutting and signing bundles."""

    sign_key: Annotated[
        str, setting("Production release key: base64 of an Ed25519 private key in PEM (PKCS#8).", secret=True)
    ] = "env:MIRROR_SIGN_KEY_B64"
    require_prod_signing: Annotated[
        bool, setting("Refuse to sign without a production key. REQUIRE_PROD_SIGNING=1 sets it too.")
    ] = False
    valid_for: Annotated[str, setting("How old a bundle may be when a site imports it.", duration=True)] = "14d"
    root_expiry: Annotated[str, setting("Life of TUF root metadata.", duration=True)] = "365d"
    targets_expiry: Annotated[str, setting("Life of TUF targets metadata.", duration=True)] = "90d"
    snapshot_expiry: Annotated[
        str, setting("Life of TUF snapshot metadata; twice the cadence of the medium.", duration=True)
    ] = "28d"
    timestamp_expiry: Annotated[
        str, setting("Life of TUF timestamp metadata; twice the cadence of the medium.", duration=True)
    ] = "28d"
    max_delta_mib: Annotated[
        int, setting("Largest file, in MiB, that is shipped as a binary delta; bounds the memory of a delta worker.")
    ] = 512
    source_date_epoch: Annotated[
        int, setting("Time of creation in seconds since 1970; 0 means now. SOURCE_DATE_EPOCH sets it too.")
    ] = 0
    workers: Annotated[int, setting("Threads that hash and compress; 0 means one for each core.")] = 0
    tsa_url: Annotated[str, setting("RFC 3161 time-stamp authority to ask instead of the channel's own.")] = ""


class SiteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed side: verifying, importing and running bundles."""

    sealed: Annotated[
        bool, setting("Let nothing leave this machine: loopback and Unix sockets alone. STELLA_SEALED=1 sets it too.")
    ] = False
    require_production: Annotated[bool, setting("Refuse bundles signed by a development key.")] = False
    keep_generations: Annotated[
        int, setting("Generations kept on a site, the active one included; at least 2.", minimum=2)
    ] = 3
    quarantine_max_mib: Annotated[
        int, setting("Largest rejected bundle, in MiB, of which quarantine keeps a copy.")
    ] = 1024


class ClockSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Trusted time."""

    max_gap: Annotated[
        str, setting("A local clock this far ahead of the last proof of time is not believed alone.", duration=True)
    ] = "90d"


class BudgetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How old the content of a site may grow, by category."""

    warn: Annotated[str, setting("Age at which a site warns.", duration=True)] = "7d"
    breach: Annotated[str, setting("Age at which a site counts as stale.", duration=True)] = "14d"


class DatabaseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The PostgreSQL that keeps the state of the service. Channels and sites need none.

    Where both addresses are empty, the database is that of the stack that runs in `stack.data`, if one does.
    """

    dsn: Annotated[
        str,
        setting("Address of the database for the service, as libpq writes it and without a password; or a reference."),
    ] = ""
    password: Annotated[
        str, setting("Password that goes with `database.dsn`; an unset PGPASSWORD means none.", secret=True)
    ] = "env:PGPASSWORD"
    owner_dsn: Annotated[
        str, setting("As `database.dsn`, for the role that owns the schemas and runs migrations; or a reference.")
    ] = ""
    owner_password: Annotated[
        str, setting("Password that goes with `database.owner_dsn`; an unset PGPASSWORD means none.", secret=True)
    ] = "env:PGPASSWORD"
    jobs_password: Annotated[str, setting("Password of the role stella_jobs, at `database.dsn`.", secret=True)] = (
        "env:PGPASSWORD"
    )
    issuer_password: Annotated[str, setting("Password of the role stella_issuer, at `database.dsn`.", secret=True)] = (
        "env:PGPASSWORD"
    )
    sealer_password: Annotated[str, setting("Password of the role stella_sealer, at `database.dsn`.", secret=True)] = (
        "env:PGPASSWORD"
    )
    seal_key: Annotated[
        str,
        setting("Key that proves to the database for which tenant a transaction is, 32 bytes or more.", secret=True),
    ] = "env:STELLA_SEAL_KEY"


class ClientSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The command line as a client of a service."""

    server: Annotated[
        str, setting("Service that does the work instead of this process; STELLA_SERVER or `--server` set it too.")
    ] = ""
    token: Annotated[str, setting("Token to show to the service.", secret=True)] = "env:STELLA_TOKEN"
    tenant: Annotated[
        str, setting("Tenant that commands in this process work for; a service takes it from the token.")
    ] = "default"


class StackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded stack: the servers that `stella up` runs."""

    data: Annotated[str, setting("Folder of the stack.")] = ".stella"
    profile: Annotated[str, setting("What runs: `core`, or `full` with Valkey and SeaweedFS.")] = "core"
    postgres_dsn: Annotated[str, setting("PostgreSQL to use instead of an embedded one, without a password.")] = ""
    postgres_password: Annotated[
        str, setting("Password that goes with `stack.postgres_dsn`; an unset PGPASSWORD means none.", secret=True)
    ] = "env:PGPASSWORD"
    nats_url: Annotated[str, setting("NATS to use instead of an embedded one, without a token or password.")] = ""
    nats_token: Annotated[
        str, setting("Token that goes with `stack.nats_url`; an unset NATS_TOKEN means none.", secret=True)
    ] = "env:NATS_TOKEN"
    nats_port: Annotated[int, setting("Port of the embedded NATS on loopback; 0 is any free one.")] = 0
    s3_port: Annotated[int, setting("Port of the embedded S3 store on loopback; 0 is any free one.")] = 0


class ServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP service."""

    host: Annotated[str, setting("Address to listen on. Beyond loopback put a proxy with TLS in front.")] = "127.0.0.1"
    port: Annotated[int, setting("Port to listen on; 0 means any free one.")] = 0
    token: Annotated[
        str, setting("Token of the administrator; `<data>` stands for the data folder of the service.", secret=True)
    ] = "file:<data>/secrets/admin-token"
    drain: Annotated[str, setting("How long a stop waits for requests and jobs to end.", duration=True)] = "20s"
    send_timeout: Annotated[str, setting("How long a client may take to send a request.", duration=True)] = "30s"
    max_body_mib: Annotated[int, setting("Largest request body, in MiB; uploads have a limit of their own.")] = 1
    max_upload_mib: Annotated[int, setting("Largest upload, in MiB.")] = 8192
    max_jobs: Annotated[int, setting("Jobs that run at the same time.", minimum=1)] = 2
    max_queued: Annotated[int, setting("Jobs that may wait; more are refused with 503.", minimum=1)] = 1000
    keep_jobs: Annotated[str, setting("How long a job that has ended is kept.", duration=True)] = "30d"
    bucket: Annotated[
        str, setting("Address of a bucket and prefix below which requests may name channels and sites; empty is none.")
    ] = ""


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where objects of tenants are, and the S3 store of those, channels and sites that are named `s3://BUCKET/PREFIX`."""

    objects: Annotated[
        str,
        setting(
            "Folder or `s3://BUCKET/PREFIX` of the objects of tenants. Empty means `objects` in the data folder of the"
            " service, or in `stack.data`."
        ),
    ] = ""
    accounts: Annotated[
        str,
        setting(
            "Who keeps the accounts of tenants in the store: `stack` means that objects are in the S3 store of the"
            " stack in `stack.data`, where each tenant has an account that follows its life; empty: somebody else."
        ),
    ] = ""
    endpoint: Annotated[
        str, setting("Address of the store; http is for a loopback address alone. Empty means AWS in `store.region`.")
    ] = ""
    region: Annotated[str, setting("Region that requests are signed for.")] = "us-east-1"
    access_key: Annotated[str, setting("Id of the access key.", secret=True)] = "env:AWS_ACCESS_KEY_ID"
    secret_key: Annotated[str, setting("Secret of the access key.", secret=True)] = "env:AWS_SECRET_ACCESS_KEY"


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The audit log: who did what, chained, signed, and verified without a network."""

    seal_every: Annotated[str, setting("How often new events are chained and the log is signed.", duration=True)] = (
        "10s"
    )
    key: Annotated[
        str, setting("Key that signs checkpoints: base64 of 32 random bytes. Only the sealer needs it.", secret=True)
    ] = "env:STELLA_LOG_KEY"
    retired_keys: Annotated[
        str, setting("Public halves of earlier signing keys, separated by blanks, so that a new key goes on.")
    ] = ""
    wrap_key: Annotated[
        str, setting("Key that wraps the keys of tenants for personal fields: base64 of 32 random bytes.", secret=True)
    ] = "env:STELLA_WRAP_KEY"


class IdentitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may ask: the issuer of access tokens inside the service, and others that are believed."""

    issuer: Annotated[
        str, setting("Address that clients know the issuer by; empty is where the service itself listens.")
    ] = ""
    audience: Annotated[str, setting("What tokens for this service are for, by name.")] = "stella"
    passphrase: Annotated[
        str,
        setting("Passphrase that the signing keys are encrypted with; without one no token is issued.", secret=True),
    ] = "env:STELLA_ISSUER_PASSPHRASE"
    token_life: Annotated[str, setting("How long an access token is good: 2m to 5m.", duration=True)] = "5m"
    rotate_every: Annotated[str, setting("How long a signing key signs.", duration=True)] = "30d"
    grace: Annotated[
        str,
        setting("How long a tenant that was deleted can be resumed before it is erased; at least 1h.", duration=True),
    ] = "30d"
    issuers: Annotated[
        str,
        setting(
            "Other issuers that are believed, separated by `;`: `URL audience=NAME tenants=A,B`. Any OIDC provider."
        ),
    ] = ""
    trust: Annotated[
        str,
        setting(
            "Folder with `issuers.json`, and lists in `revocations/`: issuers that are believed without a network."
        ),
    ] = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree; each section is a table of `stella.toml`."""

    keys: KeySettings = KeySettings()
    bao: BaoSettings = BaoSettings()
    mirror: MirrorSettings = MirrorSettings()
    site: SiteSettings = SiteSettings()
    clock: ClockSettings = ClockSettings()
    budget: BudgetSettings = BudgetSettings()
    database: DatabaseSettings = DatabaseSettings()
    client: ClientSettings = ClientSettings()
    stack: StackSettings = StackSettings()
    service: ServiceSettings = ServiceSettings()
    store: StoreSettings = StoreSettings()
    audit: AuditSettings = AuditSettings()
    identity: IdentitySettings = IdentitySettings()
