"""Every setting there is: key, type, default, meaning.

`stella config show` and the reference are made from these structs.

Rules:
- A setting that holds a secret holds a reference to it: `env:NAME` or `file:PATH`, never the secret.
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

    sealed: Annotated[bool, setting("Deny every network call of the process. STELLA_SEALED=1 sets it too.")] = False
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
    """PostgreSQL."""

    dsn: Annotated[str, setting("Connection string of the service's role; empty means none.")] = ""


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


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree; each section is a table of `stella.toml`."""

    keys: KeySettings = KeySettings()
    mirror: MirrorSettings = MirrorSettings()
    site: SiteSettings = SiteSettings()
    clock: ClockSettings = ClockSettings()
    budget: BudgetSettings = BudgetSettings()
    database: DatabaseSettings = DatabaseSettings()
    service: ServiceSettings = ServiceSettings()
