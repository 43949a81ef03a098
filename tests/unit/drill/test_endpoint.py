"""The endpoint of a drill over its real socket, asked by the transport that a service uses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from stella.drill.endpoint import FAULTS, Endpoint, Fault
from stella.kernel.errors import StellaError
from stella.tenancy.errors import BadKeySet, KeySetUnreachable
from stella.tenancy.fetch import KeyAddress
from stella.tenancy.keys import read_set
from stella.tenancy.mint import SigningKey
from stella.testing import counted_entropy

pytestmark = pytest.mark.network
KEY = SigningKey.generate(counted_entropy("endpoint"), "EdDSA")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint(60)
    made.publish(KEY)
    try:
        yield made
    finally:
        made.close()


def fetched(endpoint: Endpoint) -> set[str]:
    answer = KeyAddress(endpoint.url, seconds=0.4)("")
    assert answer.body is not None
    keys = read_set(answer.body, "issuer")
    assert answer.max_age == 60
    return set(keys)


def test_it_publishes_keys(endpoint: Endpoint) -> None:
    assert fetched(endpoint) == {KEY.kid}
    assert (endpoint.asked, endpoint.given, endpoint.followed) == (1, 1, 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_and_ends(endpoint: Endpoint, fault: Fault) -> None:
    endpoint.fail(fault)
    for _ in range(2):
        with pytest.raises(BadKeySet if fault == "garbage" else KeySetUnreachable):
            fetched(endpoint)
    endpoint.mend()
    assert fetched(endpoint) == {KEY.kid}
    assert endpoint.given == 1
    assert endpoint.followed == 0


def test_what_hangs_is_let_go(endpoint: Endpoint) -> None:
    endpoint.fail("hang")
    found: list[StellaError] = []

    def ask() -> None:
        try:
            KeyAddress(endpoint.url, seconds=30)("")
        except StellaError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not endpoint.asked:
        pass
    endpoint.mend()
    thread.join(10)
    assert [type(error) for error in found] == [KeySetUnreachable]


def test_nothing_listens_when_it_is_closed(endpoint: Endpoint) -> None:
    endpoint.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", endpoint.port), timeout=5)


def test_what_is_no_request_is_not_answered(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=5) as line:
        line.sendall(b"nonsense")
        line.shutdown(socket.SHUT_WR)
        assert line.recv(100) == b""
    assert endpoint.asked == 0
