"""The guard of a sealed process, in a process of its own: it cannot be taken off again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

TRY = """
import socket, sys
from stella.runtime import egress
from stella.runtime.errors import EgressBlocked
existing, datagrams = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
before = {before}
egress.seal()
egress.seal()
try:
    {attempt}
except EgressBlocked as error:
    print(error.facts["target"], int(error.exit), egress.denied(), egress.sealed())
else:
    print("went through")
"""


@pytest.fixture
def sealed() -> Callable[..., str]:
    def run(attempt: str, before: str = "None") -> str:
        code = TRY.format(attempt=attempt, before=before)
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
        return ended.stdout.strip() or ended.stderr

    return run


@pytest.mark.parametrize(
    ("attempt", "target"),
    [
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "socket.__new__"),
        ("socket.socket(socket.AF_VSOCK)", "socket.__new__"),
        ("existing.connect(('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("existing.connect(('localhost', 9))", "('localhost', 9)"),
        ("existing.connect(('127.0.0.999', 9))", "('127.0.0.999', 9)"),
        ("existing.connect(('127.1', 9))", "('127.1', 9)"),
        ("existing.connect(('0.0.0.0', 9))", "('0.0.0.0', 9)"),
        ("existing.connect((b'127.0.0.1', 9))", "(b'127.0.0.1', 9)"),
        ("existing.connect_ex(('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("existing.bind(('', 0))", "('', 0)"),
        ("existing.bind(('0.0.0.0', 0))", "('0.0.0.0', 0)"),
        ("datagrams.sendto(b'x', ('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("datagrams.sendmsg([b'x'], [], 0, ('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("socket.getaddrinfo('example.invalid', 80)", "example.invalid"),
        ("socket.getaddrinfo('localhost', 80)", "localhost"),
        ("socket.getaddrinfo(None, 80)", "socket.getaddrinfo"),
        ("socket.gethostbyname('example.invalid')", "example.invalid"),
        ("socket.gethostbyaddr('192.0.2.1')", "192.0.2.1"),
        ("socket.getnameinfo(('192.0.2.1', 9), 0)", "socket.getnameinfo"),
        ("socket.create_connection(('example.invalid', 80))", "example.invalid"),
        ("__import__('urllib.request').request.urlopen('http://example.invalid/')", "example.invalid"),
    ],
)
def test_every_way_out_is_refused(sealed: Callable[..., str], attempt: str, target: str) -> None:
    assert sealed(attempt) == f"{target} 5 1 True"


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.gethostname()",
        "open('/dev/null').close()",
        "socket.socketpair()",
        "socket.socket(socket.AF_UNIX).connect_ex('/nonexistent')",
        "existing.bind(('127.0.0.1', 0))",
        "socket.create_server(('127.0.0.1', 0))",
        "socket.create_server(('::1', 0), family=socket.AF_INET6)",
        "socket.create_connection(before.getsockname()).sendall(b'x')",
        "datagrams.connect(before.getsockname()), datagrams.sendmsg([b'x'])",
        "__import__('asyncio').new_event_loop().close()",
    ],
)
def test_what_stays_on_the_machine_is_allowed(sealed: Callable[..., str], attempt: str) -> None:
    assert sealed(attempt, before="socket.create_server(('127.0.0.1', 0))") == "went through"


def test_a_name_is_refused_before_a_resolver_is_asked(sealed: Callable[..., str]) -> None:
    """Where nothing resolves, asking first would fail in another way."""
    assert sealed("existing.connect(('example.invalid', 9))") == "('example.invalid', 9) 5 1 True"
    assert sealed("datagrams.sendto(b'x', 0, ('example.invalid', 9))") == "('example.invalid', 9) 5 1 True"


def test_a_swallowed_refusal_is_still_counted(sealed: Callable[..., str]) -> None:
    swallow = "__import__('contextlib').suppress(Exception).__enter__()"
    attempt = f"{swallow}; [egress._refuse('socket.connect', (existing, 'a'))]"
    assert sealed(attempt) == "a 5 1 True"


def test_an_unsealed_process_is_free() -> None:
    code = "import socket; from stella.runtime import egress as e; socket.socket(); print(e.sealed(), e.denied())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "False 0\n"
