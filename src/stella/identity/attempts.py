"""How often somebody may try a secret: per client or principal, and per address.

Rules:
- A network of IPv6 that one line gets (/64) is one address.
- An attempt is taken before the secret is compared, so that many at once do not slip through, and given back when the
  secret was right.
- The memory is bounded. When it is full the one that was used least recently is forgotten: its allowance is full again
  by then, or an attacker spends an address for each.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

from stella.kernel.instant import Seconds

BURST, INTERVAL = 10, 30  # at one name: ten attempts at once, then one every half minute
ADDRESS_BURST, ADDRESS_INTERVAL = 60, 1  # from one address, which may be a proxy's and stand for many
REMEMBERED = 10_000
LINE = 64  # bits of an IPv6 address that somebody does not choose


def origin(address: str) -> str:
    """By what attempts from an address are counted; a text that is none stands for itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((found, LINE), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


class Attempts:
    """Allowances by name; time is that of the boot clock. Safe from any thread."""

    def __init__(self, burst: int = BURST, interval: Seconds = INTERVAL, size: int = REMEMBERED) -> None:
        self._burst = burst
        self._interval = interval
        self._size = size
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[int, Seconds]] = OrderedDict()  # attempts, and since when one is forgiven

    def take(self, name: str, now: Seconds) -> Seconds:
        """Take an attempt; 0, or the seconds until there is one again."""
        with self._lock:
            spent, since = self._left(name, now)
            if spent >= self._burst:
                return max(since + self._interval - now, 1)
            self._keep(name, spent + 1, since)
            return 0

    def give_back(self, name: str, now: Seconds) -> None:
        """The secret was right: it was no attempt at guessing."""
        with self._lock:
            spent, since = self._left(name, now)
            self._keep(name, spent - 1, since)

    def _left(self, name: str, now: Seconds) -> tuple[int, Seconds]:
        """Attempts that are not yet forgiven, and since when the next one is being forgiven."""
        spent, since = self._spent.get(name, (0, now))
        forgiven = max(now - since, 0) // self._interval
        return (0, now) if forgiven >= spent else (spent - forgiven, since + forgiven * self._interval)

    def _keep(self, name: str, spent: int, since: Seconds) -> None:
        self._spent.pop(name, None)
        if spent <= 0:
            return
        while len(self._spent) >= self._size:
            self._spent.popitem(last=False)
        self._spent[name] = (spent, since)
