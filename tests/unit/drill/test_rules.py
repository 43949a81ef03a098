"""What a drill holds against what it found."""

from __future__ import annotations

import ast
from pathlib import Path

from stella.drill import rules
from stella.tenancy import jwks, model

ROOM = Path(rules.__file__).parent
PRODUCT = {"BURST", "INTERVAL", "SKEW", "MAX_LIFE", "FIRST_DELAY", "LAST_DELAY", "SOFT", "SOFT_BOUNDS"}


def test_no_limit_is_taken_from_what_is_drilled() -> None:
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stella.tenancy"):
                assert not PRODUCT & {alias.name for alias in node.names}, file.name


def test_what_is_promised_is_what_the_product_has() -> None:
    assert (rules.BURST, rules.INTERVAL, rules.PAUSE) == (jwks.BURST, jwks.INTERVAL, jwks.LAST_DELAY)
    assert (rules.PLAY, rules.LONGEST_LIFE) == (model.SKEW, model.MAX_LIFE)
