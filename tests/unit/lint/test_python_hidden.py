"""Python that hides from a reader what it does with a database, and what only looks as if it did."""

from __future__ import annotations

import pytest

from stella.lint.python import lint


def rules(text: str) -> set[str]:
    return {spot.rule for spot in lint(text.encode(), "app")}


MODULES = {
    "by keyword": "import importlib\nimportlib.import_module(name='psycopg')",
    "dunder by keyword": "__import__(name='psycopg')",
    "handed on": "load = __import__\nload('psycopg')",
    "of builtins": "import builtins\nbuiltins.__import__('psycopg')",
    "bound twice": "from importlib import import_module as load\nload = load\nload('psycopg')",
    "resolved": "import pkgutil\npkgutil.resolve_name('psycopg:connect')",
    "machinery": "from importlib._bootstrap import _gcd_import\n_gcd_import('psycopg')",
    "of a file": "import importlib.util\nimportlib.util.spec_from_file_location('m', path)",
    "a loader": "from importlib.machinery import SourceFileLoader\nSourceFileLoader('m', 'p').load_module()",
    "a path": "import runpy\nrunpy.run_path('x')",
    "of its own loader": "__loader__.load_module('psycopg')",
    "modules.get": "import sys\nsys.modules.get('psycopg')",
    "modules, imported": "from sys import modules as m\nm['psycopg']",
    "modules, by a name": "import sys\nm = sys.modules\nm['psycopg']",
    "modules, unknown": "import sys\nsys.modules[name].connect(x)",
    "libpq": "import ctypes\nctypes.CDLL('libpq.so.5')",
    "libpq, searched": "import ctypes.util\nctypes.util.find_library('pq')",
    "types are never so": "import typing\ntyping.TYPE_CHECKING = True",
}
CODE = {
    "handed on": "run = exec\nrun(text)",
    "mapped": "list(map(eval, texts))",
    "of builtins": "import builtins as b\nb.eval(text)",
    "__builtins__": "__builtins__['exec'](text)",
    "imported": "from builtins import exec as go\ngo(text)",
    "compiled": "types.FunctionType(compile(text, 'x', 'exec'), {})()",
    "defined where it never runs": "if 0:\n    def exec(x): pass\nexec(text)",
    "bound in another function": "def f(exec): pass\nrun = exec",
    "by getattr": "import builtins\ngetattr(builtins, 'exec')(text)",
}
METHODS = {
    "vars().get": "vars(c).get('execute')(x)",
    "__dict__.pop": "c.__dict__.pop('execute')",
    "globals": "globals()['execute'](x)",
    "kept": "class A:\n    def f(self, c):\n        self.run = getattr(c, name)\n        self.run(x)",
    "walrus": "(f := getattr(c, name))(x)",
    "walrus, later": "if f := getattr(c, name):\n    f(x)",
    "mapped": "list(map(getattr(c, name), texts))",
    "partial": "partial(getattr(c, name), x)()",
    "getattr handed on": "g = getattr\ng(c, 'execute')(x)",
    "getattr reduced": "import functools\nfunctools.reduce(getattr, path, c)(x)",
    "dotted": "import operator\noperator.attrgetter('cursor.execute')(c)(x)",
    "methodcaller, unknown": "import operator\noperator.methodcaller(name, text)(c)",
    "attrgetter, unknown": "import operator\noperator.attrgetter(name)(c)(text)",
    "dunder, unknown": "object.__getattribute__(c, name)(text)",
    "static": "import inspect\ninspect.getattr_static(c, 'execute')(x)",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_driver_that_is_loaded_by_a_text(name: str) -> None:
    assert "STL005" in rules(MODULES[name])


@pytest.mark.parametrize("name", CODE)
def test_code_that_runs_from_a_text(name: str) -> None:
    assert "STL005" in rules(CODE[name])


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_reached_by_a_text(name: str) -> None:
    assert "STL005" in rules(METHODS[name])


OTHERS = [
    ("STL001", "TYPE_CHECKING = True\nif TYPE_CHECKING:\n    import psycopg"),
    ("STL001", "import cfg\nif cfg.TYPE_CHECKING:\n    import psycopg"),
    ("STL001", "from cfg import TYPE_CHECKING\nif TYPE_CHECKING:\n    import psycopg"),
    ("STL001", "from django.db import connection"),
    ("STL001", "from django.db import connections as c, models"),
    ("STL001", "import django.db\ndjango.db.connection.x"),
    ("STL001", "import duckdb"),
    ("STL001", "import _sqlite3"),
    ("STL002", "match c:\n    case Cursor(execute=run):\n        run(x)"),
    ("STL002", "c.execute(stmt='SELECT 1')"),
    ("STL002", "c.pgconn.exec_(b'SELECT 1')"),
    ("STL002", "c.cursor('SELECT 1')"),
    ("STL002", "Model.objects.raw('SELECT 1')"),
    ("STL002", "session.scalars(x)"),
    ("STL002", "c.execute(table.a == 1)"),  # of an ORM, that is a statement
    ("STL002", "@constant\ndef q(): pass\nc.execute(q)"),  # a decorator gives what it likes
    ("STL002", "def execute(x): pass\nfrom app.x import *\nexecute(y)"),
    ("STL002", "from pg_wrapper import fetch\nfetch('SELECT 1')"),
    ("STL002", "from .runtime.postgres import stream\nstream(x)"),
    ("STL002", "import nats\nnats.execute(x)"),
    ("STL002", "import os\nos.db.execute(x)"),
    ("STL002", "class B:\n    def copy(self): pass\nclass A(pg.Cursor):\n    def go(self, x): self.copy(x)"),
    ("STL002", "class B(pg.Cursor):\n    class A:\n        def copy(self): pass\n    def go(self, x): self.copy(x)"),
    ("STL002", "class A(pg.Cursor):\n    pass\ndef f(a: A): a.copy(x)"),
    ("STL003", "import subprocess\nsubprocess.run(['psql', '-c', x])"),
    ("STL003", "import os\nos.system('/usr/bin/psql -c x')"),
    ("STL003", "import subprocess\nPSQL = 'psql'\nsubprocess.Popen([PSQL, '-c', x])"),
    ("STL003", "import asyncio\nasyncio.create_subprocess_exec('pg_restore', x)"),
    ("STL003", "import os\nos.execvp('psql', ['psql'])"),
]


@pytest.mark.parametrize(("rule", "text"), OTHERS)
def test_found(rule: str, text: str) -> None:
    assert rule in rules(text)


QUIET = [
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import psycopg",
    "import typing as t\nif t.TYPE_CHECKING:\n    import psycopg",
    "from django.db import models, transaction",
    "import sys\nsys.modules[__name__]",
    "import sys\nsys.modules['app.x'] = fake",
    "def f(eval=False):\n    return eval",  # a name of the function's own
    "def train(model):\n    compile = model.compile\n    return compile",
    "import re\nre.compile('x')",
    "import subprocess\nsubprocess.run(['git', 'log'])",
    "import subprocess\nsubprocess.run(line)",
    "partial(getattr(c, 'name'), x)",
    "print(getattr(c, name), x)",
    "class A:\n    def f(self, c):\n        self.run = getattr(c, 'name')\n        self.run(x)",
    "from .exchange import fetch\nfetch(url)",
    "def f(fetch):\n    fetch(url)",
    "conn.cursor()",
    "import copy\nclass A:\n    def copy(self):\n        return copy.copy(self)",
    "import os, os.path\nimport shutil\ntry:\n    import shutil\nexcept ImportError:\n    pass\nshutil.copy(a, b)",
    "from app.files import load_module\nload_module(x)",
    "app.exec_()",
    "settings.get('execute')",
    "import ctypes\nctypes.CDLL('libc.so.6')",
    "match c:\n    case Cursor(name=run):\n        run(x)",
    "from .base import Base\nclass A(Base):\n    pass\ndef f(a: A): a.copy(x)",
    "from typing import Protocol\nclass A(Protocol):\n    def copy(self, x): ...\ndef f(a: A): a.copy(x)",
]


@pytest.mark.parametrize("text", QUIET)
def test_quiet(text: str) -> None:
    assert rules(text) == set()
