"""Reports for other tools: `--report FORMAT=FILE`, as often as wanted, each format a function of the result.

Rules:
- They are named before the work begins, so that a wrong name costs none of it, and written when it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from stella.runtime.errors import BadReport
from stella.runtime.files import make_directory, replacing

Result = TypeVar("Result")


class Report(NamedTuple):
    """One report: its format, and where it goes."""

    form: str
    path: str


def read_reports(given: Sequence[str], formats: Iterable[str]) -> list[Report]:
    """The reports that somebody asked for; raises BadReport."""
    known = tuple(formats)
    found = [(text, *text.partition("=")) for text in given]
    for text, form, _, path in found:
        if not path or form not in known:
            raise BadReport(report=text, formats=", ".join(known), example=known[0])
    return [Report(form, path) for _, form, _, path in found]


def write_reports(
    reports: Sequence[Report], formats: Mapping[str, Callable[[Result], bytes]], result: Result
) -> tuple[str, ...]:
    """Write each report; where they are. Raises DiskFull or Unwritable."""
    for form, path in reports:
        make_directory(Path(path).absolute().parent)
        with replacing(Path(path)) as file:
            file.write(formats[form](result))
    return tuple(path for _, path in reports)
