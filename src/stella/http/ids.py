"""Ids of jobs, which order them.

Rules:
- Within a second the randomness of an id counts upward from that of the one before (RFC 9562, section 6.2, method 2),
  so ids of a tenant sort in the order in which they were asked for.
- Each tenant has a count of its own: nobody sees in an id how busy the others are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from stella.kernel.ids import RANDOM_BYTES, uuid7
from stella.kernel.instant import Instant
from stella.runtime.ports import Entropy

LOW = 62  # bits of an id behind the variant
ROOM = 74  # bits of an id that are random
STEP_BYTES = 4  # of the random steps from one id to the next; a second holds more than can be taken
MAX_TENANTS = 4096  # whose last id is remembered


class Ids:
    """Makes ids. Safe from any thread."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._lock = threading.Lock()
        self._last: OrderedDict[str, tuple[Instant, int]] = OrderedDict()

    def next(self, tenant: str, now: Instant) -> str:
        """The next id of a tenant. A clock that is set back does not bring an earlier one."""
        with self._lock:
            second, count = self._last.pop(tenant, (-1, 0))
            if now > second:
                second, count = now, int.from_bytes(self._entropy(RANDOM_BYTES), "big") % (1 << (ROOM - 1))
            else:
                count += 1 + int.from_bytes(self._entropy(STEP_BYTES), "big")
            self._last[tenant] = second, count
            if len(self._last) > MAX_TENANTS:
                self._last.popitem(last=False)
        spread = (count >> LOW) << (LOW + 2) | count & ((1 << LOW) - 1)  # around the two bits of the variant
        return uuid7(second, spread.to_bytes(RANDOM_BYTES, "big"))
