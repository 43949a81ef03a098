"""Python that speaks to a database: each rule finds what it is for, and is quiet about what only looks like it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.shapes import BAD, GOOD
from stella.lint.python import lint


def rules(text: str, package: str = "app") -> set[str]:
    return {spot.rule for spot in lint(text.encode(), package)}


FOUND = {
    "STL001": [
        "import psycopg",
        "import psycopg.rows as x",
        "import os, sqlite3",
        "from asyncpg import connect as c",
        "from sqlalchemy.orm import Session",
        "from app.runtime.postgres import psycopg",
        "from .runtime import sqlite3 as s",
        "def f():\n    import psycopg2",
        "try:\n    import psycopg_pool\nexcept ImportError:\n    pass",
        "from app import storage\nstorage.psycopg.paramstyle",
        "if not TYPE_CHECKING:\n    import psycopg",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import psycopg",
    ],
    "STL002": [
        "c.execute('SELECT 1')",
        "c.execute(b'SELECT 1')",
        "c.execute(query='SELECT 1')",
        "c.execute(*rows)",
        "c.execute(**rows)",
        "c.execute(x if y else z)",
        "c.execute(rows['a'])",
        "c.execute((q := x))",
        "async def f():\n    await c.execute(await q())",
        "a.b.c().d[0].execute(x)",
        "c.executescript(x)",
        "c.callproc('p')",
        "async def f():\n    await pool.fetchval(x)",
        "pool.fetch(x)",
        "cur.copy('COPY t TO STDOUT')",
        "conn.stream(x)",
        "run = c.execute\nrun(x)",
        "list(map(c.execute, texts))",
        "partial(c.executemany, x)()",
        "from app.db import execute\nexecute(x)",
        "from app.db import execute as go\ngo(x)",
        "from psycopg2.extras import execute_values\nexecute_values(cur, x, rows)",
        "pandas.read_sql(x, c)",
        "def f(): pass\nf = g\nc.execute(f)",
        "class A:\n    def f(self):\n        return self.execute(self.x)",
        "from app.runtime.postgres import Connection\ndef f(c: Connection):\n    c.copy(x)",
        "from app.a import A\ndef f(c: A): pass\ndef g(c):\n    c.stream(x)",
        "lambda c: c.execute(x)",
        "match c:\n    case 1:\n        c.execute(x)",
    ],
    "STL003": [
        "driver.connect(dsn)",
        "pool.connection()",
        "with pool.connection() as c: pass",
        "pool.getconn()",
        "AsyncConnection.connect('x')",
        "create_engine(url)",
        "engine.raw_connection()",
        "from app.db import connect\nconnect(url)",
    ],
    "STL004": [
        "from x import sql\nsql.SQL(text)",
        "from psycopg.sql import SQL\nSQL('x')",
        "from psycopg.sql import SQL as S\nS('x')",
        "m.Composed([x])",
        "RawSQL(x, y)",
        "from psycopg import sql\nmake = sql.SQL",
    ],
    "STL005": [
        "getattr(c, 'execute')",
        "getattr(c, 'exe' + 'cute')(x)",
        "getattr(c, 'etucexe'[::-1])(x)",
        "getattr(c, ''.join(['exe', 'cute']))",
        "getattr(c, f'exe{\"cute\"}')",
        "NAME = 'execute'\ngetattr(c, NAME)",
        "getattr(c, 'EXECUTE'.lower())",
        "c.__getattribute__('execute')",
        "operator.methodcaller('execute', x)(c)",
        "operator.attrgetter('connect')(m)",
        "getattr(c, name)('SELECT 1')",
        "run = getattr(c, name)\nrun(x)",
        "__import__('psycopg')",
        "__import__(name)",
        "importlib.import_module('psycopg.rows')",
        "importlib.import_module('psy' + 'copg')",
        "from importlib import import_module as load\nload(x)",
        "sys.modules['psycopg']",
        "vars(c)['execute']",
        "type(c).__dict__['execute']",
        "exec(text)",
        "eval(text)",
    ],
}
GIVEN = """\
from app.bundle import Reader
class A:
    def __init__(self, r: Reader | None):
        self._r = r
    def g(self):
        self._r.stream(x)
"""
QUIET = [
    "x = 1",
    "c.execute()",
    "c.execute(1)",
    "c.execute(None)",
    "c.execute(lambda: 1)",
    "c.execute([1])",
    "def job(): pass\npool.execute(job)",
    "class Job: pass\npool.execute(Job)",
    "def execute(x): pass\nexecute(y)",
    "{}.copy()",
    "rows.copy()",
    "import shutil\nshutil.copy(a, b)",
    "import copy\ncopy.copy(x)",
    "from copy import copy\ncopy(x)",
    "from shutil import copy as c\nc(a, b)",
    "import socket\nsocket.socket().connect((host, 1))",
    "s.connect((host, 1))",
    "signal.connect(lambda: 1)",
    "import asyncio\nasyncio.open_connection(h, 1)",
    "from app.exchange import fetch\nfetch(url)",
    "from app import exchange\nexchange.fetch(url)",
    "from app.bundle import Reader\ndef f(r: Reader):\n    return r.stream(x)",
    "from app.bundle import Reader\ndef f(r: 'Reader | None'):\n    return r.stream(x)",
    "import app.bundle as b\nclass A:\n    def __init__(self, r: b | None): self._r = r",
    GIVEN,
    "class A:\n    def stream(self, x): pass\n    def g(self):\n        return self.stream(1 + x)",
    "from app.bundle import Reader\nwith Reader.open(p) as r:\n    r.stream(x)",
    "def f(c): getattr(c, 'name')",
    "getattr(c, name)",
    "getattr(c, name)(1, 2)",
    "importlib.import_module('app.x')",
    "import nats\nnats.connect(url)",
    "re.compile('x')\nmodel.eval()",
    "if TYPE_CHECKING:\n    import psycopg",
    "import typing\nif typing.TYPE_CHECKING:\n    from psycopg import Connection",
    "'import psycopg; c.execute(x)'",
    "# c.execute(x)",
    "sql = 'SELECT 1'",
    "settings.SQL",
    "import sqlite",
    "from .databases import x",
    "db.many('p', 'name', rows)",
]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FOUND.items() for text in texts])
def test_found(rule: str, text: str) -> None:
    assert rule in rules(text)


@pytest.mark.parametrize("text", QUIET)
def test_quiet(text: str) -> None:
    assert rules(text) == set()


@pytest.mark.parametrize("name", BAD)
def test_the_sixteen_shapes(name: str) -> None:
    assert rules(BAD[name]), name


@pytest.mark.parametrize("name", GOOD)
def test_what_only_looks_like_one(name: str) -> None:
    assert not rules(GOOD[name]), name


def test_a_class_of_the_room_is_not_believed() -> None:
    text = "from app.db.driver import Cursor\ndef f(c: Cursor):\n    c.stream(x)"
    assert {spot.rule for spot in lint(text.encode(), "app", "runtime")} == set()
    assert {spot.rule for spot in lint(text.encode(), "app", "db/driver")} == {"STL002"}


def test_places_and_order() -> None:
    found = list(lint(b"x = 1\nfirst.execute(a)\n\n(\n  second\n  .execute(b)\n)\nimport psycopg\n"))
    assert [(spot.rule, spot.line, spot.start, spot.column) for spot in found] == [
        ("STL002", 2, 2, 1),
        ("STL002", 6, 5, 3),
        ("STL001", 8, 8, 1),
    ]
    assert found[0].message == "`first.execute(...)` may run any statement"


UNREADABLE = {
    "syntax": b"def f(:\n",
    "NUL": b"x = 1\0\nimport psycopg\n",
    "not UTF-8": b"x = '\xff'\n",
    "unknown encoding": b"# coding: klingon\nx = 1\n",
    "parentheses": b"(" * 5000 + b")" * 5000,
    "minus": b"x = " + b"-" * 200_000 + b"1",
    "attributes": b"x" + b".a" * 100_000,
    "sum": b"x = " + b"+".join([b"1"] * 100_000),
    "blocks": b"".join(b" " * n + b"if x:\n" for n in range(200)),
    "calls": b"f(" * 3000 + b")" * 3000,
    "half a mark": b"\xef\xbb",
    "UTF-16": "import psycopg\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_finding(name: str) -> None:
    (spot,) = lint(UNREADABLE[name], "app")
    assert spot.rule == "STL000"
    assert spot.line >= 1


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\xef\xbb\xbfimport psycopg\n", "STL001"),
        ("# coding: latin-1\nx = 'ä'; import psycopg\n".encode("latin-1"), "STL001"),
        (b"# coding: utf-7\n# +AAo-import psycopg\n", "STL001"),  # a comment only for whoever does not decode it
        (b"import psycopg\r\n", "STL001"),
        (b"x = '\\d'\nimport psycopg\n", "STL001"),  # a warning of the compiler is none of ours
    ],
)
def test_encodings(data: bytes, rule: str) -> None:
    assert {spot.rule for spot in lint(data)} == {rule}


def test_a_long_file_is_read() -> None:
    lines = 5_000
    assert len(list(lint(b"c.execute(x)\n" * lines))) == lines


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert all(spot.line >= 1 for spot in lint(data, "app"))


PIECES = [
    "import",
    "from",
    "as",
    "psycopg",
    "c",
    ".",
    "execute",
    "(",
    ")",
    "[",
    "]",
    "x",
    "=",
    "'a'",
    "f'{x}'",
    "lambda",
    ":",
    ",",
    "*",
    "**",
    "+",
    "getattr",
    "def",
    "\n",
    "class",
    "if",
    "else",
    "await",
    ":=",
    "0",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join))
def test_any_words_have_an_answer(text: str) -> None:
    assert all(spot.line >= 1 for spot in lint(text.encode(), "app"))


def test_the_limit_of_recursion_is_left_alone() -> None:
    before = sys.getrecursionlimit()
    list(lint(UNREADABLE["sum"]))
    assert sys.getrecursionlimit() == before


def test_a_text_that_grows_without_end_is_left_unknown() -> None:
    made = "".join(f"a{n} = ''.join([{', '.join([f'a{n - 1}'] * 50)}])\n" for n in range(1, 15))
    assert rules(f"a0 = 'exec'\n{made}getattr(c, a14)(x)") == {"STL005"}
    assert rules("a = b\nb = a\ngetattr(c, a)(x)") == {"STL005"}
