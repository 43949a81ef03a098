"""The S3 store of the stack that runs on this machine, and the accounts of tenants in it.

Rules:
- Where the store is, and which process it is, is looked up for each use: it may have been started again, elsewhere.
- The files of the accounts are what counts. A server that is not there reads them when it starts, so that a tenant is
  shut out of it as well.
- Keys of a tenant are removed when the server has confirmed that they open nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from stella.runtime import run_file, seaweed_accounts
from stella.runtime.entropy import system_entropy
from stella.runtime.errors import StackStoreAway
from stella.runtime.files import reading
from stella.runtime.ports import Entropy
from stella.runtime.processes import is_alive
from stella.runtime.seaweed_accounts import ACCESS, BUCKET, CLOSED, SECRET, Accounts
from stella.runtime.settings import StoreSettings

NAME = "s3"  # of the server, of its endpoint and of its folder
CONFIG = "s3.json"
OBJECTS = f"s3://{BUCKET}"


class Server(NamedTuple):
    """A server that lives."""

    pid: int
    endpoint: str


class StackStore:
    """The store of the stack in a folder, in the boot of that id; nothing is looked up before it is needed."""

    def __init__(self, data: Path, boot: str, entropy: Entropy = system_entropy) -> None:
        self._data, self._boot, self._entropy = data, boot, entropy
        folder, secrets = data / NAME, data / "secrets"
        self._accounts = Accounts(folder / CONFIG, secrets / f"{NAME}-access-key", secrets / f"{NAME}-secret-key")

    def _server(self) -> Server | None:
        run = run_file.living(self._data, self._boot)
        child = next((child for child in run.children if child.name == NAME), None) if run else None
        if child is None or child.process is None or not child.endpoint or not is_alive(child.process):
            return None
        return Server(child.process.pid, child.endpoint)

    def _living(self) -> Server:
        found = self._server()
        if found is None:
            raise StackStoreAway(data=self._data)
        return found

    def settings(self) -> StoreSettings:
        """How a tenant's handle finds the store and its keys; raises StackStoreAway."""
        return self._accounts.settings(self._living().endpoint)

    def own(self) -> StoreSettings:
        """The same with Stella's own keys, which open all of it; raises StackStoreAway."""
        access, secret = (f"file:{path}" for path in (self._accounts.access_key, self._accounts.secret_key))
        return StoreSettings(endpoint=self._living().endpoint, access_key=access, secret_key=secret)

    def _has(self, tenant: str, name: str) -> bool:
        folder = self._accounts.folder / tenant
        with reading(folder):
            return (folder / name).exists()

    def exists(self, tenant: str) -> bool:
        """Whether the tenant has keys, good or not; raises Unreadable."""
        return self._has(tenant, ACCESS) or self._has(tenant, SECRET)

    def is_open(self, tenant: str) -> bool:
        """Whether the tenant's keys are to open its prefix; raises Unreadable."""
        return self._has(tenant, ACCESS) and self._has(tenant, SECRET) and not self._has(tenant, CLOSED)

    def admit(self, tenant: str) -> None:
        """Open the account; its keys are good when this returns. Raises StackStoreAway, NotAdmitted, StoreUnreachable.

        What was written is good from the start of the server on, if it is not there.
        """
        server = self._server()
        if server is None:
            seaweed_accounts.open_account(self._accounts, tenant, self._entropy)
            raise StackStoreAway(data=self._data)
        seaweed_accounts.admit(self._accounts, tenant, server.pid, server.endpoint, self._entropy)

    def shut_out(self, tenant: str) -> None:
        """Close the account; its keys open nothing when this returns. Raises NotAdmitted or StoreUnreachable."""
        server = self._server()
        if server is None:
            seaweed_accounts.close_account(self._accounts, tenant)
        else:
            seaweed_accounts.shut_out(self._accounts, tenant, server.pid, server.endpoint)

    def forget(self, tenant: str) -> None:
        """Close the account and remove its keys; raises as `shut_out`."""
        self.shut_out(tenant)
        seaweed_accounts.close_account(self._accounts, tenant, forget=True)

    def refresh(self, seen: object = None) -> object:
        """Let the server read what is written, unless it has since `seen`; what to give the next time.

        It mends what a kill has left between a file and the signal.
        """
        config, server = self._accounts.config, self._server()
        if server is None:
            return None
        with reading(config):
            text = config.read_bytes()
            if text != seaweed_accounts.identities(self._accounts):
                seaweed_accounts.write_config(self._accounts)
            mark = (server, config.stat().st_mtime_ns)
        if mark != seen:
            seaweed_accounts.reload(server.pid)
        return mark
