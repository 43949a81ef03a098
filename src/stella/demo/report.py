"""stub until the page exists"""
from __future__ import annotations
def demo_page(result: object) -> bytes:
    return b""
