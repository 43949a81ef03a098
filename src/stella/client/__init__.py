"""Speaks to a Stella service: the same operations as the command line, with the same results and the same errors.

with Client("http://127.0.0.1:8080", token) as stella:
    made = stella.mirror.create(dir="stable", source=("artifacts=dist/",), out="B.stella")
    print(made.root)
"""

from __future__ import annotations

from stella.client.api import Client

__all__ = ["Client"]
