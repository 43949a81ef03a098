"""The names by which Python reaches a database.

Rules:
- Drivers are known by their top package. What runs, opens or composes SQL is known by its own name, whatever it is a
  method of: a lint does not know types, so it denies by name.
- SOMETIMES are names that much else has too; they count unless the value is declared as a class of one's own code.
"""

from __future__ import annotations

# fmt: off
DRIVERS = frozenset(
    {
        "MySQLdb", "adbc_driver_postgresql", "aiomysql", "aiopg", "aiosqlite", "asyncmy", "asyncpg", "cx_Oracle",
        "databases", "edgedb", "mariadb", "mysql", "oracledb", "peewee", "pg8000", "pgdb", "piccolo", "ponyorm",
        "postgresql", "psqlpy", "psycopg", "psycopg2", "psycopg2cffi", "psycopg_binary", "psycopg_c",
        "psycopg_pool", "py_postgresql", "pygresql", "pymssql", "pymysql", "pyodbc", "sqlalchemy", "sqlite3",
        "sqlmodel", "tortoise",
    }
)
DISTINCT_DRIVERS = DRIVERS - {"databases", "mysql", "postgresql"}  # those that are no common word

# Runs SQL, and nothing else has the name.
ALWAYS = frozenset(
    {
        "callproc", "copy_expert", "copy_from_query", "copy_from_table", "copy_records_to_table",
        "exec_driver_sql", "exec_params", "exec_prepared", "execute", "executemany", "executescript",
        "execute_batch", "execute_values", "fetchmany_query", "fetchrow", "fetchval", "mogrify", "query_to_table",
        "read_database", "read_database_uri", "read_sql", "read_sql_query", "read_sql_table", "send_query",
        "send_query_params",
    }
)
# fmt: on
SOMETIMES = frozenset({"copy", "copy_from", "copy_to", "fetch", "stream"})
SINKS = ALWAYS | SOMETIMES
OPENERS = frozenset(
    {"connect", "connection", "create_pool", "create_engine", "create_async_engine", "getconn", "raw_connection"}
)
COMPOSERS = frozenset({"SQL", "Composed", "RawSQL"})
OTHERS = frozenset({"aio_pika", "asyncssh", "nats", "paho", "paramiko", "pika", "websockets", "zmq"})  # speak no SQL
KEYWORDS = frozenset({"query", "sql", "statement", "operation", "command"})  # of the text, where it has no place

REACHERS = frozenset({"getattr", "hasattr", "attrgetter", "methodcaller", "__getattribute__", "__getattr__"})
IMPORTERS = frozenset({"__import__", "import_module", "find_spec", "find_loader", "run_module"})
RUNNERS = frozenset({"eval", "exec"})
HIDDEN = ALWAYS | OPENERS | COMPOSERS | {"copy_from", "copy_to"}  # names that nobody has a reason to spell as text
