"""The same import through a service: a sealed stack is started, a site is laid and fed over HTTP, and all is stopped.

Rules:
- The command line speaks to the service with its token; no file of the service's folder is touched but the trust
  folder, which an operator copies there by hand, as out of band.
- Whatever fails, the stack is stopped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stella.demo.errors import DemoFailed
from stella.demo.model import Served
from stella.demo.side import Side
from stella.kernel.tenant import DEFAULT_TENANT

STACK = "S"


def end(folder: Path, side: Side) -> None:
    """Stop a stack that an interrupted demo has left, so that its folder can go."""
    if (folder / STACK / "lock").exists():
        side.quietly("down", "--data", STACK)


def serve(side: Side, bundle: Path, trust: Path) -> Served:
    """Start a stack, import a bundle over HTTP, look, and stop it; raises DemoFailed."""
    up, up_seconds = side.run("up", "--data", STACK)
    try:
        url = _service(up)
        data = side.folder / STACK
        shutil.copytree(trust, data / "work" / "tenants" / DEFAULT_TENANT / "trust")
        at = ("--server", url)
        token = (data / "secrets" / "admin-token").read_text(encoding="utf-8").strip()
        side.environment["STELLA_TOKEN"] = token
        side.run("site", "init", "--dir", "D", "--trust", "trust", "--name", "hub", *at)
        imported, import_seconds = side.run("site", "import", os.path.relpath(bundle, side.folder), "--dir", "D", *at)
        events, _ = side.run("site", "events", *at)
        side.run("status", *at)
        if [(row["state"], row["generation"]) for row in events["rows"]] != [("active", imported["generation"])]:
            raise DemoFailed(problem="the index of sites does not say what was imported")
    finally:
        down, _ = side.run("down", "--data", STACK)
    return Served(
        endpoint=url,
        up_seconds=round(up_seconds, 3),
        import_seconds=round(import_seconds, 3),
        generation=imported["generation"],
        stopped=tuple(down["stopped"]),
    )


def _service(up: Mapping[str, Any]) -> str:
    url: str = up["endpoints"].get("service", "")
    if not url:
        raise DemoFailed(problem="the stack came up without a service")
    return url
