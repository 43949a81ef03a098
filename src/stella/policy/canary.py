"""Canaries: which assets a new version decides for first, and whether what it does is what was foretold.

Rules:
- Whether an asset is in depends on the version and its id alone; nothing is kept. One that is in at 5 percent is in at
  50 percent too.
- Transitions are counted from the rule that won to the rule that wins, as `FROM>TO`. A difference means that the data
  or the engine is not what it was taken for, so the canary ends.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from stella.policy.errors import BadWord
from stella.policy.model import Difference

BUCKETS = 10_000
MAX_TRANSITIONS = 1_000_000  # of one matrix: 1,000 rules against 1,000
MAX_COUNT = 10**12
_FORM = re.compile(r"(?P<pair>[^\s>=]{1,200}>[^\s>=]{1,200})=(?P<count>[0-9]{1,12})\Z", re.ASCII)
_PAIR = re.compile(r"[^\s>=]{1,200}>[^\s>=]{1,200}\Z")

Matrix = Mapping[str, int]


def bucket(version: str, asset: str) -> int:
    """The bucket of an asset for a version, from 0 to 9,999: SHA-256 of both, as one big-endian number."""
    digest = hashlib.sha256(version.encode() + b"\0" + asset.encode()).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_in(version: str, asset: str, percent: int) -> bool:
    """Whether a version that is a canary for that share decides for an asset."""
    return bucket(version, asset) < percent * (BUCKETS // 100)


def foretold(assets: Mapping[str, Matrix], version: str, percent: int) -> dict[str, int]:
    """The transitions that a simulation, given by asset, foretells for the assets of a canary."""
    total: Counter[str] = Counter()
    for asset, matrix in assets.items():
        if is_in(version, asset, percent):
            total.update(matrix)
    return _plain(total)


def read(texts: Iterable[str]) -> dict[str, int]:
    """Transitions as they are typed; raises BadWord."""
    total: Counter[str] = Counter()
    for text in texts:
        found = _FORM.match(text)
        if not found:
            raise BadWord(what="transition", text=ascii(text)[1:-1][:80], form="FROM>TO=N")
        total[found["pair"]] += int(found["count"])
    return _plain(total)


def is_matrix(matrix: Mapping[str, int]) -> bool:
    """Whether a matrix has the form of one."""
    return len(matrix) <= MAX_TRANSITIONS and all(
        _PAIR.match(pair) is not None and 0 <= count <= MAX_COUNT for pair, count in matrix.items()
    )


def differences(predicted: Matrix, observed: Matrix) -> tuple[Difference, ...]:
    """The transitions whose numbers differ, by name."""
    return tuple(
        Difference(transition=pair, predicted=predicted.get(pair, 0), observed=observed.get(pair, 0))
        for pair in sorted(predicted.keys() | observed.keys())
        if predicted.get(pair, 0) != observed.get(pair, 0)
    )


def _plain(total: Mapping[str, int]) -> dict[str, int]:
    return {pair: total[pair] for pair in sorted(total) if total[pair]}
