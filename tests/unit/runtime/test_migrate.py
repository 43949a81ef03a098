"""What the runner computes without a database."""

from __future__ import annotations

import pytest

from stella.runtime import batches
from stella.runtime.migrate import lock_key


def test_a_lock_is_one_of_a_schema_and_a_purpose() -> None:
    keys = {lock_key(schema, purpose) for schema in ("a", "b") for purpose in ("schema", "data")}
    assert len(keys) == 4
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)
    assert lock_key("a", "schema") == lock_key("a", "schema") == -6071547465625653708


@pytest.mark.parametrize(
    ("size", "took_ms", "following"),
    [
        (1000, 200, 1000),
        (1000, 100, 2000),
        (1000, 1, 2000),
        (1000, 0, 2000),
        (1000, 300, 666),
        (1000, 400, 500),
        (1000, 60_000, 500),
        (1, 60_000, 1),
        (batches.MAX_SIZE, 1, batches.MAX_SIZE),
    ],
)
def test_the_size_of_a_batch_follows_its_time(size: int, took_ms: int, following: int) -> None:
    assert batches.next_size(size, took_ms) == following
