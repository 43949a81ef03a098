"""Keeper of what is made from the tables: the reference pages and the typed client.

`python -m stella.cli.reference --write` or `--check`, from the root of the tree.

Rules:
- `--write`, which is also what no argument means, changes only the files that are stale and removes those of nothing.
- `--check` changes nothing and ends with 6 when a file is not what the tables say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stella import bootstrap
from stella.about.catalogue import error_classes
from stella.about.service import error_row
from stella.cli import bindings, pages, render
from stella.cli.errors import BadValue, StaleReference
from stella.kernel.errors import StellaError
from stella.runtime.files import DiskFolder

FOLDER = Path("docs/reference")
CLIENT = Path("src/stella/client/api")


def every_page() -> dict[str, str]:
    """File name to text of every reference page."""
    operations = bootstrap.load_all()
    return {
        "cli.md": pages.cli(operations),
        "diagnostics.md": pages.diagnostics(),
        "errors.md": pages.errors([error_row(kind) for kind in error_classes().values()]),
        "metrics.md": pages.metrics(),
        "operations.md": pages.operations(operations),
        "settings.md": pages.settings(),
    }


def every_module() -> dict[str, str]:
    """File name to text of every module of the client."""
    return bindings.modules(bootstrap.load_all())


def stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Names of the files under `folder` that are not as wanted, those that should not be there included."""
    files = (path for path in folder.glob("*") if path.is_file())
    there = {path.name: path.read_text(encoding="utf-8") for path in files}
    return sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))


def _trees() -> dict[Path, dict[str, str]]:
    return {FOLDER: every_page(), CLIENT: every_module()}


def write() -> None:
    """Make the files what the tables say."""
    for folder, wanted in _trees().items():
        for name in stale(folder, wanted):
            if name in wanted:
                DiskFolder(folder).write(name, wanted[name].encode())
            else:
                DiskFolder(folder).remove(name)


def check() -> None:
    """Raise StaleReference when a file is not what the tables say."""
    names = [str(folder / name) for folder, wanted in _trees().items() for name in stale(folder, wanted)]
    if names:
        raise StaleReference(pages=", ".join(names))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    actions: dict[tuple[str, ...], Callable[[], None]] = {(): write, ("--write",): write, ("--check",): check}
    try:
        action = actions.get(tuple(arguments))
        if action is None:
            advice = "python -m stella.cli.reference --write"
            raise BadValue(what="the command", problem="it takes --write or --check", advice=advice)
        action()
    except StellaError as error:
        return render.failure(error, as_json=False)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
