"""The catalogue: every statement that Stella sends has a name in a `queries.sql` and is judged before it is sent.

Rules:
- A block is `-- name: x`, lines that say what it is for, and one statement. `-- duty: ROLE` says that it spans tenants
  and is sent by that role alone.
- Every other statement on a table of tenants is held to `%(tenant)s`, or the whole catalogue of the package does not
  load. Which tables hold data of tenants is said by the migrations of the package and of those beside it, which protect
  them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import LiteralString, NamedTuple

_HEAD = re.compile(r"-- name: (?P<name>[a-z][a-z0-9_]*)\Z")
_DUTY = re.compile(r"-- duty: (?P<duty>[a-z][a-z_]*)\Z")
_PROTECTED = re.compile(r"\bprotect\s*\(\s*'([^']+)'", re.IGNORECASE)


class Statement(NamedTuple):
    """A statement with its name and what it is for; `duty` is the role of work that spans tenants, or empty."""

    name: str
    description: str
    sql: LiteralString
    duty: str = ""


@functools.cache
def statements(package: str) -> Mapping[str, Statement]:
    """The statements of a package; raises ValueError for a file that is not of the form, or leaves its tenant."""
    found = parse(files(package).joinpath("queries.sql").read_text(encoding="utf-8"), package)
    tables = tables_beside(package)
    named = re.compile(rf"\b({'|'.join(re.escape(name.rpartition('.')[2]) for name in tables)})\b", re.IGNORECASE)
    own = bool(tenant_tables(package))
    for one in found.values():
        if one.duty or not (own or (tables and named.search(one.sql))):
            continue
        from stella.runtime.catalogue import check_statement  # noqa: PLC0415  # PostgreSQL's parser is heavy

        if problem := check_statement(one.sql, tables):
            raise ValueError(f"{package}/queries.sql: `{one.name}` may leave its tenant: {problem}")
    return found


def tables_beside(package: str) -> frozenset[str]:
    """The tenant tables of a package, and of all that are in the same package."""
    above = package.rpartition(".")[0]
    beside = [f"{above}.{path.name}" for path in files(above).iterdir() if path.is_dir()] if above else []
    return frozenset().union(*map(tenant_tables, {package, *filter(_has_migrations, beside)}))


def _has_migrations(package: str) -> bool:
    above, _, name = package.rpartition(".")
    return files(above).joinpath(name, "migrations").is_dir()


@functools.cache
def tenant_tables(package: str) -> frozenset[str]:
    """The tables, as `schema.table`, that the migrations of a package protect."""
    above, _, name = package.rpartition(".")
    folder = (files(above).joinpath(name) if above else files(package)).joinpath("migrations")
    texts = (
        [path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name.endswith(".sql")]
        if folder.is_dir()
        else []
    )
    return frozenset(name for text in texts for name in _PROTECTED.findall(text))


def parse(text: str, package: str) -> Mapping[str, Statement]:
    """The blocks of a catalogue; raises ValueError."""
    found: dict[str, Statement] = {}
    for number, block in enumerate(re.split(r"^(?=-- name:)", text, flags=re.MULTILINE)):
        lines = block.strip().splitlines()
        if number == 0 and all(line.startswith("--") or not line for line in lines):
            continue  # what the file itself is for
        head = _HEAD.match(lines[0])
        duty = next((match["duty"] for line in lines if (match := _DUTY.match(line))), "")
        said = [
            line.removeprefix("--").strip() for line in lines[1:] if line.startswith("--") and not _DUTY.match(line)
        ]
        body = "\n".join(line for line in lines[1:] if not line.startswith("--")).strip()
        if not head or not said or not body or head["name"] in found:
            raise ValueError(
                f"{package}/queries.sql: block {lines[0]!r} needs a name of its own, a description, a statement"
            )
        found[head["name"]] = Statement(head["name"], " ".join(said), body.removesuffix(";"), duty)
    return found
