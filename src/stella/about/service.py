"""Answers about Stella itself: errors, settings, version. None of them needs a service, a network or a valid key."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping

import stella
from stella.about.catalogue import error_classes
from stella.about.errors import UnknownCode
from stella.about.model import ConfigShown, DiagnosticRow, ErrorRow, Explained, SettingRow, VersionShown
from stella.kernel.errors import StellaError
from stella.kernel.nearest import did_you_mean
from stella.language.codes import CODES, Code
from stella.runtime import config
from stella.runtime.settings import Settings

_FACT = re.compile(r"\{(\w+)[^}]*\}")


def explain(code: str | None) -> Explained:
    """One code of an error or a diagnostic, or all of them; raises UnknownCode."""
    classes = error_classes()
    if code is None:
        return Explained(
            errors=tuple(error_row(kind) for kind in classes.values()),
            diagnostics=tuple(diagnostic_row(one) for one in CODES.values()),
        )
    wanted = code.strip().upper()
    if wanted in CODES:
        return Explained(errors=(), diagnostics=(diagnostic_row(CODES[wanted]),))
    if wanted not in classes:
        known = (*classes, *CODES)
        raise UnknownCode(code=code, nearest=did_you_mean(code, known, "list every code: `stella explain`"))
    return Explained(errors=(error_row(classes[wanted]),))


def diagnostic_row(one: Code) -> DiagnosticRow:
    """What a code of policies says to people."""
    return DiagnosticRow(
        code=one.code,
        level=one.level,
        name=one.name,
        message=one.what.removesuffix("."),
        explanation=one.why,
        hint=one.fix,
    )


def error_row(kind: type[StellaError]) -> ErrorRow:
    """What a class says to people, with its facts as <fact>."""
    return ErrorRow(
        code=kind.code,
        exit=int(kind.exit),
        reason=kind.reason,
        message=_FACT.sub(r"<\1>", kind.template()).removesuffix("."),
        explanation=kind.explanation(),
        hint=_FACT.sub(r"<\1>", kind.hint),
    )


def show_config(settings: Settings, origins: Mapping[str, str], *, origin: bool) -> ConfigShown:
    """Every setting and its value; with `origin` also where it comes from."""
    return ConfigShown(
        settings=tuple(
            SettingRow(
                key=key.name,
                value=config.value_of(settings, key.name),  # type: ignore[arg-type]  # settings are text, numbers and switches
                default=key.default,  # type: ignore[arg-type]  # as above
                variable=key.variable,
                help=key.help,
                origin=origins.get(key.name, "default") if origin else None,
            )
            for key in config.every_key()
        )
    )


def version() -> VersionShown:
    """The version of Stella, of Python and of the operating system."""
    machine = os.uname()
    system = f"{machine.sysname} {machine.release} {machine.machine}"
    return VersionShown(version=stella.__version__, python=platform.python_version(), platform=system)
