"""How the way to an issuer fails: by the endpoint itself, or by packets that are lost in a network namespace.

Rules:
- Both are switched on and off without the cache knowing; what it sees is what its transport reports.
- Rules of a packet filter are made only inside a namespace of the drill (see `namespace`).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Literal, Protocol

from stella.drill.endpoint import FAULTS, Endpoint, Fault
from stella.drill.errors import NoNamespace

Loss = Literal["drop", "reset"]
LOSSES: tuple[Loss, ...] = ("drop", "reset")
FILTER_SECONDS = 30  # a packet filter that takes longer hangs


class Outage(Protocol):
    """Cuts one endpoint off, and lets it be reached again."""

    kind: str

    def begin(self) -> None: ...

    def end(self) -> None: ...


class FaultyEndpoint:
    """The endpoint answers wrongly, late or never."""

    def __init__(self, endpoint: Endpoint, kind: Fault) -> None:
        self._endpoint, self._fault = endpoint, kind
        self.kind: str = kind

    def begin(self) -> None:
        self._endpoint.fail(self._fault)

    def end(self) -> None:
        self._endpoint.mend()


class LostPackets:
    """Packets to the port of the endpoint are dropped, or answered with a reset."""

    def __init__(self, endpoint: Endpoint, kind: Loss) -> None:
        self._port = endpoint.port
        self._reset = kind == "reset"
        self.kind: str = kind
        self._filter = packet_filter()

    def begin(self) -> None:
        self._filter(self._port, reset=self._reset, begins=True)

    def end(self) -> None:
        self._filter(self._port, reset=self._reset, begins=False)


Kind = Literal["endpoint", "packets"]
Cut = Callable[[Endpoint, int], Outage]  # the outage for the n-th endpoint


def by_endpoint(endpoint: Endpoint, number: int) -> Outage:
    """Each endpoint fails in another way."""
    return FaultyEndpoint(endpoint, FAULTS[number % len(FAULTS)])


def by_packets(endpoint: Endpoint, number: int) -> Outage:
    """Packets are dropped at one endpoint and reset at the next."""
    return LostPackets(endpoint, LOSSES[number % len(LOSSES)])


def hanging(endpoint: Endpoint, number: int) -> Outage:
    """Every endpoint takes a request and never answers."""
    del number
    return FaultyEndpoint(endpoint, "hang")


def dropping(endpoint: Endpoint, number: int) -> Outage:
    """Packets to every endpoint are dropped."""
    del number
    return LostPackets(endpoint, "drop")


class Filter(Protocol):
    """Loses the packets to a port, or no longer."""

    def __call__(self, port: int, *, reset: bool, begins: bool) -> None: ...


def packet_filter() -> Filter:
    """Nft where it is there and works, else iptables; raises NoNamespace."""
    problems = []
    for name, ready in (("nft", _nft_ready), ("iptables", _iptables_ready)):
        program = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
        problem = ready(program) if program else "it is not installed"
        if not problem:
            return _nft(str(program)) if name == "nft" else _iptables(str(program))
        problems.append(f"{name}: {problem}")
    raise NoNamespace(problem="; ".join(problems))


def _nft_ready(program: str) -> str:
    chain = "{ type filter hook output priority 0; }"
    return _told(program, "add table inet drill") or _told(program, f"add chain inet drill out {chain}")


def _iptables_ready(program: str) -> str:
    return _told(program, "-L OUTPUT -n")


def _nft(program: str) -> Filter:
    def switch(port: int, *, reset: bool, begins: bool) -> None:
        mark = f"drill{port}"
        if begins:
            action = "reject with tcp reset" if reset else "drop"
            _must(program, f"add chain inet drill {mark}", f"add rule inet drill {mark} tcp dport {port} {action}")
            _must(program, f"add rule inet drill out jump {mark}")
        else:
            _must(program, f"flush chain inet drill {mark}")

    return switch


def _iptables(program: str) -> Filter:
    def switch(port: int, *, reset: bool, begins: bool) -> None:
        action = "REJECT --reject-with tcp-reset" if reset else "DROP"
        _must(program, f"-{'A' if begins else 'D'} OUTPUT -p tcp --dport {port} -j {action}")

    return switch


def _must(program: str, *lines: str) -> None:
    for line in lines:
        problem = _told(program, line)
        if problem:
            raise NoNamespace(problem=f"{program} {line}: {problem}")


def _told(program: str, line: str) -> str:
    """What a packet filter says against a command; nothing when it did it."""
    command = [program, *([line] if program.endswith("nft") else line.split())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=FILTER_SECONDS, check=False, text=True)  # noqa: S603  # our own words
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return " ".join((done.stderr or f"exit code {done.returncode}").split()) if done.returncode else ""
