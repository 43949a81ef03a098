"""What the operations about Stella itself take and give."""

from __future__ import annotations

from typing import Annotated

import msgspec

from stella.operations import arg


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of explain."""

    code: Annotated[str | None, arg("Error code; upper or lower case.", positional=True, metavar="CODE")] = None
    all: Annotated[bool, arg("List every code, as without CODE.")] = False


class ErrorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One error class; `message` and `hint` name their facts as <fact>."""

    code: str
    exit: int
    reason: str
    message: str
    explanation: str
    hint: str


class DiagnosticRow(msgspec.Struct, frozen=True, kw_only=True):
    """One code of what is found in a policy: its level, what it means, why it matters, and what to do."""

    code: str
    level: str
    name: str
    message: str
    explanation: str
    hint: str


class Explained(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.explain@1"):
    """Result of explain: the code that was asked for, or all of them sorted by code.

    Errors are of operations that fail; diagnostics are of policies.
    """

    errors: tuple[ErrorRow, ...]
    diagnostics: tuple[DiagnosticRow, ...] = ()


class ShowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of config.show."""

    origin: Annotated[bool, arg("Say where each value comes from.")] = False


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One setting. A secret is shown as its reference; `origin` is None when it was not asked for."""

    key: str
    value: str | int | bool
    default: str | int | bool
    variable: str
    help: str
    origin: str | None


class ConfigShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.config.show@1"):
    """Result of config.show, in the order of declaration."""

    settings: tuple[SettingRow, ...]


class AskVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request of version."""


class VersionShown(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="stella.version@1"):
    """Result of version."""

    version: str
    python: str
    platform: str
