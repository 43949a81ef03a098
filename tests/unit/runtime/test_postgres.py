"""Addresses, named statements, and the errors of the driver in the words of Stella."""

from __future__ import annotations

import re
from importlib.resources import files

import psycopg
import pytest

from stella.kernel.errors import Exit, StellaError
from stella.runtime import egress, postgres
from stella.runtime.errors import (
    BadDsn,
    DatabaseAbsent,
    DatabaseDenied,
    DatabaseUnavailable,
    EgressBlocked,
    StatementRefused,
)
from stella.runtime.postgres import Login

TEXT = """\
-- What the file is for.

-- name: one
-- Says one,
-- and nothing else.
SELECT 1; -- not cut

-- name: two
-- Says two.
SELECT %(x)s
FROM t;
"""


def test_statements_have_a_name_and_a_description() -> None:
    found = postgres.parse_statements(TEXT.replace(" -- not cut", ""), "box")
    assert [tuple(found[name]) for name in found] == [
        ("one", "Says one, and nothing else.", "SELECT 1"),
        ("two", "Says two.", "SELECT %(x)s\nFROM t"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "-- name: one\nSELECT 1;",
        "-- name: one\n-- Says one.\n",
        "-- name: One\n-- Says one.\nSELECT 1;",
        "-- name: one\n-- Says one.\nSELECT 1;\n-- name: one\n-- Again.\nSELECT 1;",
        "SELECT 1;\n-- name: one\n-- Says one.\nSELECT 1;",
    ],
)
def test_a_block_of_another_form_does_not_load(text: str) -> None:
    with pytest.raises(ValueError, match=r"box/queries\.sql"):
        postgres.parse_statements(text, "box")


def test_statements_of_a_package_are_read_once_and_all_are_used() -> None:
    found = postgres.statements("stella.runtime")
    assert postgres.statements("stella.runtime") is found
    folder = files("stella.runtime")
    code = folder.joinpath("migrate.py").read_text() + folder.joinpath("batches.py").read_text()
    assert [name for name in found if f'"{name}"' not in code] == []


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("host=/run/pg user=me dbname=stella", "`stella` of me at /run/pg"),
        ("postgresql://me@db.example/stella", "`stella` of me at db.example"),
        ("user=me", "`me` of me at the local socket"),
        ("", "`` of the caller at the local socket"),
    ],
)
def test_where_a_database_is(dsn: str, where: str) -> None:
    assert Login(dsn, "secret").checked().where == where


@pytest.mark.parametrize("dsn", ["host=a password=hush", "postgresql://me:hush@db.example/stella", "hots=a", "="])
def test_an_address_that_cannot_be_used(dsn: str) -> None:
    with pytest.raises(BadDsn) as caught:
        Login(dsn, "", "`database.dsn`", "database.password").checked()
    error = caught.value
    assert error.exit is Exit.USAGE
    assert "`database.dsn`" in error.message
    assert "`database.password`" in error.advice
    assert "hush" not in str(error.problem())


def failed(state: str | None, text: str = "words\nmore") -> psycopg.Error:
    kind = psycopg.errors.lookup(state) if state else psycopg.OperationalError
    return kind(text)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failed("23505"), StatementRefused),
        (failed("42P01"), StatementRefused),
        (failed("57014"), StatementRefused),
        (failed(None, 'FATAL: role "x" is not permitted to log in'), DatabaseDenied),
        (
            failed(None, 'FATAL: no pg_hba.conf entry for host "::1", user "x"'),
            DatabaseDenied,
        ),
        (failed(None, 'FATAL: permission denied for database "y" DETAIL: User does not have CONNECT'), DatabaseDenied),
        (failed("42501"), DatabaseDenied),
        (failed("28P01"), DatabaseDenied),
        (failed(None, "FATAL: password authentication failed"), DatabaseDenied),
        (failed("3D000"), DatabaseAbsent),
        (failed(None, 'FATAL: database "x" does not exist'), DatabaseAbsent),
        (failed("53100"), DatabaseUnavailable),
        (failed("57P01"), DatabaseUnavailable),
        (failed("08006"), DatabaseUnavailable),
        (failed("40P01"), DatabaseUnavailable),
        (failed(None, "the connection is lost"), DatabaseUnavailable),
    ],
)
def test_errors_of_the_driver_have_names(error: psycopg.Error, kind: type[StellaError]) -> None:
    with pytest.raises(kind) as caught, postgres.speaking("doing it", "`stella` of me"):
        raise error
    assert re.search("doing it|`stella` of me", caught.value.message)
    assert "\n" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("dsn", "variable", "value", "here"),
    [
        ("dbname=x", "PGUSER", "me", True),
        ("dbname=x", "PGHOST", "/run/postgresql", True),
        ("dbname=x", "PGHOST", "db.example", False),
        ("dbname=x", "PGHOSTADDR", "192.0.2.1", False),
        ("dbname=x", "PGSERVICE", "far", False),
        ("host=/s dbname=x", "PGHOSTADDR", "192.0.2.1", False),
        ("host=/s dbname=x", "PGHOST", "db.example", True),
    ],
)
def test_what_libpq_adds_from_the_environment_counts(
    dsn: str, variable: str, value: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    login = Login(dsn)
    assert login.on_this_machine is here
    if variable == "PGHOST":
        assert login.where.endswith(" at /s" if "/s" in dsn else f" at {value}")
    monkeypatch.setattr(egress, "sealed", lambda: True)
    if not here:
        with pytest.raises(EgressBlocked):
            postgres.connect(login)
