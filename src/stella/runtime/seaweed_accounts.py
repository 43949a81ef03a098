"""Accounts of an embedded SeaweedFS: one for Stella itself, one for each tenant.

Rules:
- A tenant's account reads, writes and lists below its own prefix; it may do nothing else, not even to the bucket.
- Keys are drawn once for a tenant and kept in files of mode 0600; the server's configuration is made from them.
- SIGHUP makes the server read its configuration again while it works. It forgets no account by that: one that is
  missing from the file stays good until the next start. So a closed account stays in the file, without keys.
- An account is good when the server admits it, not when it is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from stella.kernel.blob_key import prefix_of
from stella.runtime.entropy import system_entropy
from stella.runtime.errors import BucketMissing, NotAdmitted, StoreDenied, StoreUnreachable
from stella.runtime.files import PRIVATE_MODE, make_directory, reading, replacing, writing
from stella.runtime.ports import Entropy
from stella.runtime.settings import StoreSettings

if TYPE_CHECKING:
    from stella.runtime.s3 import Objects

FOLDER = "accounts"
ACCESS, SECRET, CLOSED = "access-key", "secret-key", "closed"
ACTIONS = ("Read", "Write", "List")
BUCKET = "stella"  # of the embedded stack
PATIENCE, POLL = 5.0, 0.005  # seconds; a thousand accounts are read again in a hundredth
ANSWER_PATIENCE = 10.0  # seconds
MADE = frozenset({HTTPStatus.OK, HTTPStatus.CONFLICT})


class Accounts(NamedTuple):
    """Where a server's accounts are: the file that it reads, and the keys of Stella's own account."""

    config: Path
    access_key: Path
    secret_key: Path
    bucket: str = BUCKET

    @property
    def folder(self) -> Path:
        """A folder for each tenant that has or had an account."""
        return self.config.parent / FOLDER

    def settings(self, endpoint: str) -> StoreSettings:
        """How a tenant's handle finds its keys."""
        access, secret = (f"file:{self.folder}/{{tenant}}/{name}" for name in (ACCESS, SECRET))
        return StoreSettings(endpoint=endpoint, access_key=access, secret_key=secret)


def actions(bucket: str, tenant: str) -> list[str]:
    """What a tenant's account may do; raises BadTenant."""
    return [f"{action}:{bucket}/{prefix_of(tenant)}/*" for action in ACTIONS]


def identities(accounts: Accounts) -> bytes:
    """The configuration with every account; one that is closed has no keys and no right."""
    own = _identity("stella", _keys(accounts.access_key, accounts.secret_key), ["Admin", *ACTIONS, "Tagging"])
    found = [own]
    for folder in sorted(accounts.folder.iterdir()) if accounts.folder.is_dir() else []:
        if folder.is_dir():
            is_open = (folder / SECRET).exists() and not (folder / CLOSED).exists()
            keys = _keys(folder / ACCESS, folder / SECRET) if is_open else []
            rights = actions(accounts.bucket, folder.name) if is_open else []
            found.append(_identity(f"tenant-{folder.name}", keys, rights))
    return json.dumps({"identities": found}, indent=1).encode()


def _identity(name: str, keys: list[dict[str, str]], rights: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": keys, "actions": rights, **({} if keys else {"disabled": True})}


def _keys(access: Path, secret: Path) -> list[dict[str, str]]:
    with reading(access):
        pair = access.read_text().strip(), secret.read_text().strip()
    return [{"accessKey": pair[0], "secretKey": pair[1]}]


def write_config(accounts: Accounts) -> None:
    """Write what the server reads."""
    with replacing(accounts.config, PRIVATE_MODE, durable=False) as file:
        file.write(identities(accounts))


@contextlib.contextmanager
def _changing(accounts: Accounts) -> Iterator[None]:
    """One change at a time, and the configuration is written at its end."""
    make_directory(accounts.folder, 0o700)
    lock = accounts.folder / ".lock"
    with writing(lock):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        write_config(accounts)
    finally:
        os.close(handle)


def open_account(accounts: Accounts, tenant: str, entropy: Entropy = system_entropy) -> None:
    """Give a tenant keys, or the ones that it had before it was closed; again: no change. Raises BadTenant."""
    prefix_of(tenant)
    with _changing(accounts):
        folder = accounts.folder / tenant
        make_directory(folder, 0o700)
        for name, size in ((ACCESS, 10), (SECRET, 32)):
            if not (folder / name).exists():
                with replacing(folder / name, PRIVATE_MODE) as file:
                    file.write(entropy(size).hex().encode())
        with writing(folder):
            (folder / CLOSED).unlink(missing_ok=True)


def close_account(accounts: Accounts, tenant: str, *, forget: bool = False) -> None:
    """Let a tenant's keys open nothing; `forget` removes them for good. Raises BadTenant."""
    prefix_of(tenant)
    with _changing(accounts):
        folder = accounts.folder / tenant
        make_directory(folder, 0o700)
        with replacing(folder / CLOSED, PRIVATE_MODE):
            pass
        for name in (ACCESS, SECRET) if forget else ():
            with writing(folder):
                (folder / name).unlink(missing_ok=True)


def reload(pid: int) -> None:
    """Let a running server read its configuration again; a server that is gone reads it when it starts."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGHUP)


def admit(accounts: Accounts, tenant: str, pid: int, endpoint: str, entropy: Entropy = system_entropy) -> None:
    """Open a tenant's account in a running server and wait until its keys are good; the bucket is made if missing.

    Raises BadTenant, NotAdmitted or StoreUnreachable.
    """
    open_account(accounts, tenant, entropy)
    reload(pid)
    _wait(accounts, tenant, endpoint, good=True)


def shut_out(accounts: Accounts, tenant: str, pid: int, endpoint: str, *, forget: bool = False) -> None:
    """Close a tenant's account in a running server and wait until its keys open nothing. Raises as `admit`."""
    tried = _probe(accounts, tenant, endpoint) if (accounts.folder / tenant / ACCESS).exists() else None
    close_account(accounts, tenant, forget=forget)
    reload(pid)
    if tried is not None:
        _wait(accounts, tenant, endpoint, good=False, tried=tried)


def _probe(accounts: Accounts, tenant: str, endpoint: str) -> Objects:
    from stella.runtime.s3 import connect  # noqa: PLC0415  # heavy, and the server itself needs none of it

    want = accounts.settings(endpoint)
    place = f"s3://{accounts.bucket}/{prefix_of(tenant)}"
    return connect(
        place, want, lambda text: Path(text.removeprefix("file:").replace("{tenant}", tenant)).read_bytes(), sealed=True
    )


def _wait(accounts: Accounts, tenant: str, endpoint: str, *, good: bool, tried: Objects | None = None) -> None:
    probe, end = tried or _probe(accounts, tenant, endpoint), time.monotonic() + PATIENCE
    while True:
        try:
            probe.page("none", "", 1)
            found = True
        except BucketMissing:
            make_bucket(accounts, endpoint)
            continue
        except StoreDenied:
            found = False
        if found is good:
            return
        if time.monotonic() > end:
            raise NotAdmitted(endpoint=endpoint, tenant=tenant)
        time.sleep(POLL)


def make_bucket(accounts: Accounts, endpoint: str) -> None:
    """Make the bucket of all tenants, with Stella's own keys; no error when it is there. Raises StoreUnreachable."""
    import obstore  # noqa: PLC0415  # as _probe
    from obstore.store import S3Store  # noqa: PLC0415  # as _probe

    (keys,) = _keys(accounts.access_key, accounts.secret_key)
    store = S3Store(
        accounts.bucket,
        config={
            "endpoint": endpoint,
            "aws_endpoint_url_s3": endpoint,
            "region": "us-east-1",
            "access_key_id": keys["accessKey"],
            "secret_access_key": keys["secretKey"],
            "skip_signature": False,
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
    )
    url = urlsplit(obstore.sign(store, "PUT", "", timedelta(minutes=1)))
    line = http.client.HTTPConnection(url.netloc, timeout=ANSWER_PATIENCE)
    try:
        line.request("PUT", f"{url.path}?{url.query}")
        status = line.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise StoreUnreachable(endpoint=endpoint, path=accounts.bucket, problem=str(error)) from None
    finally:
        line.close()
    if status not in MADE:
        raise StoreUnreachable(endpoint=endpoint, path=accounts.bucket, problem=f"it answered {status}")
