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
existing = socket.socket()
plain = {before}
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
        ("socket.socket()", "socket.__new__"),
        ("socket.socket(socket.AF_UNIX)", "socket.__new__"),
        ("socket.socketpair()", "socket.__new__"),
        ("existing.connect(('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("existing.bind(('127.0.0.1', 0))", "('127.0.0.1', 0)"),
        ("existing.sendto(b'x', ('192.0.2.1', 9))", "('192.0.2.1', 9)"),
        ("socket.getaddrinfo('example.invalid', 80)", "example.invalid"),
        ("socket.gethostbyname('example.invalid')", "example.invalid"),
        ("socket.gethostbyaddr('192.0.2.1')", "192.0.2.1"),
        ("socket.getnameinfo(('192.0.2.1', 9), 0)", "socket.getnameinfo"),
        ("socket.create_connection(('example.invalid', 80))", "example.invalid"),
        ("__import__('urllib.request').request.urlopen('http://example.invalid/')", "example.invalid"),
        ("__import__('asyncio').new_event_loop()", "socket.__new__"),
    ],
)
def test_every_way_out_is_refused(sealed: Callable[..., str], attempt: str, target: str) -> None:
    assert sealed(attempt) == f"{target} 5 1 True"


def test_local_questions_are_allowed(sealed: Callable[..., str]) -> None:
    assert sealed("socket.gethostname()") == "went through"
    assert sealed("open('/dev/null').close()") == "went through"


def test_a_swallowed_refusal_is_still_counted(sealed: Callable[..., str]) -> None:
    attempt = "__import__('contextlib').suppress(Exception).__enter__(); [egress._refuse('socket.connect', (0, 'a'))]"
    assert sealed(attempt) == "a 5 1 True"


def test_an_unsealed_process_is_free() -> None:
    code = "import socket; from stella.runtime import egress as e; socket.socket(); print(e.sealed(), e.denied())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "False 0\n"
