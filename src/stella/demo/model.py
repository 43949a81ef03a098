"""What the demo takes and gives."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.operations import arg


class RunDemo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of demo."""

    dir: Annotated[
        str, arg("Folder to work in; what an earlier demo left there is replaced.", "folder", metavar="DIR")
    ] = "out/demo"


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that crossed the gap; sizes in bytes."""

    number: int
    files: int
    content_bytes: int
    bundle_bytes: int
    thin: bool
    root: str
    create_seconds: float
    import_seconds: float


class Attack(msgspec.Struct, frozen=True):
    """An attack and how it ended; `detail` is what the site said."""

    name: str
    rejected: bool
    reason: str
    detail: str


class Step(msgspec.Struct, frozen=True):
    """A step of the main job: which side, the command, what came of it, and how long it took."""

    side: str
    command: str
    outcome: str
    seconds: float


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The import through a service: where it was, how long start and import took, and what was stopped in the end."""

    endpoint: str
    up_seconds: float
    import_seconds: float
    generation: int
    stopped: tuple[str, ...]


class DemoDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.demo@1"):
    """Result of demo, also written as `summary.json`.

    `real` says whether the releases came from the package index; `checks` is what the site examined before it activated
    the second generation.
    """

    product: str
    versions: tuple[str, str]
    real: bool
    sealed: bool
    generations: tuple[Carried, ...]
    checks: tuple[tuple[str, str], ...]
    attacks: tuple[Attack, ...]
    steps: tuple[Step, ...]
    thin_ratio: float
    site_matches_vendor: bool
    service: Served
    report: str
    summary: str
    seconds: float
