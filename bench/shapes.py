"""Sixteen ways in which SQL gets past a catalogue of statements, and what only looks like one.

Each text is a file of its own. They are texts and not files, so that no tool takes them for code of this program.
"""

from __future__ import annotations

HEAD = "def f(cur, conn, db, table, value, name):\n"


def _body(*lines: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in lines)


BAD: dict[str, str] = {
    "f-string": _body('cur.execute(f"SELECT * FROM {table}")'),
    "concatenation": _body('cur.execute("SELECT * FROM " + table)'),
    "percent": _body("cur.execute(\"SELECT * FROM t WHERE a = '%s'\" % value)"),
    "format": _body('cur.execute("SELECT * FROM {}".format(table))'),
    "via a variable": _body('query = f"DELETE FROM {table}"', "cur.execute(query)"),
    "augmented": _body('query = "SELECT * FROM t"', 'query += " WHERE a = \'" + value + "\'"', "cur.execute(query)"),
    "sql.SQL": "from psycopg import sql\n" + _body("cur.execute(sql.SQL(value))"),
    "join": _body('cur.execute(" ".join(["SELECT * FROM", table]))'),
    "raw connect": "import psycopg\n" + _body("return psycopg.connect(value)"),
    "getattr": _body('getattr(cur, "exec" + "ute")("SELECT * FROM t")'),
    "constant SET ROLE": _body('cur.execute("SET ROLE stella_owner")'),
    "constant DISABLE RLS": _body('cur.execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY")'),
    "executemany in a with": _body(
        "with conn.cursor() as other:", '    other.executemany("INSERT INTO t VALUES (%s)", value)'
    ),
    "a parameter passed through": "def run(cur, statement):\n    return cur.execute(statement)\n",
    "constant set_config": _body("cur.execute(\"SELECT set_config('app.tenant_id', 'b', true)\")"),
    "COPY": _body('with cur.copy("COPY t TO STDOUT") as copy:', "    return list(copy)"),
}
GOOD: dict[str, str] = {
    "a call of the catalogue": _body('return db.all("stella.site", "list_events", limit=50, site=value)'),
    "an executor": _body("return db.execute(lambda: table)"),
    "a log line": "import logging\n" + _body('logging.info("SELECT * FROM %s failed: %s", table, value)'),  # noqa: S608  # what it shows
    "a sentence": _body('return f"SELECT a file from {table}, then update it"'),
}
