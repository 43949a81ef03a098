"""The migrations that this release ships keep the rules."""

from __future__ import annotations

import pytest

from stella import bootstrap
from stella.database.files import load_module
from stella.database.syntax import parse


@pytest.mark.parametrize("module", sorted(bootstrap.SCHEMAS))
def test_every_shipped_file_keeps_the_rules(module: str) -> None:
    files = load_module(module, bootstrap.SCHEMAS[module])
    assert files
    for file in files:
        parse(file)
