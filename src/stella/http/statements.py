"""The statements of `queries.sql`, by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_BLOCK = re.compile(r"^-- name: (?P<name>[a-z_]+)\n(?:-- [^\n]*\n)+(?P<text>.*?;)\n", re.MULTILINE | re.DOTALL)


@cache
def statements() -> dict[str, str]:
    """Name to statement; raises ValueError for a text that is not made of named and described blocks alone."""
    text = files("stella.http").joinpath("queries.sql").read_text(encoding="utf-8")
    found = {block["name"]: block["text"] for block in _BLOCK.finditer(text)}
    if _BLOCK.sub("", text).strip() or len(found) != text.count("-- name:"):
        raise ValueError("queries.sql has something outside its named blocks, or a name twice")
    return found
