"""What bounds the work that strangers can cause: an allowance that refills, and a memory of ids known to be absent.

Rules:
- Time is handed in, from the boot clock. Both are guarded by their owner's lock.
"""

from __future__ import annotations

from collections import OrderedDict

from stella.kernel.instant import Seconds


class TokenBucket:
    """`burst` at once, and one more every `interval` seconds."""

    def __init__(self, burst: int, interval: Seconds) -> None:
        self._burst = burst
        self._interval = interval
        self._left = burst
        self._since: Seconds | None = None  # when the one that refills now began to

    def ready(self, now: Seconds) -> bool:
        """Whether there is one to take."""
        self._refill(now)
        return self._left > 0

    def take(self, now: Seconds) -> bool:
        """Take one; whether there was one."""
        if not self.ready(now):
            return False
        self._left -= 1
        if self._since is None:
            self._since = now
        return True

    def _refill(self, now: Seconds) -> None:
        if self._since is None:
            return
        grown = max(now - self._since, 0) // self._interval
        self._left = min(self._left + grown, self._burst)
        self._since = None if self._left == self._burst else self._since + grown * self._interval


class Absent:
    """Ids that a download showed to be absent, for `seconds`; the one least recently used is forgotten first."""

    def __init__(self, size: int, seconds: Seconds) -> None:
        self._size = size
        self._seconds = seconds
        self._seen: OrderedDict[str, Seconds] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, name: str, now: Seconds) -> None:
        self._seen[name] = now
        self._seen.move_to_end(name)
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)

    def holds(self, name: str, now: Seconds) -> bool:
        seen = self._seen.get(name)
        if seen is None:
            return False
        if now - seen >= self._seconds:
            del self._seen[name]
            return False
        self._seen.move_to_end(name)
        return True
