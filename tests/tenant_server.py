"""The embedded S3 store as a stack runs it, with tenants; and requests to it that no careful client would send.

Rules:
- It is the command, the configuration and the closed doors of `runtime.seaweed_server`, on free ports of 127.0.0.1.
- Requests are signed here and sent as they are, so that a probe reaches the server with the very key that it has.
- It dies with the worker that started it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from stella.runtime import seaweed_accounts, seaweed_server
from stella.runtime.children import start_child, stop_child
from stella.runtime.seaweed_accounts import Accounts
from stella.runtime.seaweed_server import PORTS, Seaweed

PATIENCE = 60
TENANTS = ("a", "b", "aa")
REGION = "us-east-1"
Query = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """What a server said."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Keys(NamedTuple):
    """The keys of an account."""

    access: str
    secret: str


NOBODY = Keys("", "")


class TenantServer(NamedTuple):
    """A running server whose bucket has room for the tenants of TENANTS."""

    top: Path
    accounts: Accounts
    pid: int
    ports: dict[str, int]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    def keys(self, tenant: str) -> Keys:
        folder = self.accounts.folder / tenant
        return Keys(*((folder / name).read_text() for name in ("access-key", "secret-key")))

    @property
    def own(self) -> Keys:
        return Keys(self.accounts.access_key.read_text(), self.accounts.secret_key.read_text())

    def reveal(self, reference: str) -> bytes:
        return Path(reference.removeprefix("file:")).read_bytes()

    def admit(self, tenant: str) -> None:
        seaweed_accounts.admit(self.accounts, tenant, self.pid, self.endpoint)

    def ask(
        self,
        keys: Keys,
        method: str,
        path: str,
        query: Query = (),
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        port: str = "s3.port",
    ) -> Answer:
        """Send a request as it is, signed unless by NOBODY."""
        host = f"127.0.0.1:{self.ports[port]}"
        sent = {"host": host, **(headers or {})}
        if keys != NOBODY:
            sent = signed(keys, method, path, query, body, sent)
        line = http.client.HTTPConnection(host, timeout=20)
        try:
            line.putrequest(method, path + (f"?{encoded(query)}" if query else ""), skip_host=True)
            for name, value in {**sent, "content-length": str(len(body))}.items():
                line.putheader(name, value)
            line.endheaders(body or None)
            answer = line.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            line.close()


def encoded(query: Query) -> str:
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query))


def signature(keys: Keys, stamp: str, text: str) -> str:
    key = b"AWS4" + keys.secret.encode()
    for part in (stamp[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def scope_of(stamp: str) -> str:
    return f"{stamp[:8]}/{REGION}/s3/aws4_request"


def signed(keys: Keys, method: str, path: str, query: Query, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """AWS Signature Version 4 in the headers."""
    stamp = now()
    all_ = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    names = ";".join(sorted(all_))
    lines = [method, path, encoded(query), "".join(f"{name}:{all_[name]}\n" for name in sorted(all_)), names]
    digest = hashlib.sha256("\n".join([*lines, all_["x-amz-content-sha256"]]).encode()).hexdigest()
    proof = signature(keys, stamp, "\n".join(["AWS4-HMAC-SHA256", stamp, scope_of(stamp), digest]))
    credential = f"{keys.access}/{scope_of(stamp)}"
    all_["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={proof}"
    return all_


def presigned(keys: Keys, method: str, host: str, path: str) -> Query:
    """AWS Signature Version 4 in the query."""
    stamp = now()
    query = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{keys.access}/{scope_of(stamp)}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
    ]
    text = "\n".join([method, path, encoded(query), f"host:{host}\n", "host", "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(text.encode()).hexdigest()
    proof = signature(keys, stamp, "\n".join(["AWS4-HMAC-SHA256", stamp, scope_of(stamp), digest]))
    return [*query, ("X-Amz-Signature", proof)]


def start(top: Path) -> Iterator[TenantServer]:
    """A server that works below `top`, until the generator is closed."""
    for name in ("data", "run"):
        (top / name).mkdir(mode=0o700)
    for name in ("access", "secret"):
        (top / name).write_text(os.urandom(16).hex())
    server = Seaweed(top / "data", top / "run", top / "access", top / "secret")
    service = seaweed_server.service(server, top / "log")
    words = service.command({})
    process = start_child(words, log=top / "log", env=service.env, folder=service.folder)
    try:
        end = time.monotonic() + PATIENCE
        while not service.ready(process.pid):
            assert process.poll() is None, (top / "log").read_text()[-2000:]
            assert time.monotonic() < end, (top / "log").read_text()[-2000:]
            time.sleep(0.05)
        given = dict(word[1:].split("=", 1) for word in words if "=" in word)
        yield TenantServer(top, server.accounts, process.pid, {name: int(given[name]) for name in PORTS})
    finally:
        process.kill()  # nothing in it is to be kept, and asking takes it seconds
        stop_child(process, 9, 10)


@pytest.fixture(scope="session")
def tenant_server() -> Iterator[TenantServer]:
    """A running server with accounts for TENANTS."""
    with tempfile.TemporaryDirectory(prefix="stella-s3-", ignore_cleanup_errors=True) as name:
        for server in start(Path(name)):
            for tenant in TENANTS:
                server.admit(tenant)
            yield server
